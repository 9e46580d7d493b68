"""Slow twin of a batch's tables and checksums, straight from docs/FORMATS.md."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

from crc32c import crc32c

BLOCK_BYTES = 65536
BLOCKS, DELTAS = 4, 8
OK, BAD_TABLE, BAD_CHECKSUM, UNKNOWN_FORMAT = 0, 4, 5, 6
RECORDS_MAX, DATA_BYTES_MAX = 1 << 20, 16 << 20


def build(records: Sequence[bytes], deltas: Sequence[int] | None) -> tuple[bytes, int, int]:
    """(tables, flags, checksum)."""
    data = b"".join(records)
    words = list(itertools.accumulate(map(len, records))) + list(deltas or ())
    flags = DELTAS if deltas is not None else 0
    if len(data) > BLOCK_BYTES:
        flags |= BLOCKS
        words += [crc32c(block) for block in _blocks(data)]
    tables = struct.pack(f"<{len(words)}I", *words)
    return tables, flags, crc32c(tables if flags & BLOCKS else tables + data)


def judge(count: int, flags: int, tables: bytes, data: bytes, checksum: int) -> int:
    """The verdict on a batch that came from elsewhere."""
    if flags & ~(BLOCKS | DELTAS):
        return UNKNOWN_FORMAT
    blocks = _blocks(data) if flags & BLOCKS else []
    words = count * (2 if flags & DELTAS else 1) + len(blocks)
    if (
        not 1 <= count <= RECORDS_MAX
        or len(data) > DATA_BYTES_MAX
        or bool(flags & BLOCKS) != (len(data) > BLOCK_BYTES)
        or len(tables) != 4 * words
    ):
        return BAD_TABLE
    numbers = struct.unpack(f"<{words}I", tables)
    ends, deltas = numbers[:count], numbers[count : 2 * count] if flags & DELTAS else (0,)
    if any(a >= b for a, b in itertools.pairwise((0, *ends))) or ends[-1] != len(data):
        return BAD_TABLE
    if deltas[0] != 0 or any(a > b for a, b in itertools.pairwise(deltas)):
        return BAD_TABLE
    sums = [crc32c(tables if blocks else tables + data), *map(crc32c, blocks)]
    found = [checksum, *(numbers[len(numbers) - len(blocks) :] if blocks else ())]
    return OK if sums == found else BAD_CHECKSUM


def _blocks(data: bytes) -> list[bytes]:
    return [data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)]
