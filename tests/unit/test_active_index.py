"""An index made of what a scan found answers as one that grew row by row, and goes on as such."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

import pytest

from goutube.storage.index import ActiveIndex, IndexAbout

ABOUT = IndexAbout(0, 1, 0, 999, [(1, 1)])


def entries(seed: int, count: int) -> list[SimpleNamespace]:
    """Headers of batches of a few streams in any order, and of entries without bytes."""
    chance, ends, found = Random(seed), {}, []
    for number in range(count):
        stream_id = chance.choice([3, 5, 1 << 60, 4, (1 << 64) - 1])
        size = chance.choice([0, 10, 700])
        offset, ordinal = ends.get(stream_id, (0, 0))
        found.append(
            SimpleNamespace(
                stream_id=stream_id, offset=offset, ordinal=ordinal, stamp=number // 3,
                position=256 + 1000 * number, entry_bytes=128 + size, data_bytes=size,
            )
        )  # fmt: skip
        if size:
            ends[stream_id] = (offset + size, ordinal + 1)
    return found


def grown(headers) -> ActiveIndex:
    index = ActiveIndex()
    for h in headers:
        if h.data_bytes:
            index.add(h.stream_id, h.offset, h.ordinal, h.stamp, h.position, h.entry_bytes)
    return index


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("found", [0, 1, 40, 100])
def test_both_answer_alike(seed, found):
    """Whether none, some or all rows were found by a scan, and the others came later."""
    headers = entries(seed, 100)
    one, other = grown(headers), ActiveIndex(headers[:found])
    for h in headers[found:]:
        if h.data_bytes:
            other.add(h.stream_id, h.offset, h.ordinal, h.stamp, h.position, h.entry_bytes)
    assert len(other) == len(one)
    assert other.encode(ABOUT) == one.encode(ABOUT)
    for stream_id in {h.stream_id for h in headers} | {0, 77}:
        ours, theirs = other.rows_of(stream_id), one.rows_of(stream_id)
        assert (ours is None) == (theirs is None)
        if ours is None or theirs is None:
            continue
        assert len(ours) == len(theirs)
        assert [ours.row(n) for n in range(len(ours))] == [theirs.row(n) for n in range(len(ours))]
        for value in range(0, 30_000, 333):
            assert ours.at_offset(value) == theirs.at_offset(value)
        for value in range(50):
            assert ours.at_ordinal(value) == theirs.at_ordinal(value)
            assert ours.before_stamp(value) == theirs.before_stamp(value)
