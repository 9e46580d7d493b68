"""The kernel for a client's records does what its slow twin does."""

from __future__ import annotations

import gc
import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube import _native as native
from goutube.model import Record
from tests.reference.builders import BYTES_MAX, RECORD_BYTES_MAX, RECORDS_MAX, SlowBuilder

RECORDS = st.lists(
    st.binary(max_size=90) | st.sampled_from([b"x" * 250, b"y" * 70_000, b"z" * 150_001]),
    max_size=40,
)


@given(RECORDS, st.data())
def test_batches_are_those_of_the_slow_twin(records, data):
    """Whatever is added and taken when: the same numbers, the same batches, good ones."""
    fast = native.BatchBuilder(BYTES_MAX, RECORDS_MAX, RECORD_BYTES_MAX)
    slow = SlowBuilder()
    kinds = st.sampled_from([bytes, bytearray, memoryview])
    for record in records:
        number = fast.add(data.draw(kinds)(record))
        assert number == slow.add(record)
        assert fast.record_count == len(slow.records)
        assert fast.byte_count == sum(map(len, slow.records))
        if number == native.ADD_NO_ROOM:
            if slow.records:
                taken = fast.take()
                assert taken == slow.take()
                assert native.check_batch(taken[0], taken[1], *taken[2:]) == native.VERDICT_OK
            fast.open()
            slow.open()


def test_what_is_added_may_change_afterwards():
    """The builder keeps a copy."""
    builder = native.BatchBuilder(100, 10, 100)
    builder.open()
    record = bytearray(b"before")
    assert builder.add(record) == 0
    record[:] = b"after!"
    assert builder.take()[3] == b"before"


@pytest.mark.parametrize("thing", ["text", None, 5, [1], object()])
def test_what_has_no_bytes_is_no_record(thing):
    """It is told, not raised: the caller knows better what to say."""
    builder = native.BatchBuilder(100, 10, 100)
    builder.open()
    assert builder.add(thing) == native.ADD_NO_RECORD
    assert builder.record_count == 0


def test_a_wrong_use_is_refused():
    """Limits above the format's, a batch without records, buffers that are not contiguous."""
    for limits in [(100, 0, 1), (100, (1 << 20) + 1, 1), ((16 << 20) + 1, 1, 1)]:
        with pytest.raises(ValueError, match="a batch has"):
            native.BatchBuilder(*limits)
    builder = native.BatchBuilder(100, 10, 100)
    builder.open()
    with pytest.raises(ValueError, match="no record"):
        builder.take()
    released = memoryview(b"abc")
    released.release()
    for record in (memoryview(b"abcdef")[::2], released, array("I", [1])):
        assert builder.add(record) == native.ADD_NO_RECORD
    assert builder.add(b"x") == 0


def test_a_large_record_is_not_kept_in_memory():
    """After it the builder still makes small batches right."""
    builder = native.BatchBuilder(1000, 10, 16 << 20)
    for content in (b"a" * (16 << 20), b"b"):
        builder.open()
        assert builder.add(content) == 0
        assert builder.add(b"no room") == (native.ADD_NO_ROOM if len(content) > 1 else 1)
        assert builder.take()[3].startswith(content)


@given(st.integers(0, 2**63), st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary())))
def test_records_of_an_answer(offset, records):
    """Each with its place, its time and its bytes, of the type asked for."""
    values = [value for _, value in records]
    lengths = struct.pack(f"<{len(values)}I", *map(len, values))
    stamps = struct.pack(f"<{len(values)}Q", *(stamp for stamp, _ in records))
    expected, place = [], offset
    for stamp, value in records:
        expected.append(Record(place, stamp, value))
        place += len(value)
    found = native.split_records(Record, offset, b"".join(values), lengths, stamps)
    assert found == expected
    assert all(type(record) is Record for record in found)
    assert not any(gc.is_tracked(record) for record in found)


def test_records_that_do_not_fit_their_answer():
    """Neither too many bytes, nor too few, nor a table that is cut off."""
    lengths, stamps = array("I", [2, 3]), array("Q", [1, 2])
    assert native.split_records(Record, 0, b"abcde", lengths, stamps) is not None
    for data in (b"abcd", b"abcdef", b""):
        assert native.split_records(Record, 0, data, lengths, stamps) is None
    assert native.split_records(Record, 0, b"abcde", lengths.tobytes()[:-1], stamps) is None
    assert native.split_records(Record, 0, b"abcde", lengths, array("Q", [1])) is None
    for kind in (list, int):
        with pytest.raises(TypeError, match="plain subclass of tuple"):
            native.split_records(kind, 0, b"abcde", lengths, stamps)
