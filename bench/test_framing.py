"""Building and judging batches; the rival does the same work with struct and a checksum package."""

from __future__ import annotations

import random
import struct
from itertools import accumulate

import google_crc32c
import pytest

from goutube._native import VERDICT_OK, check_batch, join_records
from goutube.limits import BLOCK_BYTES

SHAPES = {"1 x 4 KiB": (1, 4096), "100 x 256": (100, 256), "1 x 1 MiB": (1, 1 << 20)}


def _records(shape: str) -> list[bytes]:
    count, size = SHAPES[shape]
    source = random.Random(2)
    return [source.randbytes(size) for _ in range(count)]


def _join_plainly(records: list[bytes]) -> tuple[bytes, bytes]:
    data = b"".join(records)
    tables = struct.pack(f"<{len(records)}I", *accumulate(map(len, records)))
    if len(data) > BLOCK_BYTES:
        blocks = range(0, len(data), BLOCK_BYTES)
        sums = [google_crc32c.value(data[place : place + BLOCK_BYTES]) for place in blocks]
        tables += struct.pack(f"<{len(sums)}I", *sums)
    return tables, data


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rival", ["goutube", "plain"])
def test_join_records(benchmark, rival, shape):
    """A batch out of separate records, with its tables and checksums."""
    records = _records(shape)
    made = benchmark(join_records if rival == "goutube" else _join_plainly, records)
    assert made[:2] == _join_plainly(records)


@pytest.mark.parametrize("shape", SHAPES)
def test_check_batch(benchmark, shape):
    """The whole judgement of a batch that came over the wire."""
    records = _records(shape)
    tables, data, flags, checksum = join_records(records)
    assert benchmark(check_batch, len(records), flags, tables, data, checksum) == VERDICT_OK
