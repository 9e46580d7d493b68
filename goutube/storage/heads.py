"""The heads of an open segment: what a start needs of its synced entries, so as not to read them.

Beside an open segment lies a file that is only appended to: blocks, each with the headers, control
sections and last times of entries that were synced in the segment and lay under a durable mark when
the block was written. A start takes these from there and reads the segment from behind them on.

Whatever stands in a good block is true for as long as the file exists: where entries are about to
be cut off a segment, its heads are removed first, durably. So the file itself need not be synced:
a block that a crash tore, or took, costs the reading of what it told of.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from goutube._native import (
    ENTRY_HEADER_BYTES,
    HEAD_BYTES,
    VERDICT_OK,
    VERDICT_UNKNOWN_FORMAT,
    EntryHeader,
    crc32c,
    last_delta,
    read_heads,
    scan_entries,
)
from goutube.crash_points import CrashPoint
from goutube.errors import DataDirError
from goutube.limits import MIB
from goutube.model import Buffer
from goutube.ports import Call, Disk, File, Outcome
from goutube.storage.jobs import JobQueue
from goutube.storage.room import lacks_room
from goutube.storage.scanning import EVERY_INDEX
from goutube.storage.segment import SEGMENT_HEADER_BYTES, Noted, Segment, SegmentHeader

BLOCK_HEADER_BYTES: Final = 64
HEADS_VERSION: Final = 1
_MAGIC: Final = b"gtO1"
_BLOCK: Final = struct.Struct("<4sIIIQQIII")
_CHECKSUM: Final = struct.Struct("<I")
_DELTA: Final = struct.Struct("<II")
_ALIGN: Final = 8
_BLOCK_BYTES: Final = 4096


class Heads(Struct):
    """What a file of heads tells of a segment.

    Attributes:
        headers: of the segment's first entries, without a gap.
        controls: the control sections that are not empty, by the entry's index.
        end: one past the last good block, a position in the file of heads.
    """

    headers: list[EntryHeader] = []
    controls: dict[int, bytes] = {}
    end: int = 0

    @property
    def last(self) -> EntryHeader | None:
        """The last entry that is told of."""
        return self.headers[-1] if self.headers else None

    def limit(self, last_index: int) -> bool:
        """Forget what lies behind an index; whether there was anything."""
        kept = [header for header in self.headers if header.index <= last_index]
        cut = len(kept) < len(self.headers)
        self.headers = kept
        return cut


def begin_heads(header: SegmentHeader) -> Noted:
    """Nothing of a segment is noted yet."""
    return Noted(SEGMENT_HEADER_BYTES, header.name.first_index - 1, header.previous_term, 0)


def encode_heads(salt: int, content: memoryview, headers: Sequence[EntryHeader]) -> bytes:
    """One block that tells of some entries of a segment; one behind the other, at least one."""
    parts: list[Buffer] = []
    for header in headers:
        start = header.position
        tables = start + ENTRY_HEADER_BYTES + header.control_bytes
        table = content[tables : tables + header.tables_bytes]
        delta = last_delta(header.record_count, header.flags, table) if header.record_count else 0
        parts += [
            content[start : start + ENTRY_HEADER_BYTES],
            _DELTA.pack(delta, 0),
            content[start + ENTRY_HEADER_BYTES : tables],
            bytes(-header.control_bytes % _ALIGN),
        ]
    body = b"".join(parts)
    first, last = headers[0], headers[-1]
    head = _BLOCK.pack(
        _MAGIC,
        HEADS_VERSION,
        salt,
        len(body),
        first.index,
        last.index,
        first.position,
        last.position + last.entry_bytes,
        crc32c(body),
    ).ljust(BLOCK_HEADER_BYTES - _CHECKSUM.size, b"\0")
    return head + _CHECKSUM.pack(crc32c(head)) + body


def decode_heads(content: memoryview, header: SegmentHeader, path: str) -> Heads:
    """What the blocks tell of the segment with this header, up to the first that is not whole.

    Raises:
        DataDirError: a block, or an entry in one, is of a format that this release does not know.
    """
    heads, noted = Heads(), begin_heads(header)
    while True:
        head = bytes(content[heads.end : heads.end + BLOCK_HEADER_BYTES])
        if len(head) < BLOCK_HEADER_BYTES or head[:4] != _MAGIC:
            return heads
        if _CHECKSUM.unpack(head[-_CHECKSUM.size :])[0] != crc32c(head[: -_CHECKSUM.size]):
            return heads
        _, version, salt, size, first, last, position, after, checksum = _BLOCK.unpack_from(head)
        if version != HEADS_VERSION:
            raise DataDirError(
                f"{path} has version {version}; this release reads {HEADS_VERSION}", path=path
            )
        start = heads.end + BLOCK_HEADER_BYTES
        body = content[start : start + size]
        follows = (first, position) == (noted.index + 1, noted.position) and last >= first
        if not follows or salt != header.salt or len(body) < size or crc32c(body) != checksum:
            return heads
        scan = read_heads(body, 0, salt, first, noted.term, position, last - first + 1)
        if scan.verdict == VERDICT_UNKNOWN_FORMAT:
            raise DataDirError(
                f"{path} tells of an entry of a format that this release does not know; use the "
                "release that wrote it",
                path=path,
            )
        newest = scan.headers[-1] if scan.headers else None
        if scan.verdict != VERDICT_OK or scan.position != size or newest is None:
            return heads
        if newest.position + newest.entry_bytes != after:
            return heads
        _take_block(heads, scan.headers, body)
        heads.end = start + size
        noted = Noted(after, last, newest.term, heads.end)


def _take_block(heads: Heads, headers: list[EntryHeader], body: memoryview) -> None:
    place = 0
    for header in headers:
        place += HEAD_BYTES
        if header.control_bytes:
            heads.controls[header.index] = bytes(body[place : place + header.control_bytes])
            place += header.control_bytes + -header.control_bytes % _ALIGN
    heads.headers += headers


def recover_heads(disk: Disk, segment: Segment, content: memoryview, limit: int) -> Heads:
    """What is known of an open segment's entries up to index ``limit`` without reading them.

    A file that tells of more is removed, for others will stand in their places; so is one that
    tells nothing, or of another file than this.
    """
    path = segment.heads_path
    segment.noted = begin_heads(segment.header)
    if not disk.exists(path):
        return Heads()
    file = disk.open(path, write=False)
    try:
        heads = decode_heads(memoryview(file.read(0, file.size())), segment.header, path)
    finally:
        file.close()
    cut = heads.limit(limit)
    if heads.last is not None and segment.file is not None:
        _fetch(segment.file, heads.last.position)
    if heads.last is None or not _stands(heads, content, segment.header.salt):
        heads = Heads()
    last = heads.last
    if cut or last is None:
        drop_heads(disk, segment)
    else:
        segment.noted = Noted(last.position + last.entry_bytes, last.index, last.term, heads.end)
    return heads


def _fetch(file: File, position: int) -> None:
    """Read a segment from a position on into the page cache, as far as there is anything.

    To touch the mapping there would bring as much of what lies before it along, which on disks that
    are read ahead of by megabytes is most of what the heads are to spare.
    """
    while piece := file.read(position, MIB):
        if not piece[-_BLOCK_BYTES:].strip(b"\0"):
            break
        position += len(piece)


def _stands(heads: Heads, content: memoryview, salt: int) -> bool:
    """Whether the last entry that is told of is the one in the segment."""
    last = heads.last
    assert last is not None
    start = last.position
    head = bytes(content[start : start + ENTRY_HEADER_BYTES])
    if len(head) < ENTRY_HEADER_BYTES or len(content) < start + last.entry_bytes:
        return False
    told = struct.unpack_from("<QQQQ", head, 8)
    same = told == (last.index, last.term, last.stream_id, last.offset)
    checksums = struct.unpack_from("<II", head, 112) == (last.control_checksum, last.checksum)
    return same and checksums and _CHECKSUM.unpack(head[-4:])[0] == crc32c(head[:-4], salt)


def note_heads(
    jobs: JobQueue,
    segment: Segment,
    marked_index: int,
    least_bytes: int,
    percent_max: int,
    then: Callable[[], None],
) -> None:
    """Write more of a segment's heads down, off the event loop, if there is enough to tell.

    Args:
        jobs: take the job; their failure is final, as everywhere.
        segment: open, and synced up to its ``synced_index``.
        marked_index: entries up to here lie under a durable mark; others are not told of.
        least_bytes: how much of the segment must be new for it.
        percent_max: of the segment's length, for its heads; if there are more, they end here.
        then: called when the job that does it has ended, if there is one.
    """
    noted, file = segment.noted, segment.file
    last_index = min(segment.synced_index, segment.last_index, marked_index)
    if noted is None or file is None or segment.full or segment.noting or not segment.durable:
        return
    if segment.size - noted.position < least_bytes or last_index <= noted.index:
        return
    segment.noting = True

    def note(disk: Disk) -> Noted | None:
        content, salt = file.map(), segment.header.salt
        count = last_index - noted.index
        first, term = noted.index + 1, noted.term
        scan = scan_entries(content, noted.position, salt, first, term, EVERY_INDEX, count)
        if len(scan.headers) < count:
            return None  # it is not whole: a start or a reader will say so
        block = encode_heads(salt, content, scan.headers)
        end = noted.end + len(block)
        if end * 100 > scan.position * percent_max:
            return None
        _write_block(disk, segment.heads_path, noted.end, block)
        return Noted(scan.position, last_index, scan.headers[-1].term, end)

    def noted_now(outcome: Outcome) -> None:
        segment.noting = False
        then()
        if not lacks_room(outcome.error) and not jobs.fail(outcome):
            assert outcome.value is None or isinstance(outcome.value, Noted)
            segment.noted = outcome.value

    jobs.start(lambda ticket: Call(ticket, note), noted_now)


def _write_block(disk: Disk, path: str, position: int, block: bytes) -> None:
    """Write a block behind those that are there; what a crash left behind them is overwritten."""
    new = not disk.exists(path)
    file = disk.open(path, create=new)
    try:
        if new:
            disk.reached(CrashPoint.HEADS_CREATED)
        file.write(position, block)
        disk.reached(CrashPoint.HEADS_WRITTEN)
    finally:
        file.close()


def drop_heads(disk: Disk, segment: Segment) -> None:
    """Remove the heads of a segment before what they tell ceases to be true."""
    disk.remove(segment.heads_path)
    disk.reached(CrashPoint.HEADS_DROPPED)
    disk.sync_directory(segment.heads_path.rpartition("/")[0])
