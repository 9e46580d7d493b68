"""What stands in a segment behind the durable marks: what is whole stays, a torn end is cut off.

Bulk is acknowledged once its segment is synced; the mark that tells of it follows. So entries
behind the marks count as long as one follows whole on the other. The first one that is not whole
was torn, and never acknowledged, nor was anything behind it.

An entry of which one byte is wrong is put right, for it was not torn: of one that was not written
to its end some sector holds what was there before, and behind the end of a log that is zeros.
"""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from goutube._native import (
    BATCH_BLOCK_BYTES,
    BATCH_BLOCKS,
    ENTRY_HEADER_BYTES,
    VERDICT_END,
    EntryHeader,
    crc32c,
    scan_entries,
)
from goutube.crash_points import CrashPoint
from goutube.limits import CONTROL_BYTES_MAX, KIB, MESSAGE_BYTES_MAX, MIB
from goutube.ports import Disk
from goutube.storage.backwards import wrong_byte, wrong_byte_of
from goutube.storage.scanning import check_known
from goutube.storage.segment import Segment

_SECTOR_BYTES: Final = 512
"""What a disk writes whole or not at all."""
_SECTION_BYTES_MAX: Final = MIB
"""In longer ones too many bytes are wrong at random and look as if one were; and it takes time."""
_ENTRY_BYTES_MAX: Final = ENTRY_HEADER_BYTES + CONTROL_BYTES_MAX + MESSAGE_BYTES_MAX
_CHECKSUM: Final = struct.Struct("<I")
_FLAGS_AT: Final = 6
_SIZES: Final = struct.Struct("<III")
_SIZES_AT: Final = 96
_CHECKSUMS: Final = struct.Struct("<II")
_CHECKSUMS_AT: Final = 112
_PIECE: Final = bytes(64 * KIB)


class Tail(Struct):
    """The whole entries behind the marks.

    Attributes:
        content: the segment's, in which they stand.
        end: position behind the last one.
        mended: positions of bytes that were put right.
    """

    content: memoryview
    headers: list[EntryHeader]
    end: int
    mended: list[int]


def read_tail(
    disk: Disk, segment: Segment, position: int, first_index: int, term: int, last_index: int
) -> Tail:
    """Read an open segment's entries from ``first_index``, at ``position``, as far as all is whole.

    Those behind ``last_index`` stand in the next segment, if there is one; ``term`` is that of the
    entry before. Bytes that are put right are written, not synced.

    Raises:
        DataDirError: an entry is of a format that this release does not know.
    """
    file, salt = segment.file, segment.header.salt
    assert file is not None
    tail = Tail(file.map(), [], position, [])
    while first_index <= last_index:
        count = last_index + 1 - first_index
        scan = scan_entries(tail.content, tail.end, salt, first_index, term, 0, count)
        check_known(scan, segment.path)
        tail.headers += scan.headers
        tail.end = scan.position
        if scan.headers:
            first_index, term = scan.headers[-1].index + 1, scan.headers[-1].term
        if scan.verdict == VERDICT_END:
            break
        found = mended_byte(tail.content, tail.end, salt, first_index)
        if found is None:
            break
        place, value = found
        file.write(place, bytes((value,)))
        disk.reached(CrashPoint.TAIL_MENDED)
        tail.mended.append(place)
        tail.content = file.map()
    return tail


def cut_tail(disk: Disk, segment: Segment) -> int:
    """Cut off what stands behind a segment's last entry, not synced; how many bytes it had.

    Once entries are put in its place nobody could tell what is left of it from what follows them.
    """
    file = segment.file
    assert file is not None
    end = 0
    for begin, after in file.filled(segment.size):
        for start in range(begin, after, len(_PIECE)):
            piece = file.read(start, min(len(_PIECE), after - start))
            if piece != _PIECE[: len(piece)]:
                end = start + len(piece.rstrip(b"\0"))
    if not end:
        return 0
    file.truncate(segment.size)
    disk.reached(CrashPoint.TAIL_CUT)
    segment.reserved = segment.size
    return end - segment.size


def mended_byte(
    content: memoryview, position: int, salt: int, index: int
) -> tuple[int, int] | None:
    """Where in a segment one byte is wrong of the entry at a position, and its right value.

    None where the entry may be torn, where more is wrong, or where it is not the one of this index.
    """
    head = bytes(content[position : position + ENTRY_HEADER_BYTES])
    if len(head) < ENTRY_HEADER_BYTES:
        return None
    header_is_good = crc32c(head[:-4], salt) == _CHECKSUM.unpack(head[-4:])[0]
    header = (position, ENTRY_HEADER_BYTES, 0)
    found = _wrong_section(content, position, head) if header_is_good else header
    if found is None:
        return None
    start, size, difference = found
    whole = size <= _SECTION_BYTES_MAX and start + size <= len(content)
    if not whole or _may_be_torn(content, start, start + size):
        return None
    place = wrong_byte(size, difference) if header_is_good else wrong_byte_of(head, salt)
    if place is None:
        return None
    at, value = start + place[0], content[start + place[0]] ^ place[1]
    entry = bytearray(content[position : position + _ENTRY_BYTES_MAX])
    entry[at - position] = value
    return (at, value) if scan_entries(entry, 0, salt, index, 0, 0, 1).headers else None


def _wrong_section(content: memoryview, position: int, head: bytes) -> tuple[int, int, int] | None:
    """The first part of an entry with a good header that does not match its checksum.

    Its position, its size, and the difference of the checksums, bit by bit; None: all match.
    """
    flags = int.from_bytes(head[_FLAGS_AT : _FLAGS_AT + 2], "little")
    control_bytes, tables_bytes, data_bytes = _SIZES.unpack_from(head, _SIZES_AT)
    control_checksum, checksum = _CHECKSUMS.unpack_from(head, _CHECKSUMS_AT)
    control = position + ENTRY_HEADER_BYTES
    tables = control + control_bytes
    data = tables + tables_bytes
    sections = [(control, control_bytes, control_checksum)]
    if not flags & BATCH_BLOCKS:
        sections.append((tables, tables_bytes + data_bytes, checksum))
    else:
        sections.append((tables, tables_bytes, checksum))
        starts = range(data, data + data_bytes, BATCH_BLOCK_BYTES)
        places = range(data - _CHECKSUM.size * len(starts), data, _CHECKSUM.size)
        sections += [
            (start, min(BATCH_BLOCK_BYTES, data + data_bytes - start), _number_at(content, place))
            for start, place in zip(starts, places, strict=True)
        ]
    for start, size, expected in sections:
        difference = crc32c(content[start : start + size]) ^ expected
        if size and difference:
            return start, size, difference
    return None


def _number_at(content: memoryview, place: int) -> int:
    return int.from_bytes(content[place : place + _CHECKSUM.size], "little")


def _may_be_torn(content: memoryview, start: int, after: int) -> bool:
    """Whether some sector has nothing but zeros of what stands between two positions."""
    while start < after:
        end = min(start - start % _SECTOR_BYTES + _SECTOR_BYTES, after)
        if not any(content[start:end]):
            return True
        start = end
    return False
