"""Building, judging and taking apart batches.

One rival does the same work with struct and a checksum package; the other is the compiled record
builder and reader of a Kafka client, whose batches have a header and lengths for each record.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from itertools import accumulate

import google_crc32c
import pytest

from goutube._native import VERDICT_OK, check_batch, join_records, split_records
from goutube.limits import BLOCK_BYTES
from goutube.model import Record

SHAPES = {
    "1 x 4 KiB": (1, 4096),
    "100 x 256": (100, 256),
    "1000 x 100": (1000, 100),
    "1 x 1 MiB": (1, 1 << 20),
}
KAFKA = "aiokafka.record.default_records"


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


def _kafka_builder(records: list[bytes]) -> Callable[[], bytes]:
    """A call that makes a record batch, magic 2, not compressed."""
    kafka = pytest.importorskip(KAFKA)

    def build() -> bytes:
        builder = kafka.DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2 << 20)
        for number, record in enumerate(records):
            builder.append(number, 0, None, record, [])
        return bytes(builder.build())

    assert "_crecords" in kafka.DefaultRecordBatchBuilder.__module__, (
        "the compiled one is the rival"
    )
    return build


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rival", ["goutube", "plain", "aiokafka"])
def test_join_records(benchmark, rival, shape):
    """A batch out of separate records, with its tables and checksums."""
    records = _records(shape)
    if rival == "aiokafka":
        assert benchmark(_kafka_builder(records)).count(records[0]) == 1
        return
    made = benchmark(join_records if rival == "goutube" else _join_plainly, records)
    assert made[:2] == _join_plainly(records)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rival", ["goutube", "aiokafka"])
def test_split_records(benchmark, rival, shape):
    """An object for each record of a batch, whose checksum was looked at before."""
    records = _records(shape)
    if rival == "aiokafka":
        kafka, made = pytest.importorskip(KAFKA), _kafka_builder(records)()

        def values() -> list[bytes]:
            return [record.value for record in kafka.DefaultRecordBatch(made)]
    else:
        lengths = struct.pack(f"<{len(records)}I", *map(len, records))
        times, data = bytes(8 * len(records)), b"".join(records)

        def values() -> list[bytes]:
            found = split_records(Record, 0, data, lengths, times)
            assert found is not None
            return [record.value for record in found]

    assert benchmark(values) == records


@pytest.mark.parametrize("shape", SHAPES)
def test_check_batch(benchmark, shape):
    """The whole judgement of a batch that came over the wire."""
    records = _records(shape)
    tables, data, flags, checksum = join_records(records)
    assert benchmark(check_batch, len(records), flags, tables, data, checksum) == VERDICT_OK
