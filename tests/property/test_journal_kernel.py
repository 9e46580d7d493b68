"""The journal kernel does what its slow twin does, and no flipped byte of a group gets through."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube import _native as native
from tests.reference import groups

U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
MARKS = st.lists(st.tuples(U32, U64, U64, U64, U64), max_size=5)
BODIES = st.integers(0, 40).map(lambda words: random.Random(words).randbytes(8 * words))
RECORDS = st.lists(
    st.builds(groups.Record, st.integers(0, 255), U32, U64, U64, U32, U32, BODIES), max_size=8
)
SEED = 0xA11FE


def _encode(seed, sequence, marks, records) -> bytes:
    parts = [
        part for r in records for part in (native.encode_record_header(*r[:6], len(r.body)), r.body)
    ]
    size = sum(map(len, parts))
    head = native.encode_group(seed, sequence, marks, len(records), size)
    parts.append(bytes(-(len(head) + size) % native.JOURNAL_BLOCK_BYTES))
    native.complete_group(seed, head, parts)
    return b"".join([head, *parts])


def _agree(content: bytes, at: int, seed: int, sequence: int) -> int:
    verdict, group = native.read_group(content, at, seed, sequence)
    expected, twin = groups.decode(content, at, seed, sequence)
    assert verdict == expected
    assert (group is None) == (twin is None)
    if group is not None and twin is not None:
        assert (group.sequence, group.marks) == (twin.sequence, twin.marks)
        assert group.next_position == at + twin.size
        bodies = [content[r.start : r.start + r.length] for r in group.records]
        found = [groups.Record(*r[:6], body) for r, body in zip(group.records, bodies, strict=True)]
        assert found == twin.records
    return verdict


@given(U32, U64, MARKS, RECORDS, st.integers(0, 2))
def test_groups(seed, sequence, marks, records, before):
    """What the kernel writes is what the twin writes, and both read it back."""
    content = _encode(seed, sequence, marks, records)
    assert content == groups.encode(seed, sequence, marks, records)
    content = bytes(4096 * before) + content
    assert _agree(content, 4096 * before, seed, sequence) == native.VERDICT_OK
    assert _agree(content, 4096 * before, seed ^ 1, sequence) == native.VERDICT_BAD_HEADER
    assert _agree(content, 4096 * before, seed, sequence ^ 1) == native.VERDICT_BAD_HEADER


@given(MARKS, RECORDS, st.data())
def test_damaged_groups(marks, records, data):
    """Changed and cut anywhere: kernel and twin say the same, and it is never good."""
    content = bytearray(_encode(SEED, 5, marks, records))
    whole = bytes(content)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    assert _agree(bytes(content), 0, SEED, 5) != native.VERDICT_OK
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert _agree(cut, 0, SEED, 5) == native.VERDICT_TORN


def test_every_flipped_bit_is_noticed():
    """Header, marks, records and the closing zeros, bit by bit."""
    content = bytearray(
        _encode(SEED, 5, [(1, 2, 3, 4, 5)], [groups.Record(1, 2, 3, 4, 5, 6, b"8 bytes!")])
    )
    for at in range(8 * len(content)):
        content[at // 8] ^= 1 << at % 8
        assert native.read_group(content, 0, SEED, 5)[0] != native.VERDICT_OK
        content[at // 8] ^= 1 << at % 8
    assert native.read_group(content, 0, SEED, 5)[0] == native.VERDICT_OK


@given(st.binary(max_size=200), st.integers(0, 5), st.integers(0, 5))
def test_any_body_under_good_checksums(body, mark_count, record_count):
    """Counts and lengths are judged by themselves: good checksums do not make them true."""
    content = groups.wrap(SEED, 5, mark_count, record_count, body)
    _agree(content, 0, SEED, 5)


@pytest.mark.parametrize("length", [2**32 - 8, 2**32 - 1, 4096, 3920, 7])
def test_lengths_that_lead_outside(length):
    """A record that would end outside its group, or not at a multiple of 8, makes the group bad."""
    body = groups.RECORD.pack(1, 2, 3, 4, 5, 6, length)
    content = groups.wrap(SEED, 5, 0, 1, body)
    inside = length % 8 == 0 and 64 + 40 + length <= len(content)
    assert (_agree(content, 0, SEED, 5) == native.VERDICT_OK) == inside


@pytest.mark.parametrize("counts", [(2**32 - 1, 0), (0, 2**32 - 1), (101, 0), (0, 101)])
def test_counts_that_lead_outside(counts):
    """More marks or records than the body could hold make the group bad."""
    assert _agree(groups.wrap(SEED, 5, *counts, b""), 0, SEED, 5) == native.VERDICT_BAD_TABLE


def test_other_versions_and_lengths():
    """An unknown version is named; a body that does not end on a block is bad."""
    whole = groups.wrap(SEED, 5, 0, 0, b"")
    for at, changed, verdict in (
        (4, b"\2", native.VERDICT_UNKNOWN_FORMAT),
        (24, b"\xc8", native.VERDICT_BAD_TABLE),
        (24, struct.pack("<I", 2**32 - 64), native.VERDICT_TORN),
    ):
        head = bytearray(whole[:60])
        head[at : at + len(changed)] = changed
        content = bytes(head) + struct.pack("<I", groups.crc32c(bytes(head), SEED)) + whole[64:]
        assert _agree(content, 0, SEED, 5) == verdict


@pytest.mark.parametrize("size", [0, 1, 63, 64, 4096])
def test_zeros_are_no_group(size):
    """Whatever the life of the ring is."""
    for seed in (0, SEED, 2**32 - 1):
        assert native.read_group(bytes(size), 0, seed, 0)[0] != native.VERDICT_OK
        assert native.find_group(bytes(size), 0, seed, 0) == -1


@given(st.lists(U64, min_size=1, max_size=5), U64, st.integers(0, 6), st.integers(-1, 4))
def test_finding_groups(sequences, above, start, broken):
    """The next whole group with a higher number is found; a broken one is passed by."""
    content = bytearray(4096)
    good = []
    for at, sequence in enumerate(sequences):
        if sequence > above and at != broken and len(content) >= 4096 * start:
            good.append(len(content))
        content += _encode(SEED, sequence, [(at, 1, 1, 1, 1)], [])
        if at == broken:
            content[-1] ^= 1
    expected = good[0] if good else -1
    assert native.find_group(content, 4096 * start, SEED, above) == expected


def test_misuse():
    """Numbers that do not fit, heads that promise another length, records of odd length."""
    with pytest.raises(OverflowError):
        native.encode_group(1, 1, [(2**32, 0, 0, 0, 0)], 0, 0)
    with pytest.raises(ValueError):
        native.encode_group(1, 1, [], 0, 2**31)
    with pytest.raises(ValueError):
        native.encode_record_header(1, 1, 1, 1, 1, 1, 7)
    head = native.encode_group(1, 1, [], 0, 0)
    for wrong in (bytearray(63), head + b"\0"):
        with pytest.raises(ValueError):
            native.complete_group(1, wrong, [bytes(4032)])
    with pytest.raises(ValueError):
        native.complete_group(1, head, [bytes(8)])
    native.complete_group(1, head, [bytes(4000), memoryview(bytes(32))])
    assert native.read_group(bytes(head) + bytes(4032), 0, 1, 1)[0] == native.VERDICT_OK
