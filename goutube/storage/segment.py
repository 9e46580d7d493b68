"""One file of consecutive entries, as the log sees it; only the functions below do I/O."""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from goutube._native import crc32c
from goutube.crash_points import CrashPoint
from goutube.errors import CorruptionError, DataDirError
from goutube.limits import MIB
from goutube.model import Buffer
from goutube.ports import Disk, File
from goutube.storage.entries import SegmentName
from goutube.storage.index import (
    ActiveIndex,
    IndexAbout,
    SealedIndex,
    SegmentIndex,
    put_index,
)
from goutube.storage.kept import KeptEntries

SEGMENT_HEADER_BYTES: Final = 256
SEGMENT_VERSION: Final = 1
COMPACTED_VERSION: Final = 2
_LONG_BYTES: Final = 8 * MIB
_MAGIC: Final = b"gtS1"
_HEADER: Final = struct.Struct("<4sIIIQQIIQQ16sII")
_CHECKSUM: Final = struct.Struct("<I")


def shard_directory(shard: int) -> str:
    """The directory of a shard's files."""
    return f"shards/{shard:04d}"


class SegmentHeader(Struct, frozen=True):
    """The first 256 bytes of a segment.

    Attributes:
        salt: 32 random bits that seed the checksum of every entry's header in this file.
        previous_index, previous_term: of the entry before the first one here; 0, 0 at the start.
        owner: 16 bytes, the incarnation of the data directory that made the file.
        kept_position, kept_bytes: of the table of a compacted segment; its entries end there.
    """

    shard: int
    replica: int
    name: SegmentName
    salt: int
    previous_index: int
    previous_term: int
    owner: bytes
    kept_position: int = 0
    kept_bytes: int = 0

    @property
    def compacted(self) -> bool:
        """Whether entries that nobody needs were left out of this file."""
        return self.name.revision > 0

    def entries_of(self, content: memoryview) -> memoryview:
        """The entries in the file's content: behind them stands a compacted segment's table."""
        return content[: self.kept_position] if self.compacted else content

    def kept(self, content: memoryview, path: str) -> KeptEntries:
        """The table of a compacted segment.

        Raises:
            CorruptionError: it is damaged.
        """
        table = content[self.kept_position : self.kept_position + self.kept_bytes]
        return KeptEntries.decode(table, path, self.kept_position)

    def encode(self) -> bytes:
        """The header's bytes."""
        body = _HEADER.pack(
            _MAGIC,
            COMPACTED_VERSION if self.compacted else SEGMENT_VERSION,
            self.shard,
            self.name.generation,
            self.replica,
            self.name.first_index,
            self.salt,
            self.name.revision,
            self.previous_index,
            self.previous_term,
            self.owner,
            self.kept_position,
            self.kept_bytes,
        ).ljust(SEGMENT_HEADER_BYTES - 4, b"\0")
        return body + _CHECKSUM.pack(crc32c(body))

    @classmethod
    def decode(cls, content: Buffer, path: str) -> SegmentHeader:
        """What ``encode`` made.

        Raises:
            CorruptionError: the bytes are not a good segment header.
            DataDirError: the version is unknown.
        """
        head = bytes(content[:SEGMENT_HEADER_BYTES])
        if len(head) < SEGMENT_HEADER_BYTES or head[:4] != _MAGIC:
            raise CorruptionError(f"{path} does not begin as a segment", path=path, position=0)
        if _CHECKSUM.unpack(head[-4:])[0] != crc32c(head[:-4]):
            raise CorruptionError(f"the header of {path} is damaged", path=path, position=0)
        _, version, shard, generation, replica, first, salt, revision, *rest = _HEADER.unpack_from(
            head
        )
        if version not in (SEGMENT_VERSION, COMPACTED_VERSION):
            raise DataDirError(
                f"{path} has segment version {version}; this release knows 1 and 2", path=path
            )
        return cls(shard, replica, SegmentName(first, generation, revision), salt, *rest)


def is_segment_header(content: Buffer) -> bool:
    """Whether the bytes are a whole header of any segment, of whatever version."""
    try:
        SegmentHeader.decode(content, "")
    except CorruptionError:
        return False
    except DataDirError:
        pass
    return True


class QueuedWrite(Struct):
    """Encoded entries that wait to be written to a segment."""

    position: int
    last_index: int
    buffers: list[Buffer]
    bulk: bool
    """Not in the journal: they are durable only once the segment is synced."""


class Noted(Struct, frozen=True):
    """How far an open segment's heads are written down (``goutube.storage.heads``).

    Attributes:
        position: one past the last entry that is, in the segment.
        index, term: of that entry; before the first those of the entry before the segment.
        end: where the next block goes in the file of heads.
    """

    position: int
    index: int
    term: int
    end: int


class Segment(Struct, eq=False):
    """A segment of one shard's log, open or sealed.

    Attributes:
        size: one past the last entry that has a place here; a position in the file.
        last_index: of the last entry that has a place here.
        file: None until the file is made; at rest once the segment is sealed.
        durable: the file is there, with its name and header, after any crash. Until then entries
            can be written to it, which rest on the journal.
        reserved: positions below this have their space on disk.
        unsynced: something was written that the last sync to begin may have come too early for.
        syncing: a job that syncs it is under way. There is one at a time: of two, the one that
            fails may be heard of later than the one that then succeeds, and that proves nothing.
        sync_index: entries up to here were written when the last sync began.
        bulk_index: of the last bulk entry that was written and is not known to be synced; 0: none.
        full: no more entries get a place here.
        synced_index: entries of it up to here were synced in it.
        noted: how far its heads are written down; None where no more will be.
        noting: a job that writes some of them is under way.
        group: number of the last journal group that holds something of it; 0: none of this life.
    """

    header: SegmentHeader
    index: SegmentIndex
    size: int
    last_index: int
    file: File | None = None
    durable: bool = True
    reserved: int = 0
    reserving: bool = False
    unsynced: bool = False
    syncing: bool = False
    sync_index: int = 0
    bulk_index: int = 0
    full: bool = False
    sealing: bool = False
    sealed: bool = False
    synced_index: int = 0
    noted: Noted | None = None
    noting: bool = False
    group: int = 0
    queue: list[QueuedWrite] = []
    in_flight: list[QueuedWrite] = []

    @property
    def long(self) -> bool:
        """Whether it takes a start some effort to scan it."""
        return self.size >= _LONG_BYTES

    @property
    def freed(self) -> bool:
        """Whether it was compacted and nothing in it was needed."""
        return self.sealed and self.header.compacted and not len(self.index)

    @property
    def path(self) -> str:
        """The file's path in the data directory."""
        return f"{shard_directory(self.header.shard)}/{self.header.name.file_name}"

    @property
    def index_path(self) -> str:
        """The index file's path in the data directory."""
        return f"{shard_directory(self.header.shard)}/{self.header.name.index_name}"

    @property
    def heads_path(self) -> str:
        """The path of the file of its heads."""
        return f"{shard_directory(self.header.shard)}/{self.header.name.heads_name}"


def create_segment_file(disk: Disk, header: SegmentHeader, reserve_bytes: int) -> File:
    """Make a segment's file, which may not last; one that a crash left is replaced."""
    directory = shard_directory(header.shard)
    path = f"{directory}/{header.name.file_name}"
    disk.make_directory("shards")
    disk.make_directory(directory)
    disk.remove(path)
    file = disk.open(path, create=True)
    disk.reached(CrashPoint.SEGMENT_CREATED)
    file.allocate(0, reserve_bytes)
    disk.reached(CrashPoint.SEGMENT_ALLOCATED)
    file.write(0, header.encode())
    disk.reached(CrashPoint.SEGMENT_WRITTEN)
    return file


def sync_segment_file(disk: Disk, header: SegmentHeader, file: File) -> None:
    """Make a new segment's file durable, with its name."""
    file.sync()
    disk.reached(CrashPoint.SEGMENT_SYNCED)
    disk.sync_directory(shard_directory(header.shard))
    disk.reached(CrashPoint.SEGMENT_DURABLE)


def seal_segment_file(disk: Disk, segment: Segment, terms: list[tuple[int, int]]) -> SealedIndex:
    """Give back the unused space, make the segment durable, put its index in its heads' place.

    Raises:
        CorruptionError: the index is damaged, and so was one before it (``put_index``).
    """
    assert segment.file is not None
    assert isinstance(segment.index, ActiveIndex)
    segment.file.truncate(segment.size)
    disk.reached(CrashPoint.SEGMENT_CUT)
    segment.file.sync()
    disk.reached(CrashPoint.SEGMENT_WHOLE)
    name = segment.header.name
    about = IndexAbout(
        segment.header.shard, name.first_index, name.generation, segment.last_index, terms
    )
    index = put_index(disk, segment.index_path, segment.index.encode(about))
    disk.remove(segment.heads_path)  # or by the next start, should this not last
    disk.reached(CrashPoint.HEADS_REMOVED)
    return index


def remove_segment_file(disk: Disk, segment: Segment) -> None:
    """Remove a segment and its index; its bytes stay readable for whoever has the file open."""
    directory = shard_directory(segment.header.shard)
    disk.remove(segment.path)
    disk.reached(CrashPoint.SEGMENT_UNLINKED)
    # An index without its segment is removed by the next start; the other way round it is scanned.
    disk.sync_directory(directory)
    disk.reached(CrashPoint.SEGMENT_REMOVED)
    disk.remove(segment.heads_path)
    disk.remove(segment.index_path)
    disk.reached(CrashPoint.INDEX_UNLINKED)
    disk.sync_directory(directory)
