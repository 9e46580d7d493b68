"""Codecs of the hot messages: the edges of the wire form, one by one."""

from __future__ import annotations

from array import array

import pytest

from goutube._native import (
    ReadData,
    decode_append_request,
    decode_append_response,
    decode_consume_request,
    decode_produce_request,
    encode_append_request,
    encode_append_response,
    encode_consume_response,
    encode_read_response,
)

APPEND = ("a/b", 1, 2, None, b"p" * 16, 3, 4, True, 1, 0, 0xE3069283, b"\x05\0\0\0", b"hello", 9)


@pytest.mark.parametrize(
    ("message", "values"),
    [
        (b"", ("", 0, 0, 0)),
        (b"\x0a\x01a\x10\x05\x18\x06\x20\x07", ("a", 5, 6, 7)),
        (b"\x10\x05\x10\x06", ("", 6, 0, 0)),
        (b"\x0a\x01a\x0a\x00", ("", 0, 0, 0)),
        (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ("", 2**64 - 1, 0, 0)),
        (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", ("", 2**63 - 1, 0, 0)),
        (b"\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", ("", 0, 0, 0)),
        (b"\x90\x80\x80\x80\x00\x05", ("", 5, 0, 0)),
        (b"\x15\x01\x02\x03\x04", ("", 0, 0, 0)),
        (b"\x98\x06\x01\xa2\x06\x02ab\xad\x06abcd\xb1\x06abcdefgh\x20\x07", ("", 0, 0, 7)),
    ],
    ids=["empty", "all", "last wins", "last wins, empty", "largest", "65 bits", "padded", "padded tag",
         "another wire type", "unknown fields"],
)  # fmt: skip
def test_a_message_is_read(message, values):
    """What protobuf allows is read, however odd."""
    assert decode_consume_request(message) == values


@pytest.mark.parametrize(
    "message",
    [
        b"\x10",
        b"\x10\x80",
        b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x90\x80\x80\x80\x80\x00\x05",
        b"\x0a\x02a",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
        b"\x0a\x81\x80\x80\x80\x80\x00a",
        b"\x0a\x01\xff",
        b"\x0a\x03\xed\xa0\x80",
        b"\x0a\x01\xff\x0a\x01a",
        b"\x00\x01",
        b"\x2b\x2c",
        b"\x2c",
        b"\x2e\x00",
        b"\x2f\x00",
        b"\xad\x06abc",
        b"\xb1\x06abcdefg",
    ],
    ids=["no value", "half a varint", "eleven bytes", "six-byte tag", "length beyond end",
         "negative length", "six-byte length", "not UTF-8", "a surrogate",
         "an overwritten string that is not UTF-8", "field 0", "group", "end of a group", "wire type 6", "wire type 7", "short fixed32",
         "short fixed64"],
)  # fmt: skip
def test_what_is_no_message_is_refused(message):
    """None, and never an exception, for bytes that are not such a message."""
    assert decode_consume_request(message) is None


def test_every_cut_of_a_message_is_read_or_refused():
    """A message cut anywhere never reads past its end."""
    message = encode_append_request(*APPEND)
    for end in range(len(message)):
        request = decode_append_request(message[:end])
        assert request is None or bytes(request.data) in (b"", b"hello")


def test_views_lie_in_the_message():
    """Tables and data are not copied, and keep the message alive."""
    request = decode_append_request(encode_append_request(*APPEND))
    assert request is not None
    assert request.data.obj is request.tables.obj
    assert (bytes(request.tables), bytes(request.data)) == (b"\x05\0\0\0", b"hello")
    assert request.data.readonly


def test_an_expected_offset_of_zero_is_not_none():
    """The field's presence is kept: 0 means an empty stream, none means anywhere."""
    for expected_offset in (None, 0, 2**64 - 1):
        message = encode_append_request(
            "a", 0, 0, expected_offset, b"", 0, 0, False, 0, 0, 0, b"", b"", 0
        )
        request = decode_append_request(message)
        assert request is not None
        assert request.expected_offset == expected_offset


def test_numbers_are_cut_to_their_type_as_protobuf_does():
    """A uint32 takes the low 32 bits, a bool is true for anything but zero."""
    request = decode_append_request(b"\x48\x85\x80\x80\x80\x10\x40\x02")
    assert request is not None
    assert request.record_count == 5
    assert request.seal is True


def test_data_that_somebody_looks_at_stay_as_they_are():
    """An answer is not made of them as long as a view of them is held."""
    data = ReadData(memoryview(b"xabcx")[1:4])
    view = memoryview(data)
    with pytest.raises(BufferError):
        encode_read_response(1, 2, data, 3, b"", b"", 4, 5, 6, False)
    assert (view, len(data), data) == (b"abc", 3, b"abc")
    assert view.readonly
    view.release()
    assert encode_read_response(0, 0, data, 0, b"", b"", 0, 0, 0, True) == b"\x1a\x03abc\x50\x01"
    with pytest.raises(ValueError, match="has its bytes"):
        ReadData(b"ab").__init__(b"other")


def test_any_contiguous_buffer_is_written():
    """Encoders take bytes, bytearrays, views and arrays."""
    tables = array("I", [1, 2])
    message = encode_append_request(
        "s", 1, 2, None, b"", 3, 4, False, 2, 0, 5, tables, memoryview(b"xabcx")[1:4], 6
    )
    request = decode_append_request(message)
    assert request is not None
    assert bytes(request.data) == b"abc"
    assert list(request.tables.cast("I")) == [1, 2]
    assert encode_consume_response(bytearray(b"ab")) == b"\x0a\x02ab"
    with pytest.raises(BufferError):
        encode_consume_response(memoryview(b"abcd")[::2])


@pytest.mark.parametrize(
    "change", [{1: -1}, {1: 2**64}, {3: -1}, {8: 2**32}, {10: -1}, {0: "\ud800"}]
)
def test_a_value_that_does_not_fit_is_refused(change):
    """Encoders raise rather than write another number."""
    values = list(APPEND)
    for place, value in change.items():
        values[place] = value
    with pytest.raises((OverflowError, ValueError)):
        encode_append_request(*values)


def test_answers_of_appends():
    """An append's answer survives the journey; a default is not sent."""
    assert encode_append_response(0, 0, 0, 0, False) == b""
    response = decode_append_response(encode_append_response(1, 2, 3, 4, True))
    assert response is not None
    assert (response.request, response.offset, response.next_offset) == (1, 2, 3)
    assert (response.stream_id, response.duplicate) == (4, True)


def test_a_frame_may_be_missing():
    """The Go client's empty frame is an empty view."""
    assert decode_produce_request(b"\x0a\x01a") == ("a", b"")


def test_only_bytes_are_decoded():
    """A view into something that may change is refused at the call."""
    with pytest.raises(TypeError):
        decode_consume_request(bytearray(b""))  # type: ignore[arg-type]
