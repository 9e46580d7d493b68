"""The table of a compacted segment: what it says comes back, and no flipped byte gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube.errors import CorruptionError, DataDirError
from goutube.storage.entries import SegmentName
from goutube.storage.kept import KeptEntries, kept_bytes
from goutube.storage.segment import SegmentHeader

U64 = st.integers(0, 2**64 - 1)
PAIRS = st.lists(st.tuples(U64, U64), max_size=5)


@given(U64, PAIRS, PAIRS)
def test_what_it_says_comes_back(last_index, runs, terms):
    """Any numbers, in as many bytes as were foretold."""
    kept = KeptEntries(last_index, [f for f, _ in runs], [last for _, last in runs], terms)
    table = kept.encode()
    assert len(table) == kept_bytes(len(runs), len(terms))
    again = KeptEntries.decode(table, "here", 0)
    assert (again.last_index, list(again.runs()), again.terms) == (last_index, runs, terms)


def test_every_byte_matters():
    """One flipped bit anywhere, a byte more or less: the table is refused by its place."""
    table = KeptEntries(90, [3, 70], [8, 71], [(1, 2), (50, 3)]).encode()
    wrong = [table[:at] + bytes([table[at] ^ 1]) + table[at + 1 :] for at in range(len(table))]
    for bad in [*wrong, table[:-1], table + b"\0", b""]:
        with pytest.raises(CorruptionError, match="kept") as caught:
            KeptEntries.decode(bad, "here", 4711)
        assert caught.value.fields["position"] == "4711"


@pytest.mark.parametrize("revision", [0, 1, 77])
def test_the_header_of_a_revision(revision):
    """It has its own version and names; every flipped byte of it is found."""
    name = SegmentName(31, 2, revision)
    table = (4096, 60) if revision else (0, 0)
    header = SegmentHeader(7, 1, name, 4711, 30, 5, bytes(range(16)), *table)
    content = header.encode()
    assert SegmentHeader.decode(content, "here") == header
    assert content[4] == (2 if revision else 1)
    assert SegmentName.parse(name.file_name) == name
    for at in range(len(content)):
        bad = content[:at] + bytes([content[at] ^ 128]) + content[at + 1 :]
        with pytest.raises((CorruptionError, DataDirError)):
            SegmentHeader.decode(bad, "here")


def test_other_files_are_no_segments():
    """Names that only look like one."""
    for name in ("1.seg", "1-2.idx", "1-2-3-4.seg", "1-x.seg", "1-2-3.seg.tmp", "-.seg"):
        assert SegmentName.parse(name) is None
