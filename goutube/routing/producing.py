"""A producer's records on their way into batches, and the batches on their way into a session.

Records are gathered into one open group at a time. It goes when it is full, when it has lingered,
or when somebody flushes, but not before the session could send it: so batches grow with the load.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from goutube.errors import GoutubeError, InvalidArgumentError
from goutube.limits import BATCH_DATA_BYTES_MAX, KIB, MIB, PRODUCER_WINDOW_BATCHES
from goutube.model import AppendResult, Batch, Buffer
from goutube.routing.operation import Operation, Parcel
from goutube.routing.strict_session import StrictSession

_END: Final = struct.Struct("<I")
_GROUP_COST_BYTES: Final = 512


class Builder(Protocol):
    """What the core needs of the kernel that gathers records."""

    @property
    def record_count(self) -> int:
        """Records gathered so far."""

    def open(self) -> None:
        """Let records be added until ``take``."""

    def add(self, record: object) -> int:
        """Copy a record in; its number, or a negative one."""

    def take(self) -> tuple[int, int, bytes, bytes, int]:
        """(record count, flags, tables, data, checksum)."""


@dataclass(frozen=True, slots=True)
class ProducerOptions:
    """How a producer batches.

    Attributes:
        linger_ms: how long a record waits for others to share its batch.
        batch_bytes: record bytes at which a batch is full.
        buffer_bytes: memory of all records that are not yet acknowledged; who sends more waits.
        in_flight: batches under way at once, 1 to ``PRODUCER_WINDOW_BATCHES``.
    """

    linger_ms: float = 5.0
    batch_bytes: int = MIB
    buffer_bytes: int = 32 * MIB
    in_flight: int = PRODUCER_WINDOW_BATCHES

    def __post_init__(self) -> None:
        self._check("linger_ms", self.linger_ms, 0, 60_000)
        self._check("batch_bytes", self.batch_bytes, 1, BATCH_DATA_BYTES_MAX)
        self._check("buffer_bytes", self.buffer_bytes, 64 * KIB, 1 << 40)
        self._check("in_flight", self.in_flight, 1, PRODUCER_WINDOW_BATCHES)

    def _check(self, what: str, value: float, least: int, most: int) -> None:
        if not least <= value <= most:
            raise InvalidArgumentError(f"{what} is {value!r}; it must be {least} to {most}")


class Group(Operation):
    """The records of one batch; what their handles look at."""

    __slots__ = ("cost", "opened_ms", "tables")

    def __init__(self, budget_ms: int) -> None:
        super().__init__(budget_ms=budget_ms)
        self.tables: Buffer = b""
        self.cost = 0
        self.opened_ms = 0

    def result_of(self, number: int) -> AppendResult:
        """Where the record with this number lies.

        Raises:
            GoutubeError: its batch was refused or given up.
        """
        whole = self.result()
        begin = _END.unpack_from(self.tables, 4 * number - 4)[0] if number else 0
        (end,) = _END.unpack_from(self.tables, 4 * number)
        return AppendResult(
            whole.offset + begin, whole.offset + end, whole.stream_id, whole.duplicate
        )


GroupT = TypeVar("GroupT", bound=Group)


class Gatherer(Generic[GroupT]):
    """Gathers records and knows when a batch is due; its shell holds the lock and the clock.

    Args:
        session: numbers and remembers the batches.
        builder: gathers the bytes of the open group; made for the limits that ``options`` say.
        options: the bounds.
        new_group: makes an empty group.
    """

    def __init__(
        self,
        session: StrictSession,
        builder: Builder,
        options: ProducerOptions,
        new_group: Callable[[], GroupT],
    ) -> None:
        self.session = session
        self.builder = builder
        self.group = new_group()
        """The open group, or the last one that was open: what the builder's numbers belong to."""
        self._options = options
        self._new_group = new_group
        self._cost = 0
        self._open = False
        self._urgent = False

    @property
    def quiet(self) -> bool:
        """Whether everything that was added is acknowledged or has failed."""
        return not self._open and self.session.idle

    def open_group(self, now_ms: int) -> bool:
        """Begin a group; False while there is no room for it."""
        if self._cost and self._cost + self._options.batch_bytes > self._options.buffer_bytes:
            return False
        self.group = self._new_group()
        self.group.opened_ms = now_ms
        self.builder.open()
        self._open = True
        self._urgent = False
        return True

    def close_group(self, now_ms: int) -> None:
        """Hand the open group, if there is one with a record, to the session."""
        if not self._open or not self.builder.record_count:
            return
        group = self.group
        count, flags, tables, data, checksum = self.builder.take()
        self._open = False
        group.tables = tables
        group.cost = len(data) + len(tables) + _GROUP_COST_BYTES
        self._cost += group.cost
        self.session.submit(group, Batch(count, flags, tables, data, checksum), now_ms, seal=False)
        group.complete = True

    def flush(self) -> None:
        """Let the open group wait no longer."""
        self._urgent = self._open

    def next_parcel(self, now_ms: int) -> Parcel | None:
        """What to send next on the open call; None while nothing may be sent."""
        if self._open and self.session.room and self._due_ms(now_ms) <= 0:
            self.close_group(now_ms)
        return self.session.next_parcel(now_ms)

    def wait_ms(self, now_ms: int) -> float | None:
        """How long nothing has to be done unless something happens; None: for ever."""
        waits: list[float | None] = [self.session.left_ms(now_ms)]
        if self._open and self.session.room:
            waits.append(self._due_ms(now_ms))
        return min((wait for wait in waits if wait is not None), default=None)

    def expire(self, now_ms: int) -> bool:
        """Fail everything if nothing has gone on for too long; whether that is so."""
        left_ms = self.session.left_ms(now_ms)
        if left_ms is None or left_ms > 0:
            return False
        self.session.expire()
        return True

    def fail(self, error: GoutubeError) -> None:
        """Give up all that is under way."""
        self.close_group(0)
        self.session.close(error)

    def take_ended(self) -> list[GroupT]:
        """The groups whose outcome has become known since the last call."""
        ended: list[GroupT] = self.session.take_woken()  # type: ignore[assignment]  # no others are submitted
        for group in ended:
            self._cost -= group.cost
        if self.session.failure is not None:
            self._drop_open(self.session.failure, ended)
        return ended

    def _due_ms(self, now_ms: int) -> float:
        return 0 if self._urgent else self.group.opened_ms + self._options.linger_ms - now_ms

    def _drop_open(self, failure: GoutubeError, ended: list[GroupT]) -> None:
        if self._open:
            self._open = False
            if self.builder.record_count:
                self.builder.take()
                self.group.fail(failure)
                ended.append(self.group)
