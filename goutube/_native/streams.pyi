from collections.abc import Iterator
from typing import Generic, Self, TypeVar, final

_Key = TypeVar("_Key", int, str)

@final
class Producer:
    """What is remembered of one producer of one stream, up to one of its batches; never changed.

    Args:
        epoch: of its newest batch, 32 bits.
        next_sequence: number that the first record of its next batch must have, 64 bits.
        last_stamp: time of that batch's last record, 64 bits.
        window: its last batches of this epoch, oldest first, 24 bytes each: sequence u64, record
            count u32, checksum u32, offset u64, little-endian.

    Raises:
        OverflowError: a number is negative or does not fit.
        ValueError: the window is not a whole number of batches, or it was made before.
    """

    def __init__(self, epoch: int, next_sequence: int, last_stamp: int, window: bytes) -> None: ...
    @property
    def epoch(self) -> int: ...
    @property
    def next_sequence(self) -> int: ...
    @property
    def last_stamp(self) -> int: ...
    @property
    def window(self) -> bytes: ...
    def batches(self) -> list[tuple[int, int, int, int]]:
        """(sequence, record count, checksum, offset) of the remembered batches, oldest first."""

@final
class StreamState:
    """What is known of one stream, in 96 bytes and those of its name, unseen by the garbage collector.

    Streams sort by their names. All numbers are unsigned, of 64 bits. ``last_stamp`` is ``created_ms``
    unless it is given.

    Raises:
        OverflowError: a number is negative or does not fit, here and wherever one is set.
        ValueError: it was made before: its name and id stay.
    """

    def __init__(
        self,
        name: str,
        stream_id: int,
        created_ms: int,
        properties: bytes,
        start: int = 0,
        end: int = 0,
        record_count: int = 0,
        sealed: bool = False,
        last_stamp: int | None = None,
    ) -> None: ...
    @property
    def name(self) -> str:
        """Made anew each time, but for a copy that runs ahead, which is in use.

        Raises:
            ValueError: its class was never called.
        """
    @property
    def stream_id(self) -> int: ...
    @property
    def created_ms(self) -> int: ...
    @property
    def base(self) -> StreamState | None:
        """What this is a copy of that may have run ahead."""

    properties: bytes
    """As they were set, encoded."""
    start: int
    end: int
    record_count: int
    last_stamp: int
    sealed: bool
    producers: dict[bytes, Producer] | None
    """What is remembered of its producers; None: nothing."""

    def __lt__(self, other: StreamState, /) -> bool: ...
    def __gt__(self, other: StreamState, /) -> bool: ...
    def producer(self, producer_id: bytes) -> Producer | None:
        """What is remembered of a producer, here or in the base; None if nothing is."""

    def heard_of(
        self,
        producer_id: bytes,
        epoch: int,
        sequence: int,
        record_count: int,
        checksum: int,
        offset: int,
        stamp: int,
        batches_max: int,
    ) -> None:
        """Remember a batch of a producer, and no more than ``batches_max`` of its epoch.

        Args:
            stamp: time of its last record.

        Raises:
            OverflowError: a number is negative or does not fit; nothing is changed.
        """

    def overlay(self) -> StreamState:
        """A copy that can run ahead of this state, which is its ``base``."""

    def heard(self, stamp: int) -> None:
        """Note the time of an entry; time does not go back."""

    def extend(self, offset: int, data_bytes: int, ordinal: int, record_count: int) -> None:
        """Take in a batch: so many bytes at an offset, so many records behind ``ordinal``.

        Raises:
            OverflowError: its end would be beyond any offset or ordinal; nothing is taken in.
        """

@final
class StreamMap(Generic[_Key]):
    """Streams in the order in which they came, found by id or by name: a dict of a third its size.

    The order is that of a dict, and depends on no hash. What goes over the streams sees them as they
    were when it began.
    """

    def __new__(cls, *, by_name: bool) -> Self: ...
    @property
    def by_name(self) -> bool:
        """Whether streams are found by name."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[_Key]: ...
    def __contains__(self, key: _Key, /) -> bool: ...
    def __getitem__(self, key: _Key, /) -> StreamState: ...
    def __delitem__(self, key: _Key, /) -> None: ...
    def get(self, key: _Key) -> StreamState | None:
        """The stream of a key; None where there is none.

        Raises:
            TypeError: the key is no name, or no number, as the case may be.
        """

    def values(self) -> list[StreamState]:
        """The streams."""

    def put(self, stream: StreamState) -> None:
        """Take in a stream; in the place of the one with its key, if there is one."""

    def reserve(self, count: int) -> None:
        """Make room for so many streams in all, at once and no more."""
