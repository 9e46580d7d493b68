"""A segment's header that is damaged, made anew from its name, its neighbours and its entries.

Only the salt stands nowhere else. But it seeds the checksum of every entry's header, so that each
of them tells it: a CRC can be computed backwards.
"""

from __future__ import annotations

import struct
from typing import Final

from goutube._native import ENTRY_ALIGN, ENTRY_HEADER_BYTES, scan_entries
from goutube.errors import CorruptionError
from goutube.ports import Disk
from goutube.storage.backwards import seed_of
from goutube.storage.entries import SegmentName
from goutube.storage.kept import KeptEntries
from goutube.storage.segment import SEGMENT_HEADER_BYTES, SegmentHeader, shard_directory
from goutube.storage.shard_log import ShardLog

_COVERED_BYTES: Final = ENTRY_HEADER_BYTES - 4
_ENTRY_MAGIC: Final = b"gtE1"
_KEPT_MAGIC: Final = b"gtK1"
_CHECKSUM: Final = struct.Struct("<I")
_INDEX: Final = struct.Struct("<Q")
_TERM_AT: Final = 16
_SIZES: Final = struct.Struct("<III")
_INDEX_AT: Final = 8
_SIZES_AT: Final = 96


def look_at_segment(
    disk: Disk, log: ShardLog, name: SegmentName
) -> tuple[memoryview, SegmentHeader | None]:
    """A segment's content and its header; one that is damaged is derived, if anything tells it."""
    path = f"{shard_directory(log.shard)}/{name.file_name}"
    file = disk.open(path, write=False)
    try:
        content = file.map()
    finally:
        file.close()
    try:
        return content, SegmentHeader.decode(content, path)
    except CorruptionError:
        return content, derive_header(log, name, content)


def derive_header(log: ShardLog, name: SegmentName, content: memoryview) -> SegmentHeader | None:
    """The header that a segment of a log must have had; None where no entry tells its salt.

    ``content`` is the segment's, its header included. The log ends before it.
    """
    salt = _salt(content, name.first_index)
    if salt is None:
        return None
    term = log.last_term
    if log.last_index + 1 < name.first_index:  # what stood before is gone, or freed
        term = _INDEX.unpack_from(content, SEGMENT_HEADER_BYTES + _TERM_AT)[0]
    before = name.first_index - 1
    position, count = _kept_table(content) if name.revision else (0, 0)
    return SegmentHeader(
        log.shard, log.replica, name, salt, before, term, log.owner, position, count
    )


def _salt(content: memoryview, first_index: int) -> int | None:
    """The salt on which the first two entries agree, or that makes a whole one of the only one."""
    first = _salt_at(content, SEGMENT_HEADER_BYTES)
    if first is None:
        return None
    second = _salt_at(content, SEGMENT_HEADER_BYTES + _entry_bytes(content, SEGMENT_HEADER_BYTES))
    if second is not None:
        return first if first == second else None
    index = _INDEX.unpack_from(content, SEGMENT_HEADER_BYTES + _INDEX_AT)[0]
    scan = scan_entries(content, SEGMENT_HEADER_BYTES, first, index, 0, 0, 1)
    return first if scan.headers and index >= first_index else None


def _salt_at(content: memoryview, position: int) -> int | None:
    header = bytes(content[position : position + ENTRY_HEADER_BYTES])
    if len(header) < ENTRY_HEADER_BYTES or header[:4] != _ENTRY_MAGIC:
        return None
    return seed_of(header[:_COVERED_BYTES], _CHECKSUM.unpack_from(header, _COVERED_BYTES)[0])


def _entry_bytes(content: memoryview, position: int) -> int:
    size: int = ENTRY_HEADER_BYTES + sum(_SIZES.unpack_from(content, position + _SIZES_AT))
    return size + -size % ENTRY_ALIGN


def _kept_table(content: memoryview) -> tuple[int, int]:
    """Where the table of a compacted segment stands at its end, and its length; 0, 0: nowhere."""
    everything = bytes(content)
    position = everything.rfind(_KEPT_MAGIC)
    while position >= SEGMENT_HEADER_BYTES:
        try:
            KeptEntries.decode(everything[position:], "", position)
        except CorruptionError:
            position = everything.rfind(_KEPT_MAGIC, 0, position)
        else:
            return position, len(everything) - position
    return 0, 0
