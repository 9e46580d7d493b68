from collections.abc import Sequence
from typing import Self, final

from typing_extensions import Buffer, override

@final
class ReadData:
    """Bytes of a stream, with room around them for the rest of the message that they will go out in.

    What has a buffer can be copied into one. A reading makes it and fills it without the interpreter.
    """

    def __init__(self, content: Buffer = b"") -> None: ...
    def __len__(self) -> int: ...
    @override
    def __eq__(self, value: object, /) -> bool: ...
    def __buffer__(self, flags: int, /) -> memoryview:
        """What ``memoryview`` and others look at.

        Raises:
            BufferError: the bytes have gone into their message.
        """

@final
class ReadRun:
    """Bytes of one stream out of a run of entries."""

    verdict: int
    """VERDICT_OK, or what is wrong with the entry at ``position``. VERDICT_TOO_LONG: the first record
    needs ``needed`` bytes. VERDICT_WOULD_BLOCK: ask a thread."""
    position: int
    needed: int
    error_number: int
    """Of the system's refusal with VERDICT_IO_ERROR."""
    offset: int
    """Of the first byte returned; with no byte returned: where to read on."""
    next_offset: int
    data: ReadData
    checksum: int
    """CRC-32C of ``data``."""
    lengths: bytes
    """With ``records``: uint32 little-endian each, else empty."""
    timestamps: bytes
    """With ``records``: uint64 little-endian each, else empty."""
    ordinal: int
    """With ``records``: of the first record returned."""

def encode_read_response(
    stream_id: int,
    offset: int,
    data: ReadData,
    checksum: int,
    lengths: bytes,
    timestamps: bytes,
    ordinal: int,
    next_offset: int,
    end_offset: int,
    end_of_stream: bool,
) -> bytes:
    """goutube.v1.ReadResponse, made of ``data`` itself: the bytes stay where they were read to.

    So ``data`` comes first in the message, and the other fields behind it, in the order of their
    numbers. It is used up.

    Raises:
        BufferError: it was used up before, or somebody has a view of it.
        OverflowError: a value that does not fit its field.
    """

def read_run(
    buffer: Buffer,
    position: int,
    count: int,
    salt: int,
    stream_id: int,
    first_offset: int,
    limit_offset: int,
    first_ordinal: int,
    first_stamp: int,
    bytes_max: int,
    records: bool,
) -> ReadRun:
    """Read one stream's bytes out of the entries in [position, position + count) of a segment.

    Entries of other streams are stepped over. Returned bytes begin with the first byte that is at or
    after ``first_offset`` and belongs to a record whose ordinal is at least ``first_ordinal`` and
    whose time at least ``first_stamp``, and end before ``limit_offset`` and at ``bytes_max`` at the
    latest. With ``records`` only whole records that begin at or after ``first_offset`` and end at or
    before ``limit_offset`` are returned.

    Every byte returned is covered by a checksum that was verified: the entry's, or, where it has
    block checksums, those of the blocks touched (and its tables'). Bytes before a damaged entry are
    returned with VERDICT_OK; the next read meets the damage first.
    """

def read_file_run(
    fd: int,
    position: int,
    count: int,
    salt: int,
    stream_id: int,
    first_offset: int,
    limit_offset: int,
    first_ordinal: int,
    first_stamp: int,
    bytes_max: int,
    records: bool,
    nowait: bool,
) -> ReadRun:
    """``read_run`` on a file; a small range of a large batch is read without the rest of it.

    With ``nowait`` (RWF_NOWAIT) bytes outside the page cache end it with VERDICT_WOULD_BLOCK.
    Releases the GIL.
    """

@final
class DiskThreads:
    """Native threads that write, sync and read without ever taking the GIL.

    Jobs are taken in order; with one thread they also end in order. Each job ends in ``completed``,
    and an eventfd wakes whoever waits for that.

    Args:
        threads: 1 to 64.
    """

    def __new__(cls, threads: int) -> Self: ...
    def fileno(self) -> int:
        """The eventfd that becomes readable when jobs have ended."""
    def submit_write(self, ticket: int, fd: int, position: int, buffers: Sequence[Buffer]) -> None:
        """pwritev all buffers, short writes continued."""
    def submit_group(
        self,
        ticket: int,
        fd: int,
        position: int,
        seed: int,
        buffers: Sequence[Buffer],
        along: bytes = b"",
    ) -> None:
        """Complete a journal group's checksums (buffers[0] is its head), write and sync it.

        Then some of its buffers are written to other files, too, which are not synced.

        Args:
            along: fd, position, number of the first buffer and how many, of each of these files;
                64 bits each, little-endian.
        """
    def submit_sync(self, ticket: int, fd: int) -> None:
        """fdatasync."""
    def submit_read(
        self,
        ticket: int,
        fd: int,
        position: int,
        count: int,
        salt: int,
        stream_id: int,
        first_offset: int,
        limit_offset: int,
        first_ordinal: int,
        first_stamp: int,
        bytes_max: int,
        records: bool,
    ) -> None:
        """``read_file_run`` on a thread."""
    def completed(self) -> list[tuple[int, int, ReadRun | int | None]]:
        """Jobs that have ended since the last call: (ticket, errno or 0, what was read).

        A group with files ``along`` that failed tells at which one instead: 0 is its own. Clears
        the eventfd.

        Raises:
            MemoryError: none is lost; the eventfd is set, and the next call tells of them.
        """
    def seconds(self) -> tuple[int, float, float]:
        """Groups written, and the total and the longest seconds that their write and sync took."""
    def close(self) -> None:
        """Finish what was submitted, then end the threads. Closing twice is fine."""
