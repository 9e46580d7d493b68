"""Coverage-guided: journal groups with right checksums around any body, read as the twin reads them.

``python -m tests.fuzz.fuzz_journal -max_total_time=60``; any libFuzzer option, or files to repeat.
"""

from __future__ import annotations

import sys

import atheris

from goutube import _native as native
from tests.reference import groups

SEED, SEQUENCE = 0xA11FE, 5
SMALL, WHOLE = (0, 5), (0, 2**32 - 1)


def judge(data: bytes) -> None:
    """Take bytes for a ring as they are, and for the body of a group."""
    provider = atheris.FuzzedDataProvider(data)
    _compare(data, 0)
    content = _group(provider)
    content = bytes(4096 * provider.ConsumeBool()) + content
    content = content[: len(content) - _number(provider)]
    _compare(content, provider.ConsumeIntInRange(0, 9000))
    at = native.find_group(content, 0, SEED, 0)
    assert at < 0 or native.read_group(content, at, SEED, SEQUENCE)[0] in (
        0,
        native.VERDICT_BAD_TABLE,
    )


def _number(provider: atheris.FuzzedDataProvider) -> int:
    return provider.ConsumeIntInRange(*(SMALL if provider.ConsumeBool() else WHOLE))


def _group(provider: atheris.FuzzedDataProvider) -> bytes:
    mark_count, record_count = _number(provider), _number(provider)
    body = b""
    for _ in range(provider.ConsumeIntInRange(0, 4)):
        if provider.ConsumeBool():
            body += groups.MARK.pack(*(_number(provider) for _ in range(5)))
        else:
            inside = provider.ConsumeBytes(8 * provider.ConsumeIntInRange(0, 4))
            length = len(inside) if provider.ConsumeBool() else _number(provider)
            body += groups.RECORD.pack(1, 2, 3, 4, 5, 6, length) + inside
    return groups.wrap(SEED, SEQUENCE, mark_count, record_count, body)


def _compare(content: bytes, at: int) -> None:
    verdict, group = native.read_group(content, at, SEED, SEQUENCE)
    expected, twin = groups.decode(content, at, SEED, SEQUENCE)
    assert verdict == expected
    if group is not None and twin is not None:
        assert (group.marks, group.next_position) == (twin.marks, at + twin.size)
        bodies = [content[record.start : record.start + record.length] for record in group.records]
        assert bodies == [record.body for record in twin.records]


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()
