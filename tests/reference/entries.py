"""Slow twin of the entry kernel: headers packed and judged, segments scanned (docs/FORMATS.md)."""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass

from crc32c import crc32c

from tests.reference import batches

HEADER = struct.Struct("<QQQQQQQ16sQIIIIIIIIB3s")
OK, END, TORN, BAD_HEADER, BAD_TABLE, BAD_CHECKSUM, UNKNOWN_FORMAT = range(7)
CONTROL_BYTES_MAX = 16384


@dataclass(frozen=True)
class Entry:
    """Everything that an entry says."""

    kind: int
    flags: int
    index: int
    term: int
    stream_id: int
    offset: int
    ordinal: int
    stamp: int
    producer_stamp: int
    producer_id: bytes
    sequence: int
    epoch: int
    record_count: int
    control: bytes
    tables: bytes
    data: bytes
    checksum: int

    def header(self, salt: int) -> bytes:
        """Its 128 bytes."""
        numbers = astuple(self)[2:13]
        sizes = len(self.control), len(self.tables), len(self.data), len(self.data)
        first = struct.pack("<4sBBH", b"gtE1", 1, self.kind, self.flags)
        rest = HEADER.pack(*numbers, *sizes, crc32c(self.control), self.checksum, 0, b"")
        return sealed(first + rest, salt)

    def encode(self, salt: int) -> bytes:
        """All of it, padded."""
        body = self.header(salt) + self.control + self.tables + self.data
        return body + bytes(-len(body) % 8)


def sealed(header: bytes, salt: int) -> bytes:
    """A header of 124 bytes with its checksum."""
    return header + struct.pack("<I", crc32c(header, salt))


def decode(
    content: bytes, at: int, salt: int, next_index: int, term: int
) -> tuple[int, Entry | None]:
    """The entry at ``at`` as the next one of its log: (OK, entry) or what is wrong."""
    header = content[at : at + 128]
    if not header.strip(b"\0"):
        return END, None
    if len(header) < 128:
        return TORN, None
    if header[:4] != b"gtE1" or header != sealed(header[:124], salt):
        return BAD_HEADER, None
    version, kind, flags = struct.unpack_from("<BBH", header, 4)
    (
        *numbers,
        control_bytes,
        tables_bytes,
        data_bytes,
        plain_bytes,
        control_sum,
        checksum,
        how,
        zero,
    ) = HEADER.unpack_from(header, 8)
    if version != 1 or not 1 <= kind <= 10 or flags > 15 or how or zero != bytes(3):
        return UNKNOWN_FORMAT, None
    count = numbers[-1]
    words = count * (2 if flags & 8 else 1) + (-(-data_bytes // 65536) if flags & 4 else 0)
    if (
        control_bytes > CONTROL_BYTES_MAX
        or data_bytes > batches.DATA_BYTES_MAX
        or count > batches.RECORDS_MAX
        or plain_bytes != data_bytes
        or (count == 0) != (data_bytes == 0)
        or bool(flags & 4) != (data_bytes > 65536)
        or tables_bytes != 4 * words
    ):
        return BAD_TABLE, None
    if numbers[0] != next_index or numbers[1] < term:
        return BAD_HEADER, None
    parts, end = [], at + 128
    for size in (control_bytes, tables_bytes, data_bytes):
        parts.append(content[end : end + size])
        end += size
    if end + -(end - at) % 8 > len(content):
        return TORN, None
    entry = Entry(kind, flags, *numbers, *parts, checksum)
    return (OK if crc32c(entry.control) == control_sum else BAD_CHECKSUM), entry


def head_of(entry: Entry, salt: int, delta: int) -> bytes:
    """What a file of heads holds of an entry."""
    control = entry.control + bytes(-len(entry.control) % 8)
    return entry.header(salt) + struct.pack("<II", delta, 0) + control


def heads(
    content: bytes, at: int, salt: int, next_index: int, term: int, count: int
) -> tuple[list[tuple[int, int]], int, int]:
    """((index, delta) of the good heads, verdict, position behind the last of them)."""
    found: list[tuple[int, int]] = []
    for _ in range(count):
        header = content[at : at + 128]
        if len(header) < 128:
            return found, TORN, at
        sizes = struct.unpack_from("<III", header, 96)
        # The entry with zeros for what its head does not hold, and for as much of that as counts.
        rest = bytes(min(sizes[1] + sizes[2], 1 << 24) + 8)
        control = content[at + 136 : at + 136 + sizes[0]]
        verdict, entry = decode(header + control + rest, 0, salt, next_index, term)
        if verdict == END:
            verdict = BAD_HEADER
        if entry is None and verdict != TORN:
            return found, verdict, at
        after = at + 136 + sizes[0] + -sizes[0] % 8
        if after > len(content):
            return found, TORN, at
        delta, zero = struct.unpack_from("<II", content, at + 128)
        if zero or verdict != OK or entry is None:
            return found, UNKNOWN_FORMAT if zero else verdict, at
        found.append((entry.index, delta))
        at, next_index, term = after, entry.index + 1, entry.term
    return found, OK, at


def scan(
    content: bytes, at: int, salt: int, next_index: int, term: int, check_from: int
) -> tuple[list[Entry], int, int]:
    """(good entries, verdict, position behind the last of them)."""
    found: list[Entry] = []
    while at < len(content):
        verdict, entry = decode(content, at, salt, next_index, term)
        if entry is not None and verdict == OK and entry.record_count and next_index >= check_from:
            verdict = batches.judge(
                entry.record_count, entry.flags & 12, entry.tables, entry.data, entry.checksum
            )
        if verdict != OK or entry is None:
            return found, verdict, at
        found.append(entry)
        at += len(entry.encode(salt))
        next_index, term = entry.index + 1, entry.term
    return found, END, at
