"""What the core asks of the outside: Protocols that ``goutube.runtime`` (and a simulation) fulfil.

Everything here is synchronous. A *job* is a value that says what to do to the disk; the driver runs
it off the event loop and hands its outcome back to the core under the job's ticket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from goutube.crash_points import CrashPoint
from goutube.model import Buffer


class Clock(Protocol):
    """Time of day and time that only runs forward."""

    def wall_ms(self) -> int:
        """Unix time in milliseconds; it may jump."""

    def monotonic_ms(self) -> int:
        """Milliseconds of a clock that never runs back, and runs on while the process stands."""


class Entropy(Protocol):
    """Random bytes."""

    def token_bytes(self, count: int) -> bytes:
        """``count`` unpredictable bytes (under simulation: drawn from the seed)."""


class File(Protocol):
    """One open regular file. Errors of the operating system are raised as ``OSError``."""

    path: str

    def read(self, position: int, count: int) -> bytes:
        """Up to ``count`` bytes from ``position``; fewer only at the end of the file."""

    def write(self, position: int, *buffers: Buffer) -> None:
        """Write all buffers one behind the other from ``position``; short writes are continued."""

    def sync(self) -> None:
        """Make what was written durable (fdatasync).

        One that finds no room (on a file system that only now looks for it) has lost what it was to
        write: it raises an ``OSError`` of EIO, for a second one would succeed.
        """

    def size(self) -> int:
        """The file's length in bytes."""

    def allocate(self, position: int, count: int) -> None:
        """Reserve disk space for a range, which reads as zeros, and extend the file over it."""

    def truncate(self, size: int) -> None:
        """Cut or extend the file to ``size`` bytes."""

    def map(self) -> memoryview:
        """The whole file, read-only; it stays valid after ``close``."""

    def filled(self, position: int) -> list[tuple[int, int]]:
        """(start, end) of what from ``position`` on is not certainly zeros: all, unless told."""
        return [(position, self.size())]

    def drop_cached(self) -> None:
        """Let the next reads come from the disk itself, as far as the page cache counts as clean.

        A sync that fails leaves pages that count as clean and that the disk does not have; they
        outlive the process.
        """

    def read_stored(self, position: int, count: int) -> Buffer:
        """``read`` from the disk itself, past the page cache, which is left as it is.

        Where the file system cannot do that, it comes close to it. Only for what was synced.
        """

    def rest(self) -> None:
        """Nothing is written any more, all is synced: keep no descriptor between reads."""

    def close(self) -> None:
        """Close the file; closing twice is fine."""


class Room(Struct, frozen=True):
    """What is left on a file system.

    Attributes:
        bytes: of its space.
        files: how many more it can hold.
    """

    bytes: int
    files: int


class Disk(Protocol):
    """One data directory. Paths are relative to it, with ``/``; nothing outside can be named."""

    def open(self, path: str, *, create: bool = False, write: bool = True) -> File:
        """Open a regular file; symbolic links are refused.

        With ``create`` the file must not exist yet (``FileExistsError``).
        """

    def exists(self, path: str) -> bool:
        """Whether a file or directory of this name is there."""

    def list(self, path: str) -> list[str]:
        """The names in a directory, sorted; none when the directory is missing."""

    def make_directory(self, path: str) -> None:
        """Create a directory and sync its parent; an existing one is fine."""

    def rename(self, source: str, target: str) -> None:
        """Put ``source`` in the place of ``target`` in one step; not durable by itself."""

    def remove(self, path: str) -> None:
        """Remove a file; a missing one is fine."""

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in a directory durable."""

    def room(self) -> Room:
        """What is left for this process; a quota may allow less than it says."""

    def lock(self, path: str) -> None:
        """Hold the lock file until the process ends.

        Raises:
            DataDirError: another process holds it.
        """

    def reached(self, point: CrashPoint) -> None:
        """Take in that this place is reached; where that was asked for, the process ends here."""


class WriteAlong(Struct, frozen=True):
    """Some of a journal group's buffers, ``count`` from ``first`` on, for another file, too."""

    file: File
    position: int
    first: int
    count: int


class WriteGroup(Struct, frozen=True):
    """Write one journal group and sync it. Groups run strictly one after the other.

    The first buffer is the group's header as ``encode_group`` made it; the writer completes the
    checksums in it under the ring's ``seed``, off the event loop. Once the group is durable it
    writes what goes ``along``, without a sync: a job less for a thread to be woken for.
    """

    ticket: int
    file: File
    position: int
    seed: int
    buffers: Sequence[Buffer]
    along: Sequence[WriteAlong] = ()


class WriteSegment(Struct, frozen=True):
    """Write buffers into a segment; they last once a ``SyncFile`` that began later has ended."""

    ticket: int
    file: File
    position: int
    buffers: Sequence[Buffer]


class SyncFile(Struct, frozen=True):
    """Make what was written to a file durable; with its end a place is reached."""

    ticket: int
    file: File
    point: CrashPoint


class ReadEntries(Struct, frozen=True):
    """Read one stream's bytes out of a run of entries; the outcome's value is a ``ReadRun``.

    The arguments are those of ``goutube._native.read_run``, which says what they mean.
    """

    ticket: int
    file: File
    position: int
    count: int
    salt: int
    stream_id: int
    first_offset: int
    limit_offset: int
    first_ordinal: int
    first_stamp: int
    bytes_max: int
    records: bool


class Call(Struct, frozen=True):
    """Run ``function(disk)`` off the event loop; the outcome's value is what it returns."""

    ticket: int
    function: Callable[[Disk], object]


Job = WriteGroup | WriteSegment | SyncFile | ReadEntries | Call


class Outcome(Struct, frozen=True):
    """How a job ended: exactly one of a value (which may be None) and an error."""

    ticket: int
    value: object = None
    error: Exception | None = None
