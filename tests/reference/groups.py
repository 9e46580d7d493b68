"""Slow twin of the journal kernel: groups packed and taken apart (docs/FORMATS.md)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from crc32c import crc32c

OK, TORN, BAD_HEADER, BAD_TABLE, BAD_CHECKSUM, UNKNOWN_FORMAT = 0, 2, 3, 4, 5, 6
HEAD = struct.Struct("<4sB3xQ8xIIII20x")
MARK = struct.Struct("<I4xQQQQ")
RECORD = struct.Struct("<B3xIQQIII4x")


class Record(NamedTuple):
    """One record and its body."""

    kind: int
    shard: int
    replica: int
    first_index: int
    generation: int
    position: int
    body: bytes

    def encode(self) -> bytes:
        return RECORD.pack(*self[:6], len(self.body)) + self.body


class Group(NamedTuple):
    """One group and how many bytes it has."""

    sequence: int
    marks: list[tuple[int, ...]]
    records: list[Record]
    size: int = 0


def encode(
    seed: int, sequence: int, marks: Sequence[tuple[int, ...]], records: Sequence[Record]
) -> bytes:
    """A whole group."""
    body = b"".join([*(MARK.pack(*mark) for mark in marks), *(r.encode() for r in records)])
    return wrap(seed, sequence, len(marks), len(records), body)


def wrap(seed: int, sequence: int, mark_count: int, record_count: int, body: bytes) -> bytes:
    """A group around any body."""
    body += bytes(-(64 + len(body)) % 4096)
    head = HEAD.pack(b"gtJ1", 1, sequence, len(body), mark_count, record_count, crc32c(body, seed))
    return head + struct.pack("<I", crc32c(head, seed)) + body


def decode(content: bytes, at: int, seed: int, sequence: int) -> tuple[int, Group | None]:
    """(OK, group) or what is wrong."""
    head = content[at : at + 60]
    if len(content) - at < 64:
        return TORN, None
    if head[:4] != b"gtJ1" or struct.pack("<I", crc32c(head, seed)) != content[at + 60 : at + 64]:
        return BAD_HEADER, None
    _, version, found, size, mark_count, record_count, checksum = HEAD.unpack(head)
    if version != 1:
        return UNKNOWN_FORMAT, None
    if (size + 64) % 4096:
        return BAD_TABLE, None
    body = content[at + 64 : at + 64 + size]
    if len(body) < size:
        return TORN, None
    if crc32c(body, seed) != checksum:
        return BAD_CHECKSUM, None
    if found != sequence:
        return BAD_HEADER, None
    marks, records = [], []
    try:
        for _ in range(mark_count):
            marks.append(MARK.unpack_from(body))
            body = body[MARK.size :]
        for _ in range(record_count):
            *fields, length = RECORD.unpack_from(body)
            if length % 8 or len(body) < RECORD.size + length:
                return BAD_TABLE, None
            records.append(Record(*fields, body[RECORD.size : RECORD.size + length]))
            body = body[RECORD.size + length :]
    except struct.error:
        return BAD_TABLE, None
    return OK, Group(found, marks, records, size + 64)
