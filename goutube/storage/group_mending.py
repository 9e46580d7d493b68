"""A journal group of which one byte is wrong, put right: the one copy of what it holds is enough.

That a group is whole but for one byte also tells that it was written to its end: it is no torn one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from goutube._native import JournalGroup, crc32c, scan_entries
from goutube.errors import CorruptionError, DataDirError
from goutube.limits import MIB
from goutube.ports import Disk
from goutube.storage.backwards import wrong_byte, wrong_byte_of
from goutube.storage.entries import SegmentName
from goutube.storage.segment import SEGMENT_HEADER_BYTES, SegmentHeader, shard_directory
from goutube.storage.shard_log import RecordKind

_HEAD_BYTES: Final = 64
_HEAD: Final = struct.Struct("<4s4xQ8xI8xI20x")
_CHECKSUM: Final = struct.Struct("<I")
_INDEX: Final = struct.Struct("<Q")
_INDEX_AT: Final = 8
_MAGIC: Final = b"gtJ1"
_BODY_BYTES_MAX: Final = MIB
"""Of longer groups too many are wrong at random and look as if one byte were; and it takes time."""


def mended_group(ring: memoryview, position: int, seed: int, sequence: int) -> memoryview | None:
    """The ring with the group at a position put right; None where more than one byte is wrong."""
    head = bytearray(ring[position : position + _HEAD_BYTES])
    if len(head) < _HEAD_BYTES:
        return None
    wrong = _put_right(head, seed)
    if wrong is None:
        return None
    magic, number, size, checksum = _HEAD.unpack_from(head)
    start = position + _HEAD_BYTES
    if (magic, number) != (_MAGIC, sequence) or size > min(_BODY_BYTES_MAX, len(ring) - start):
        return None
    body = bytearray(ring[start : start + size])
    difference = crc32c(body, seed) ^ checksum
    if difference:
        place = wrong_byte(size, difference)
        if wrong or place is None:
            return None
        body[place[0]] ^= place[1]
    mended = bytearray(ring)
    mended[position : start + size] = head + body
    return memoryview(mended)


def _put_right(head: bytearray, seed: int) -> int | None:
    """Put one wrong byte of a group's header right; how many there were, None: more than one."""
    if crc32c(head[: -_CHECKSUM.size], seed) == _CHECKSUM.unpack(head[-_CHECKSUM.size :])[0]:
        return 0
    place = wrong_byte_of(bytes(head), seed)
    if place is None:
        return None
    head[place[0]] ^= place[1]
    return 1


def entries_are_whole(disk: Disk) -> Callable[[memoryview, JournalGroup], bool]:
    """Whether a group that was put right holds whole entries alone, by their own checksums."""
    salts: dict[str, int | None] = {}

    def trusted(ring: memoryview, group: JournalGroup) -> bool:
        for record in group.records:
            name = SegmentName(record.first_index, record.generation)
            path = f"{shard_directory(record.shard)}/{name.file_name}"
            body = ring[record.start : record.start + record.length]
            if record.kind == RecordKind.SEGMENT_CREATED:
                salts[path] = _salt(bytes(body), path)
            elif record.kind == RecordKind.ENTRIES:
                salt = salts[path] if path in salts else _stored_salt(disk, path)
                if salt is None or not _whole(body, salt):
                    return False
        return True

    return trusted


def _stored_salt(disk: Disk, path: str) -> int | None:
    if not disk.exists(path):
        return None
    file = disk.open(path, write=False)
    try:
        return _salt(file.read(0, SEGMENT_HEADER_BYTES), path)
    finally:
        file.close()


def _salt(header: bytes, path: str) -> int | None:
    try:
        return SegmentHeader.decode(header, path).salt
    except (CorruptionError, DataDirError):
        return None


def _whole(body: memoryview, salt: int) -> bool:
    index = _INDEX.unpack_from(body, _INDEX_AT)[0]
    return scan_entries(body, 0, salt, index, 0, 0).position == len(body)
