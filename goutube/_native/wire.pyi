from typing import final

from typing_extensions import Buffer

@final
class AppendRequest:
    """goutube.v1.AppendRequest; ``tables`` and ``data`` are views into the message."""

    stream: str
    stream_id: int
    request: int
    expected_offset: int | None
    producer_id: bytes
    producer_epoch: int
    sequence: int
    seal: bool
    record_count: int
    flags: int
    checksum: int
    tables: memoryview
    data: memoryview
    producer_time_ms: int

@final
class AppendResponse:
    """goutube.v1.AppendResponse."""

    request: int
    offset: int
    next_offset: int
    stream_id: int
    duplicate: bool

@final
class ReadResponse:
    """goutube.v1.ReadResponse; ``data``, ``lengths``, ``timestamps`` are views into the message."""

    stream_id: int
    offset: int
    data: memoryview
    checksum: int
    lengths: memoryview
    timestamps: memoryview
    ordinal: int
    next_offset: int
    end_offset: int
    end_of_stream: bool

def decode_append_request(message: bytes) -> AppendRequest | None:
    """None when the bytes are not such a message (cut short, bad length or tag, name not UTF-8).

    As protobuf does: fields that are unknown, or known under another wire type, are stepped over, of
    a repeated one the last counts, and numbers are cut to their type. Unlike protobuf, a message with
    a group in it is refused. This holds for all decoders here.
    """

def encode_append_request(
    stream: str,
    stream_id: int,
    request: int,
    expected_offset: int | None,
    producer_id: bytes,
    producer_epoch: int,
    sequence: int,
    seal: bool,
    record_count: int,
    flags: int,
    checksum: int,
    tables: Buffer,
    data: Buffer,
    producer_time_ms: int,
) -> bytes:
    """The message as protobuf would write it; this holds for all encoders here.

    Raises:
        ValueError, OverflowError: a value that does not fit its field.
    """

def decode_append_response(message: bytes) -> AppendResponse | None: ...
def encode_append_response(
    request: int, offset: int, next_offset: int, stream_id: int, duplicate: bool
) -> bytes: ...
def decode_read_response(message: bytes) -> ReadResponse | None: ...
def decode_produce_request(message: bytes) -> tuple[str, memoryview] | None:
    """(point, frame) of streaming.v1.ProduceRequest."""

def decode_consume_request(message: bytes) -> tuple[str, int, int, int] | None:
    """(point, offset, limit, chunk_size) of streaming.v1.ConsumeRequest."""

def encode_consume_response(frame: Buffer) -> bytes:
    """streaming.v1.ConsumeResponse."""
