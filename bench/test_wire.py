"""The codecs of the hot messages beside protobuf's own classes (upb, in C).

A message becomes values, or values a message, and nothing else; the two sides are compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from goutube._native import (
    ReadData,
    decode_append_request,
    decode_append_response,
    decode_produce_request,
    decode_read_response,
    encode_append_request,
    encode_append_response,
    encode_consume_response,
    encode_read_response,
)
from goutube.api import stream_pb2, streaming_pb2
from goutube.limits import KIB

DATA = random.Random(3).randbytes(64 * KIB)
TABLES = random.Random(4).randbytes(256)
NAME, PRODUCER = "videos/camera-1", b"p" * 16
SIZES = [100, 64 * KIB]

Codec = Callable[..., Any]


def append_request(data: bytes) -> bytes:
    """An append by protobuf."""
    return stream_pb2.AppendRequest(
        stream=NAME, request=7, producer_id=PRODUCER, producer_epoch=3, sequence=900,
        record_count=64, checksum=0xE3069283, tables=TABLES, data=data,
    ).SerializeToString()  # fmt: skip


def read_response(data: bytes) -> bytes:
    """An answer to a read by protobuf."""
    return stream_pb2.ReadResponse(
        stream_id=9, offset=1000, data=data, checksum=0xE3069283, lengths=TABLES, timestamps=TABLES,
        ordinal=5, next_offset=1000 + len(data), end_offset=1 << 40,
    ).SerializeToString()  # fmt: skip


DECODERS: dict[str, tuple[Codec, Codec, Callable[[bytes], bytes]]] = {
    "AppendRequest": (
        decode_append_request,
        stream_pb2.AppendRequest.FromString,
        append_request,
    ),
    "AppendResponse": (
        decode_append_response,
        stream_pb2.AppendResponse.FromString,
        lambda _: encode_append_response(7, 1 << 30, 1 << 31, 9, duplicate=False),
    ),
    "ReadResponse": (decode_read_response, stream_pb2.ReadResponse.FromString, read_response),
    "ProduceRequest": (
        decode_produce_request,
        streaming_pb2.ProduceRequest.FromString,
        lambda data: streaming_pb2.ProduceRequest(point=NAME, frame=data).SerializeToString(),
    ),
}

ENCODERS: dict[str, tuple[Codec, Codec]] = {
    "AppendRequest": (
        lambda data: encode_append_request(
            NAME, 0, 7, None, PRODUCER, 3, 900, False, 64, 0, 0xE3069283, TABLES, data, 0
        ),
        append_request,
    ),
    "AppendResponse": (
        lambda _: encode_append_response(7, 1 << 30, 1 << 31, 9, duplicate=False),
        lambda _: stream_pb2.AppendResponse(
            request=7, offset=1 << 30, next_offset=1 << 31, stream_id=9
        ).SerializeToString(),
    ),
    "ReadResponse": (
        lambda data: encode_read_response(
            9, 1000, ReadData(data), 0xE3069283, TABLES, TABLES, 5, 1000 + len(data), 1 << 40, False
        ),
        read_response,
    ),
    "ConsumeResponse": (
        encode_consume_response,
        lambda data: streaming_pb2.ConsumeResponse(frame=data).SerializeToString(),
    ),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("message", DECODERS)
@pytest.mark.parametrize("rival", ["goutube", "protobuf"])
def test_decode(benchmark, rival, message, size):
    """A message into values."""
    ours, theirs, make = DECODERS[message]
    wire = make(DATA[:size])
    found = benchmark(ours if rival == "goutube" else theirs, wire)
    if isinstance(found, tuple):
        assert (found[0], bytes(found[1])) == (NAME, DATA[:size])
    else:
        again = theirs(wire)
        for field in again.DESCRIPTOR.fields:
            value = getattr(found, field.name)
            value = bytes(value) if isinstance(value, memoryview) else value
            assert value == getattr(again, field.name) or not again.HasField(field.name)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("message", ENCODERS)
@pytest.mark.parametrize("rival", ["goutube", "protobuf"])
def test_encode(benchmark, rival, message, size):
    """Values into a message."""
    ours, theirs = ENCODERS[message]
    made = benchmark(ours if rival == "goutube" else theirs, DATA[:size])
    kind = getattr(stream_pb2, message, None) or getattr(streaming_pb2, message)
    assert kind.FromString(bytes(made)) == kind.FromString(theirs(DATA[:size]))
