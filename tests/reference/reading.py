"""Slow twin of the reading kernel, and entries to read, both straight from docs/FORMATS.md."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crc32c import crc32c

HEADER = struct.Struct("<4sBBHQQQQQQQ16sQIIIIIIIIB3x")
BLOCK_BYTES = 65536
BLOCKS, DELTAS = 4, 8
OK, TOO_LONG = 0, 7


@dataclass(frozen=True)
class Entry:
    """One batch, or with no record an entry of another kind."""

    stream_id: int
    offset: int
    ordinal: int
    stamp: int
    records: Sequence[bytes] = field(repr=False)
    deltas: Sequence[int] | None
    control: bytes

    @property
    def data(self) -> bytes:
        return b"".join(self.records)

    def times(self) -> list[int]:
        return [self.stamp + delta for delta in self.deltas or [0] * len(self.records)]


@dataclass(frozen=True)
class Request:
    """What is asked of a run of entries, in the kernel's order of arguments."""

    stream_id: int
    first_offset: int
    limit_offset: int
    first_ordinal: int
    first_stamp: int
    bytes_max: int
    records: bool

    def arguments(self) -> tuple[int, int, int, int, int, int, bool]:
        return (
            self.stream_id, self.first_offset, self.limit_offset, self.first_ordinal,
            self.first_stamp, self.bytes_max, self.records,
        )  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What the kernel should say."""

    verdict: int
    needed: int
    offset: int
    next_offset: int
    data: bytes
    lengths: list[int]
    timestamps: list[int]
    ordinal: int


def encode(entry: Entry, index: int, salt: int) -> bytes:
    """An entry as it stands in a segment."""
    data, count = entry.data, len(entry.records)
    flags = 0
    tables = list(itertools.accumulate(len(record) for record in entry.records))
    if entry.deltas is not None and count:
        flags |= DELTAS
        tables += entry.deltas
    if len(data) > BLOCK_BYTES:
        flags |= BLOCKS
        tables += [crc32c(data[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES)]
    packed = struct.pack(f"<{len(tables)}I", *tables)
    checksum = crc32c(packed if flags & BLOCKS else packed + data)
    header = HEADER.pack(
        b"gtE1", 1, 1 if count else 7, flags, index, 1, entry.stream_id, entry.offset,
        entry.ordinal, entry.stamp, 0, bytes(16), 0, 0, count, len(entry.control), len(packed),
        len(data), len(data), crc32c(entry.control), checksum, 0,
    )  # fmt: skip
    header += struct.pack("<I", crc32c(header, salt))
    whole = header + entry.control + packed + data
    return whole + bytes(-len(whole) % 8)


def read(entries: Sequence[Entry], request: Request) -> Answer:
    """What ``read_run`` answers about these entries, none of them damaged."""
    if request.bytes_max == 0 or request.limit_offset <= request.first_offset:
        return _answer([], request.first_offset)
    batches = [
        entry
        for entry in entries
        if entry.stream_id == request.stream_id
        and entry.records
        and entry.offset + len(entry.data) > request.first_offset
    ]
    return _read_records(batches, request) if request.records else _read_bytes(batches, request)


def _records(entry: Entry) -> Iterator[tuple[int, int, int, bytes]]:
    """(offset, ordinal, time, value) of each record of a batch."""
    offset = entry.offset
    for number, (value, time) in enumerate(zip(entry.records, entry.times(), strict=True)):
        yield offset, entry.ordinal + number, time, value
        offset += len(value)


def _read_bytes(batches: Sequence[Entry], request: Request) -> Answer:
    """Byte for byte: each one is wanted or not."""
    taken = bytearray()
    start = resume = request.first_offset
    for entry in batches:
        if entry.offset >= request.limit_offset or len(taken) >= request.bytes_max:
            break
        for offset, ordinal, time, value in _records(entry):
            if ordinal < request.first_ordinal or time < request.first_stamp:
                continue
            for place in range(max(offset, request.first_offset), offset + len(value)):
                if place >= request.limit_offset or len(taken) >= request.bytes_max:
                    break
                if not taken:
                    start = place
                taken.append(value[place - offset])
        end = entry.offset + len(entry.data)
        if not taken and end <= request.limit_offset:
            resume = end
    offset = start if taken else resume
    return Answer(OK, 0, offset, offset + len(taken), bytes(taken), [], [], 0)


def _read_records(batches: Sequence[Entry], request: Request) -> Answer:
    """Record for record, until one does not belong or does not fit."""
    taken: list[tuple[int, int, int, bytes]] = []
    size, resume = 0, request.first_offset
    for entry in batches:
        if entry.offset >= request.limit_offset:
            break
        for record in _records(entry):
            offset, ordinal, time, value = record
            if (
                ordinal < request.first_ordinal
                or time < request.first_stamp
                or offset < request.first_offset
            ):
                continue
            if offset + len(value) > request.limit_offset:
                return _answer(taken, resume)
            if size + len(value) > request.bytes_max:
                if taken:
                    return _answer(taken, resume)
                return Answer(TOO_LONG, len(value), resume, resume, b"", [], [], 0)
            taken.append(record)
            size += len(value)
        if not taken:
            resume = entry.offset + len(entry.data)
    return _answer(taken, resume)


def _answer(taken: Sequence[tuple[int, int, int, bytes]], resume: int) -> Answer:
    data = b"".join(value for _, _, _, value in taken)
    offset = taken[0][0] if taken else resume
    return Answer(
        OK, 0, offset, offset + len(data), data,
        [len(value) for _, _, _, value in taken],
        [time for _, _, time, _ in taken],
        taken[0][1] if taken else 0,
    )  # fmt: skip
