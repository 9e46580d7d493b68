"""Coverage-guided: the reading kernel over entries whose checksums are right and whose fields are not.

``python -m tests.fuzz.fuzz_reading -max_total_time=60``; any libFuzzer option, or files to repeat.
"""

from __future__ import annotations

import struct
import sys

import atheris
from crc32c import crc32c

from goutube._native import (
    ENTRY_ALIGN,
    VERDICT_OK,
    VERDICT_TOO_LONG,
    ReadRun,
    find_entry,
    read_run,
    scan_entries,
)
from tests.reference.reading import BLOCK_BYTES, BLOCKS, Entry, encode

SALT = 77
_FLAGS_AT, _FIELDS, _CHECKED = 6, (8, 24, 32, 40, 48), 124
_COUNTS = (92, 96, 100, 104, 108)


def _entry(provider: atheris.FuzzedDataProvider, index: int, offset: int) -> bytes:
    """A good entry with some fields and some of its body changed, its checksums right again."""
    sizes = provider.ConsumeIntListInRange(provider.ConsumeIntInRange(0, 4), 1, 90)
    if provider.ConsumeBool():
        sizes.append(BLOCK_BYTES + provider.ConsumeIntInRange(0, 200))
    deltas = list(range(len(sizes))) if provider.ConsumeBool() else None
    control = bytes(provider.ConsumeIntInRange(0, 9))
    records = [bytes([index + number]) * size for number, size in enumerate(sizes)]
    whole = bytearray(
        encode(Entry(1, offset, 3 * index, 50, records, deltas, control), index, SALT)
    )
    for _ in range(provider.ConsumeIntInRange(0, 3)):
        place = provider.ConsumeIntInRange(128, len(whole))
        whole[place : place + 4] = struct.pack("<I", provider.ConsumeIntInRange(0, 2**32 - 1))
    for _ in range(provider.ConsumeIntInRange(0, 2)):
        if provider.ConsumeBool():
            number = provider.ConsumeIntInRange(0, 2**64 - 1)
            struct.pack_into("<Q", whole, provider.PickValueInList(list(_FIELDS)), number)
        else:
            number = provider.ConsumeIntInRange(0, 2**32 - 1)
            struct.pack_into("<I", whole, provider.PickValueInList(list(_COUNTS)), number)
    if provider.ConsumeBool():
        struct.pack_into("<H", whole, _FLAGS_AT, provider.ConsumeIntInRange(0, 31))
    _set_checksums(whole)
    return bytes(whole)


def _set_checksums(whole: bytearray) -> None:
    control, tables, data = struct.unpack_from("<III", whole, 96)
    (flags,) = struct.unpack_from("<H", whole, _FLAGS_AT)
    first = 128 + control
    after = first + tables + (0 if flags & BLOCKS else data)
    struct.pack_into("<I", whole, 116, crc32c(bytes(whole[first:after])))
    struct.pack_into("<I", whole, _CHECKED, crc32c(bytes(whole[:_CHECKED]), SALT))


def judge(data: bytes) -> None:
    """Make a segment, ask for a range of it, and hold the answer to what any answer must be."""
    provider = atheris.FuzzedDataProvider(data)
    segment, offset = b"", 0
    for index in range(1, provider.ConsumeIntInRange(1, 3) + 1):
        entry = _entry(provider, index, offset)
        segment += entry
        offset += struct.unpack_from("<I", entry, 104)[0]
    cut = provider.ConsumeIntInRange(0, len(segment))
    segment = segment[: len(segment) - cut] if provider.ConsumeBool() else segment
    first = provider.ConsumeIntInRange(0, 2**64 - 1 if provider.ConsumeBool() else 300)
    limit = provider.ConsumeIntInRange(0, 2**64 - 1 if provider.ConsumeBool() else 300)
    bytes_max, records = provider.ConsumeIntInRange(0, 1 << 20), provider.ConsumeBool()
    run = read_run(
        segment, 0, len(segment), SALT, 1, first, limit,
        provider.ConsumeIntInRange(0, 20), provider.ConsumeIntInRange(0, 60), bytes_max, records,
    )  # fmt: skip
    _hold(run, first, limit, bytes_max, records)
    scan = scan_entries(segment, 0, SALT, 1, 0, 0)
    assert scan.position <= len(segment)
    assert find_entry(segment, provider.ConsumeIntInRange(0, 99), SALT, 2) % ENTRY_ALIGN in (0, 7)


def _hold(run: ReadRun, first: int, limit: int, bytes_max: int, records: bool) -> None:
    assert len(run.data) <= bytes_max
    assert run.checksum == crc32c(run.data)
    assert len(run.lengths) * 2 == len(run.timestamps)
    lengths = [number for (number,) in struct.iter_unpack("<I", run.lengths)]
    if run.data:
        assert run.verdict == VERDICT_OK
        assert first <= run.offset
        assert run.next_offset == run.offset + len(run.data) <= limit
    assert sum(lengths) == (len(run.data) if records else 0)
    assert (run.verdict == VERDICT_TOO_LONG) == (run.needed > 0)


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()
