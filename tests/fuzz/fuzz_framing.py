"""Coverage-guided: batches and entries with right checksums over wrong numbers, judged as the twin does.

``python -m tests.fuzz.fuzz_framing -max_total_time=60``; any libFuzzer option, or files to repeat.
"""

from __future__ import annotations

import array
import struct
import sys

import atheris
from crc32c import crc32c

from goutube import _native as native
from tests.reference import batches, entries

SALT = 0x5EED
SMALL, WHOLE = (0, 40), (0, 2**32 - 1)


def judge(data: bytes) -> None:
    """Take bytes for a batch, for a segment as they are, and for one whose checksums are made right."""
    provider = atheris.FuzzedDataProvider(data)
    _judge_batch(provider)
    _judge_segment(_segment(provider), provider)
    _judge_segment(data, provider)
    _judge_heads(_heads(provider))
    _judge_heads(data)


def _number(provider: atheris.FuzzedDataProvider) -> int:
    return provider.ConsumeIntInRange(*(SMALL if provider.ConsumeBool() else WHOLE))


def _judge_batch(provider: atheris.FuzzedDataProvider) -> None:
    count, flags = _number(provider), provider.ConsumeIntInRange(0, 31)
    tables = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 60))
    content = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 60))
    if provider.ConsumeBool():
        content *= 2000
    checksum = crc32c(tables if flags & batches.BLOCKS else tables + content)
    found = native.check_batch(count, flags, tables, content, checksum)
    assert found == batches.judge(count, flags, tables, content, checksum)


def _segment(provider: atheris.FuzzedDataProvider) -> bytes:
    """Entries that are good but for what the fuzzer chose to write into them."""
    segment = b""
    for index in range(1, provider.ConsumeIntInRange(1, 4)):
        records = [bytes([index]) * provider.ConsumeIntInRange(1, 30) for _ in range(index - 1)]
        deltas = list(range(len(records))) if records and provider.ConsumeBool() else None
        tables, flags, checksum = batches.build(records, deltas) if records else (b"", 0, 0)
        entry = entries.Entry(
            1, flags, index, 1, 2, 3, 4, 5, 6, bytes(16), 7, 8, len(records),
            provider.ConsumeBytes(9), tables, b"".join(records), checksum,
        )  # fmt: skip
        header, body = bytearray(entry.header(SALT)[:124]), entry.encode(SALT)[128:]
        for _ in range(provider.ConsumeIntInRange(0, 2)):
            at = provider.ConsumeIntInRange(4, 120)
            header[at : at + 4] = struct.pack("<I", _number(provider))
        segment += entries.sealed(bytes(header[:124]), SALT) + body
    return segment[: len(segment) - provider.ConsumeIntInRange(0, 20)]


def _heads(provider: atheris.FuzzedDataProvider) -> bytes:
    """Heads that are good but for what the fuzzer chose to write into them."""
    content = b""
    for index in range(1, provider.ConsumeIntInRange(1, 4)):
        control = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 30))
        entry = entries.Entry(
            1, 0, index, 1, 2, 3, 4, 5, 6, bytes(16), 7, 8, 0, control, b"", b"", 0,
        )  # fmt: skip
        header = bytearray(entry.header(SALT)[:124])
        for _ in range(provider.ConsumeIntInRange(0, 2)):
            at = provider.ConsumeIntInRange(4, 120)
            header[at : at + 4] = struct.pack("<I", _number(provider))
        body = entries.head_of(entry, SALT, _number(provider))[128:]
        content += entries.sealed(bytes(header), SALT) + body
    return content[: len(content) - provider.ConsumeIntInRange(0, 20)]


def _judge_heads(content: bytes) -> None:
    scan = native.read_heads(content, 0, SALT, 1, 1, 256, 4)
    found, verdict, position = entries.heads(content, 0, SALT, 1, 1, 4)
    assert (len(scan.headers), scan.verdict, scan.position) == (len(found), verdict, position)


def _judge_segment(content: bytes, provider: atheris.FuzzedDataProvider) -> None:
    check_from = provider.ConsumeIntInRange(0, 3)
    scan = native.scan_entries(content, 0, SALT, 1, 1, check_from)
    found, verdict, position = entries.scan(content, 0, SALT, 1, 1, check_from)
    assert (len(scan.headers), scan.verdict, scan.position) == (len(found), verdict, position)
    for header, entry in zip(scan.headers, found, strict=True):
        assert (header.index, header.flags, header.sequence) == (
            entry.index, entry.flags, entry.sequence,
        )  # fmt: skip
    positions = array.array("I", [header.position for header in scan.headers])
    lengths = array.array("I", [header.entry_bytes for header in scan.headers])
    pick = native.pick_entries(content, 0, SALT, positions, lengths)
    if check_from <= 1:
        assert (pick.verdict, pick.entries) == (native.VERDICT_OK, content[:position])
    elsewhere = array.array("I", [provider.ConsumeIntInRange(0, 2**32 - 1)])
    length = array.array("I", [provider.ConsumeIntInRange(0, len(content))])
    native.pick_entries(content, provider.ConsumeIntInRange(0, 300), SALT, elsewhere, length)
    at = native.find_entry(content, provider.ConsumeIntInRange(0, 300), SALT, 0)
    assert at < 0 or content[at : at + 4] == b"gtE1"


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()
