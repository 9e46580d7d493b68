"""One file of consecutive entries, as the log sees it; only the functions below do I/O."""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from goutube._native import crc32c
from goutube.errors import CorruptionError, DataDirError
from goutube.model import Buffer
from goutube.ports import Disk, File
from goutube.storage.entries import SegmentName
from goutube.storage.index import ActiveIndex, IndexAbout, SealedIndex, SegmentIndex

SEGMENT_HEADER_BYTES: Final = 256
SEGMENT_VERSION: Final = 1
_MAGIC: Final = b"gtS1"
_HEADER: Final = struct.Struct("<4sIIIQQIIQQ16s")
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
    """

    shard: int
    replica: int
    name: SegmentName
    salt: int
    previous_index: int
    previous_term: int
    owner: bytes

    def encode(self) -> bytes:
        """The header's bytes."""
        body = _HEADER.pack(
            _MAGIC,
            SEGMENT_VERSION,
            self.shard,
            self.name.generation,
            self.replica,
            self.name.first_index,
            self.salt,
            0,
            self.previous_index,
            self.previous_term,
            self.owner,
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
        fields = _HEADER.unpack_from(head)
        _, version, shard, generation, replica, first, salt, _, before, before_term, owner = fields
        if version != SEGMENT_VERSION:
            raise DataDirError(
                f"{path} has segment version {version}; this release knows 1", path=path
            )
        return cls(shard, replica, SegmentName(first, generation), salt, before, before_term, owner)


class QueuedWrite(Struct):
    """Encoded entries that wait to be written to a segment."""

    position: int
    last_index: int
    buffers: list[Buffer]
    bulk: bool
    """Not in the journal: they are durable only once the segment is synced."""


class Segment(Struct, eq=False):
    """A segment of one shard's log, open or sealed.

    Attributes:
        size: one past the last entry that has a place here; a position in the file.
        last_index: of the last entry that has a place here.
        file: None until the file is made; at rest once the segment is sealed.
        reserved: positions below this have their space on disk.
        unsynced: something was written since the last sync began.
        full: no more entries get a place here.
    """

    header: SegmentHeader
    index: SegmentIndex
    size: int
    last_index: int
    file: File | None = None
    reserved: int = 0
    reserving: bool = False
    unsynced: bool = False
    syncing: bool = False
    full: bool = False
    sealing: bool = False
    sealed: bool = False
    queue: list[QueuedWrite] = []
    in_flight: list[QueuedWrite] = []

    @property
    def freed(self) -> bool:
        """Whether nothing of it is left but its header and the run of its indexes."""
        return self.sealed and self.size == SEGMENT_HEADER_BYTES

    @property
    def path(self) -> str:
        """The file's path in the data directory."""
        return f"{shard_directory(self.header.shard)}/{self.header.name.file_name}"

    @property
    def index_path(self) -> str:
        """The index file's path in the data directory."""
        return f"{shard_directory(self.header.shard)}/{self.header.name.index_name}"


def create_segment_file(disk: Disk, header: SegmentHeader, reserve_bytes: int) -> File:
    """Make a segment's file, durable with its name; one that a crash left is replaced."""
    directory = shard_directory(header.shard)
    path = f"{directory}/{header.name.file_name}"
    disk.make_directory("shards")
    disk.make_directory(directory)
    disk.remove(path)
    file = disk.open(path, create=True)
    file.allocate(0, reserve_bytes)
    file.write(0, header.encode())
    file.sync()
    disk.sync_directory(directory)
    return file


def seal_segment_file(disk: Disk, segment: Segment, terms: list[tuple[int, int]]) -> None:
    """Give back the unused space, make the segment durable, and put its index beside it."""
    assert segment.file is not None
    assert isinstance(segment.index, ActiveIndex)
    segment.file.truncate(segment.size)
    segment.file.sync()
    name = segment.header.name
    about = IndexAbout(
        segment.header.shard, name.first_index, name.generation, segment.last_index, terms
    )
    _replace_file(disk, segment.index_path, segment.index.encode(about))


def free_segment_file(disk: Disk, segment: Segment) -> tuple[File, SealedIndex]:
    """Give back the space of a sealed segment that nobody needs a byte of; its new file and index.

    The log goes on through it: its header and its run of indexes and terms stay. The file is
    replaced, not shortened, so whoever reads the old one reads on.
    """
    assert isinstance(segment.index, SealedIndex)
    content = ActiveIndex().encode(segment.index.about)
    # In this order: an index without rows may stand beside a whole file, never the other way round.
    _replace_file(disk, segment.index_path, content)
    _replace_file(disk, segment.path, segment.header.encode())
    index = SealedIndex(memoryview(content), segment.index_path)
    return disk.open(segment.path, write=False), index


def _replace_file(disk: Disk, path: str, content: bytes) -> None:
    temporary = path + ".tmp"
    disk.remove(temporary)
    file = disk.open(temporary, create=True)
    try:
        file.write(0, content)
        file.sync()
    finally:
        file.close()
    disk.rename(temporary, path)
    disk.sync_directory(path.rpartition("/")[0])


def remove_segment_file(disk: Disk, segment: Segment) -> None:
    """Remove a segment and its index; its bytes stay readable for whoever has the file open."""
    directory = shard_directory(segment.header.shard)
    disk.remove(segment.path)
    # A segment without its index would be scanned for entries that a freed one does not have.
    disk.sync_directory(directory)
    disk.remove(segment.index_path)
    disk.sync_directory(directory)
