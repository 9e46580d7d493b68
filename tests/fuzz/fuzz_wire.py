"""Coverage-guided: every decoder reads what protobuf reads, and nothing crashes.

``python -m tests.fuzz.fuzz_wire -max_total_time=60``; any libFuzzer option, or files to repeat.
"""

from __future__ import annotations

import sys

import atheris
from google.protobuf.message import DecodeError

from goutube import _native as native
from goutube.api import stream_pb2, streaming_pb2

DECODERS = (
    (native.decode_append_request, stream_pb2.AppendRequest),
    (native.decode_append_response, stream_pb2.AppendResponse),
    (native.decode_read_response, stream_pb2.ReadResponse),
    (native.decode_produce_request, streaming_pb2.ProduceRequest),
    (native.decode_consume_request, streaming_pb2.ConsumeRequest),
)


def judge(message: bytes) -> None:
    """Read a message with every decoder, and again what was written of it."""
    for decode, message_class in DECODERS:
        decoded = decode(message)
        try:
            expected = message_class.FromString(message)
        except DecodeError:
            assert decoded is None, message_class.DESCRIPTOR.name
            continue
        names = [field.name for field in message_class.DESCRIPTOR.fields]
        if decoded is not None:
            _compare(decoded, expected, names)
        again = decode(_without_unknown(expected))
        assert again is not None
        _compare(again, expected, names)


def _without_unknown(message) -> bytes:
    message.DiscardUnknownFields()
    return message.SerializeToString()


def _compare(decoded, expected, names) -> None:
    for number, name in enumerate(names):
        value = decoded[number] if isinstance(decoded, tuple) else getattr(decoded, name)
        wanted = getattr(expected, name)
        if value is None:
            assert not expected.HasField(name), name
        elif isinstance(value, memoryview):
            assert value.tobytes() == wanted, name
        else:
            assert value == wanted, name


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()
