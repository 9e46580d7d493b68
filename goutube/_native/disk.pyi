from collections.abc import Sequence
from typing import Any, final

from typing_extensions import Buffer, disjoint_base

from goutube._native.framing import ReadRun

@final
@disjoint_base
class DiskThreads:
    """Native threads that write, sync and read without ever taking the GIL.

    Jobs are taken in order; with one thread they also end in order. Each job ends in ``completed``,
    and an eventfd wakes whoever waits for that.

    Args:
        threads: 1 to 64.
    """

    def __init__(self, threads: int) -> None: ...
    def fileno(self) -> int:
        """The eventfd that becomes readable when jobs have ended."""
    def submit_write(self, ticket: int, fd: int, position: int, buffers: Sequence[Buffer], sync: bool) -> None:
        """pwritev all buffers, short writes continued, then fdatasync if ``sync``."""
    def submit_group(self, ticket: int, fd: int, position: int, seed: int, buffers: Sequence[Buffer]) -> None:
        """Complete a journal group's checksums (buffers[0] is its head), write and sync it."""
    def submit_sync(self, ticket: int, fd: int) -> None:
        """fdatasync."""
    def submit_read(
        self, ticket: int, fd: int, position: int, count: int, salt: int, stream_id: int,
        first_offset: int, limit_offset: int, first_ordinal: int, first_stamp: int, bytes_max: int, records: bool,
    ) -> None:
        """``read_file_run`` on a thread."""
    def completed(self) -> list[tuple[int, int, ReadRun | None]]:
        """Jobs that have ended since the last call: (ticket, errno or 0, what was read). Clears the eventfd."""
    def seconds(self) -> tuple[int, float, float]:
        """Groups written, and the total and the longest seconds that their write and sync took."""
    def close(self) -> None:
        """Finish what was submitted, then end the threads. Closing twice is fine."""
