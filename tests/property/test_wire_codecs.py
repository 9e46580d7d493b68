"""The compiled codecs of the hot messages read and write what protobuf's own classes do."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from goutube import _native as native
from goutube.api import stream_pb2, streaming_pb2

UNHURRIED = settings(deadline=None)
U32 = st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1))
U64 = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))
TEXT = st.text(max_size=40)
BYTES = st.binary(max_size=60)

APPEND_REQUEST = {
    "stream": TEXT,
    "stream_id": U64,
    "request": U64,
    "expected_offset": st.none() | U64,
    "producer_id": BYTES,
    "producer_epoch": U32,
    "sequence": U64,
    "seal": st.booleans(),
    "record_count": U32,
    "flags": U32,
    "checksum": U32,
    "tables": BYTES,
    "data": BYTES,
    "producer_time_ms": U64,
}
APPEND_RESPONSE = {
    "request": U64,
    "offset": U64,
    "next_offset": U64,
    "stream_id": U64,
    "duplicate": st.booleans(),
}
READ_RESPONSE = {
    "stream_id": U64,
    "offset": U64,
    "data": BYTES,
    "checksum": U32,
    "lengths": BYTES,
    "timestamps": BYTES,
    "ordinal": U64,
    "next_offset": U64,
    "end_offset": U64,
    "end_of_stream": st.booleans(),
}
PRODUCE_REQUEST = {"point": TEXT, "frame": BYTES}
CONSUME_REQUEST = {"point": TEXT, "offset": U64, "limit": U64, "chunk_size": U64}

DECODED = [
    (stream_pb2.AppendRequest, native.decode_append_request, APPEND_REQUEST),
    (stream_pb2.AppendResponse, native.decode_append_response, APPEND_RESPONSE),
    (stream_pb2.ReadResponse, native.decode_read_response, READ_RESPONSE),
    (streaming_pb2.ProduceRequest, native.decode_produce_request, PRODUCE_REQUEST),
    (streaming_pb2.ConsumeRequest, native.decode_consume_request, CONSUME_REQUEST),
]
ENCODED = [
    (stream_pb2.AppendRequest, native.encode_append_request, APPEND_REQUEST),
    (stream_pb2.AppendResponse, native.encode_append_response, APPEND_RESPONSE),
    (streaming_pb2.ConsumeResponse, native.encode_consume_response, {"frame": BYTES}),
]


def _name(value):
    return getattr(value, "__name__", "")


def _of_protobuf(message, names):
    return {
        name: None
        if name == "expected_offset" and not message.HasField(name)
        else getattr(message, name)
        for name in names
    }


def _of_ours(decoded, names):
    if isinstance(decoded, tuple):
        values = dict(zip(names, decoded, strict=True))
    else:
        values = {name: getattr(decoded, name) for name in names}
    return {
        name: bytes(value) if isinstance(value, memoryview) else value
        for name, value in values.items()
    }


def _parse(message_class, message):
    try:
        return message_class.FromString(message)
    except DecodeError:
        return None


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@st.composite
def _field(draw):
    """One field with any number up to 20 and any wire type, its content well formed or not."""
    number = draw(st.integers(0, 20) | st.integers(0, 2**29 + 1))
    wire_type = draw(st.sampled_from([0, 0, 0, 1, 2, 2, 2, 5, 5, 3, 4, 6, 7]))
    tag = _varint(number << 3 | wire_type)
    if wire_type == 0:
        return tag + draw(U64.map(_varint) | st.binary(min_size=1, max_size=11))
    if wire_type == 2:
        content = draw(BYTES | TEXT.map(str.encode))
        length = draw(st.just(len(content)) | st.just(len(content)) | U64)
        return tag + _varint(length) + content
    return tag + draw(st.binary(min_size=4, max_size=8) if wire_type == 5 else BYTES)


@st.composite
def _mutated(draw, message_class, fields):
    """A message with a few of its bytes changed, dropped or doubled."""
    values = draw(st.fixed_dictionaries(fields))
    message = bytearray(message_class(**values).SerializeToString())
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(message)))
        cut = draw(st.integers(0, 2))
        message[place : place + cut] = draw(st.binary(max_size=3))
    return bytes(message)


def _judge_alike(message_class, decode, fields, message):
    """Equal values where protobuf reads the message; None where it does not.

    The one difference: groups, which no message of ours has, are refused and not stepped over.
    """
    expected = _parse(message_class, message)
    decoded = decode(message)
    if decoded is not None:
        assert expected is not None
        assert _of_ours(decoded, fields) == _of_protobuf(expected, fields)
    elif expected is not None:
        assert _has_group(message)


def _has_group(message):
    """Whether a well-formed message has a group at its outermost level."""
    place = 0

    def varint():
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(message):
        wire_type = varint() & 7
        if wire_type == 3:
            return True
        if wire_type == 0:
            varint()
        elif wire_type == 2:
            length = varint()
            place += length
        else:
            place += {1: 8, 5: 4}[wire_type]
    return False


@pytest.mark.parametrize(("message_class", "decode", "fields"), DECODED, ids=_name)
def test_what_protobuf_writes_is_read(message_class, decode, fields):
    """Every value that protobuf serializes comes out of our decoder."""

    @UNHURRIED
    @given(st.fixed_dictionaries(fields))
    def holds(values):
        decoded = decode(message_class(**values).SerializeToString())
        assert decoded is not None
        assert _of_ours(decoded, fields) == values

    holds()


@pytest.mark.parametrize(("message_class", "encode", "fields"), ENCODED, ids=_name)
def test_what_we_write_is_protobufs_own_bytes(message_class, encode, fields):
    """Our encoder's bytes are protobuf's, field order and left-out defaults included."""

    @UNHURRIED
    @given(st.fixed_dictionaries(fields))
    def holds(values):
        message = encode(*(values[name] for name in fields))
        assert message == message_class(**values).SerializeToString(deterministic=True)

    holds()


@UNHURRIED
@given(
    st.fixed_dictionaries(READ_RESPONSE),
    st.sampled_from([1, 127, 128, 16_383, 16_384, 70_000]) | st.none(),
)
def test_an_answer_made_of_its_data_is_read_by_protobuf(values, size):
    """The data come first, then protobuf's own bytes of all other fields; and nothing twice."""
    if size is not None:
        values["data"] = bytes(range(256)) * (size // 256) + bytes(size % 256)
    data = native.ReadData(values["data"])
    arguments = [data if name == "data" else values[name] for name in READ_RESPONSE]
    message = native.encode_read_response(*arguments)
    assert _of_protobuf(stream_pb2.ReadResponse.FromString(message), values) == values
    assert _of_ours(native.decode_read_response(message), values) == values
    first = stream_pb2.ReadResponse(data=values["data"]).SerializeToString()
    others = stream_pb2.ReadResponse(**{**values, "data": b""})
    assert message == first + others.SerializeToString(deterministic=True)
    with pytest.raises(BufferError):
        native.encode_read_response(*arguments)
    with pytest.raises(BufferError):
        memoryview(data)


@pytest.mark.parametrize(("message_class", "decode", "fields"), DECODED, ids=_name)
def test_any_fields_are_judged_as_protobuf_judges_them(message_class, decode, fields):
    """Unknown, repeated, mistyped and broken fields: the same verdict, the same values."""

    @UNHURRIED
    @given(st.lists(_field(), max_size=8).map(b"".join))
    def holds(message):
        _judge_alike(message_class, decode, fields, message)

    holds()


@pytest.mark.parametrize(("message_class", "decode", "fields"), DECODED, ids=_name)
def test_changed_bytes_are_judged_as_protobuf_judges_them(message_class, decode, fields):
    """A message with some bytes changed: the same verdict, the same values."""

    @UNHURRIED
    @given(_mutated(message_class, fields))
    def holds(message):
        _judge_alike(message_class, decode, fields, message)

    holds()


@pytest.mark.parametrize(("message_class", "decode", "fields"), DECODED, ids=_name)
def test_any_bytes_are_judged_as_protobuf_judges_them(message_class, decode, fields):
    """Plain noise never crashes and gets the same verdict."""

    @UNHURRIED
    @given(st.binary(max_size=80))
    def holds(message):
        _judge_alike(message_class, decode, fields, message)

    holds()


@UNHURRIED
@given(st.binary(max_size=12))
def test_utf8_is_what_python_says_it_is(name):
    """A name is read exactly where Python's strict decoder reads it."""
    message = b"\x0a" + bytes([len(name)]) + name
    decoded = native.decode_produce_request(message)
    try:
        expected = name.decode()
    except UnicodeDecodeError:
        assert decoded is None
    else:
        assert decoded is not None
        assert decoded[0] == expected
