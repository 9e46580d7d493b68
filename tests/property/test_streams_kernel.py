"""Streams in the kernel: a map is a dict in every respect that is used, and a number never wraps."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube._native import Producer, StreamMap, StreamState

U64_MAX = (1 << 64) - 1
NAMES = ["", "a", "b", "aa", "ключ", "c/" + "x" * 200, *(f"s{n}" for n in range(60))]
IDS = [0, 1, 2, 1 << 48, U64_MAX, *((7 << 48) + n for n in range(60))]
STEPS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(NAMES), st.sampled_from(IDS)), max_size=300
)


def make(name="a", stream_id=1):
    """A stream of nothing."""
    return StreamState(name, stream_id, 5, b"")


def check(table, rival, absent):
    """The map holds what the dict holds, in its order, and nothing else."""
    assert len(table) == len(rival)
    assert list(table) == list(rival)
    assert table.values() == list(rival.values())
    for key, stream in rival.items():
        assert table[key] is table.get(key) is stream
        assert key in table
    for key in absent:
        if key not in rival:
            assert table.get(key) is None
            assert key not in table


@pytest.mark.parametrize("by_name", [False, True])
@given(steps=STEPS)
def test_a_map_is_a_dict(by_name, steps):
    """Whatever is put in, put again under its key, and taken out."""
    table, rival = StreamMap(by_name=by_name), {}
    for put, name, stream_id in steps:
        key = name if by_name else stream_id
        if put:
            rival[key] = make(name, stream_id)
            table.put(rival[key])
        elif key in rival:
            del rival[key], table[key]
        else:
            with pytest.raises(KeyError):
                del table[key]
        assert list(table) == list(rival)
    check(table, rival, NAMES if by_name else IDS)


@pytest.mark.parametrize("by_name", [False, True])
def test_a_large_map(by_name):
    """Thousands, most of them gone again: each is found, and gone ones are given up."""
    table, rival = StreamMap(by_name=by_name), {}
    table.reserve(3000)
    for number in range(10_000):
        stream = make(f"name-{number}", (9 << 48) + number * 3)
        key = stream.name if by_name else stream.stream_id
        rival[key] = stream
        table.put(stream)
    for number, key in enumerate(list(rival)):
        if number % 7:
            del rival[key], table[key]
    check(table, rival, [])
    before = sys.getrefcount(stream)
    table.put(stream)
    assert sys.getrefcount(stream) == before + (len(table) > len(rival))


def test_the_order_depends_on_no_hash():
    """Two processes with other keys of their hashes go over streams in one order."""
    program = (
        "from goutube._native import Producer, StreamMap, StreamState\n"
        "table = StreamMap(by_name=True)\n"
        "for n in range(500): table.put(StreamState(f'{n * 7919 % 500}', n, 0, b''))\n"
        "for n in range(0, 500, 3): del table[str(n)]\n"
        "print(list(table))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


@pytest.mark.parametrize("field", ["start", "end", "record_count", "last_stamp"])
@pytest.mark.parametrize("number", [-1, U64_MAX + 1, 1 << 70])
def test_numbers_do_not_wrap(field, number):
    """What does not fit raises, and nothing is changed."""
    stream = make()
    setattr(stream, field, U64_MAX)
    with pytest.raises(OverflowError):
        setattr(stream, field, number)
    with pytest.raises(OverflowError):
        StreamState("a", 1, 5, b"", **{field: number})
    assert getattr(stream, field) == U64_MAX


@pytest.mark.parametrize("batch", [(U64_MAX, 1, 0, 0), (0, 0, U64_MAX, 1), (-1, 1, 0, 0)])
def test_an_end_beyond_any_is_refused(batch):
    """A batch is taken in whole or not at all."""
    stream = make()
    stream.extend(U64_MAX - 2, 2, 7, 1)
    with pytest.raises(OverflowError):
        stream.extend(*batch)
    assert (stream.end, stream.record_count) == (U64_MAX, 8)


def test_wrong_calls_are_refused():
    """Keys of the other kind, streams that were not made, names that are no text."""
    by_name, by_id, stream = StreamMap(by_name=True), StreamMap(by_name=False), make()
    by_name.put(stream)
    by_id.put(stream)
    for table, key in [(by_name, 1), (by_name, b"a"), (by_id, "a"), (by_id, None), (by_id, 1.0)]:
        for ask in (table.get, table.__getitem__, table.__contains__, table.__delitem__):
            with pytest.raises(TypeError, match="are found by"):
                ask(key)
    for table, key in [(by_id, -1), (by_id, 1 << 64), (by_name, "\ud800")]:
        assert table.get(key) is None
    unmade = StreamState.__new__(StreamState)
    for use in (by_name.put, stream.__lt__, lambda it: it.name, StreamState.overlay):
        with pytest.raises(ValueError, match="never made"):
            use(unmade)
    with pytest.raises(ValueError, match="keeps its name"):
        stream.__init__("b", 2, 5, b"")
    with pytest.raises(UnicodeEncodeError):
        make("\ud800")
    with pytest.raises((MemoryError, OverflowError)):
        by_id.reserve(1 << 40)
    assert (stream.name, stream.stream_id, len(by_id)) == ("a", 1, 1)


def test_an_overlay_runs_ahead():
    """It begins as its base, changes alone, and falls back to it for producers."""
    base = StreamState("ключ", 3, 5, b"p", 1, 2, 3, True, 9)
    one, two = Producer(1, 2, 3, b""), Producer(4, 5, 6, bytes(24))
    base.producers = {b"one": one}
    copy = base.overlay()
    fields = ("name", "stream_id", "created_ms", "properties", "start", "end", "record_count",
              "sealed", "last_stamp")  # fmt: skip
    assert [getattr(copy, field) for field in fields] == [getattr(base, field) for field in fields]
    assert (copy.base, base.base, copy.producers) == (base, None, None)
    copy.producers = {b"two": two}
    copy.heard(12)
    copy.heard(11)
    copy.extend(2, 40, 3, 4)
    assert (copy.last_stamp, copy.end, copy.record_count) == (12, 42, 7)
    assert (base.last_stamp, base.end, base.record_count) == (9, 2, 3)
    assert [copy.producer(name) for name in (b"one", b"two", b"no")] == [one, two, None]
    deeper = copy.overlay()
    del base, copy
    assert (deeper.name, deeper.producer(b"one"), deeper.base.name) == ("ключ", one, "ключ")


batches = st.tuples(
    st.integers(1, 3),
    st.integers(0, 1 << 62),
    st.integers(1, (1 << 32) - 1),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, U64_MAX),
    st.integers(0, U64_MAX),
)  # epoch, sequence, record count, checksum, offset, stamp


@given(st.lists(batches, min_size=1, max_size=40), st.integers(1, 20))
def test_the_last_batches_of_an_epoch_are_remembered(heard, batches_max):
    """Beside a list of rows that is cut to its end and begun anew with each epoch."""
    base = make()
    stream, rows, last_epoch = base, [], 0
    for place, (epoch, sequence, count, checksum, offset, stamp) in enumerate(heard):
        if place == len(heard) // 2:
            stream = base.overlay()
        stream.heard_of(b"p" * 16, epoch, sequence, count, checksum, offset, stamp, batches_max)
        rows = (rows if epoch == last_epoch else []) + [(sequence, count, checksum, offset)]
        rows, last_epoch = rows[-batches_max:], epoch
        now = stream.producer(b"p" * 16)
        assert (now.epoch, now.next_sequence, now.last_stamp) == (epoch, sequence + count, stamp)
        assert now.batches() == rows
        assert now == Producer(epoch, sequence + count, stamp, now.window)
        assert hash(now) == hash(Producer(epoch, sequence + count, stamp, now.window))
    before = base.producer(b"p" * 16)
    stream.heard_of(b"p" * 16, 9, 0, 1, 0, 0, 0, batches_max)
    assert stream is base or base.producer(b"p" * 16) == before


def test_what_is_remembered_of_a_producer_does_not_change():
    """Nor is anything taken that does not fit."""
    known = Producer(1, 2, 3, bytes(24))
    assert known != Producer(1, 2, 3, bytes(48))
    assert known != (1, 2, 3, bytes(24))
    with pytest.raises(ValueError, match="make a new one"):
        known.__init__(1, 2, 3, b"")
    for numbers in [(-1, 2, 3), (1 << 32, 2, 3), (1, 1 << 64, 3), (1, 2, -1)]:
        with pytest.raises(OverflowError):
            Producer(*numbers, b"")
    with pytest.raises(ValueError, match="window of 25 bytes"):
        Producer(1, 2, 3, bytes(25))
    stream = make()
    for numbers in [(1 << 32, 0, 1), (1, U64_MAX, 1), (1, 0, 1 << 32)]:
        with pytest.raises(OverflowError):
            stream.heard_of(b"p", *numbers, 0, 0, 0, 16)
    stream.producers = {b"q": 5}
    with pytest.raises(TypeError):
        stream.heard_of(b"q", 1, 0, 1, 0, 0, 0, 16)
    assert stream.producers == {b"q": 5}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=30))
def test_streams_sort_by_name(names):
    """In the order of their names as texts."""
    assert [stream.name for stream in sorted(map(make, names))] == sorted(names)


def test_what_an_idle_stream_takes():
    """Record, name and its share of both maps, at any number of streams; nothing for the collector."""
    by_name, by_id = StreamMap(by_name=True), StreamMap(by_name=False)
    empty = sys.getsizeof(by_name) + sys.getsizeof(by_id)
    taken = 0
    for number in range(1, 5001):
        stream = StreamState(
            f"idle/{number:011}", (63 << 48) + number, 1 << 41, b"", 1 << 50, 1 << 60
        )
        by_name.put(stream)
        by_id.put(stream)
        taken += sys.getsizeof(stream)
        if number >= 100:
            maps = sys.getsizeof(by_name) + sys.getsizeof(by_id) - empty
            assert (taken + maps) / number <= 96 + 16 + 2 * 17
    assert not gc.is_tracked(stream)
