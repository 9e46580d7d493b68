from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class AppendRequest(_message.Message):
    __slots__ = ("stream", "stream_id", "request", "expected_offset", "producer_id", "producer_epoch", "sequence", "seal", "record_count", "flags", "checksum", "tables", "data", "producer_time_ms")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_OFFSET_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    TABLES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    stream: str
    stream_id: int
    request: int
    expected_offset: int
    producer_id: bytes
    producer_epoch: int
    sequence: int
    seal: bool
    record_count: int
    flags: int
    checksum: int
    tables: bytes
    data: bytes
    producer_time_ms: int
    def __init__(self, stream: _Optional[str] = ..., stream_id: _Optional[int] = ..., request: _Optional[int] = ..., expected_offset: _Optional[int] = ..., producer_id: _Optional[bytes] = ..., producer_epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., seal: _Optional[bool] = ..., record_count: _Optional[int] = ..., flags: _Optional[int] = ..., checksum: _Optional[int] = ..., tables: _Optional[bytes] = ..., data: _Optional[bytes] = ..., producer_time_ms: _Optional[int] = ...) -> None: ...

class AppendResponse(_message.Message):
    __slots__ = ("request", "offset", "next_offset", "stream_id", "duplicate")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    request: int
    offset: int
    next_offset: int
    stream_id: int
    duplicate: bool
    def __init__(self, request: _Optional[int] = ..., offset: _Optional[int] = ..., next_offset: _Optional[int] = ..., stream_id: _Optional[int] = ..., duplicate: _Optional[bool] = ...) -> None: ...

class ReadRequest(_message.Message):
    __slots__ = ("stream", "stream_id", "offset", "earliest", "latest", "timestamp_ms", "last_bytes", "last_records", "limit", "records", "follow", "bytes_max")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    EARLIEST_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_BYTES_FIELD_NUMBER: _ClassVar[int]
    LAST_RECORDS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    stream: str
    stream_id: int
    offset: int
    earliest: bool
    latest: bool
    timestamp_ms: int
    last_bytes: int
    last_records: int
    limit: int
    records: bool
    follow: bool
    bytes_max: int
    def __init__(self, stream: _Optional[str] = ..., stream_id: _Optional[int] = ..., offset: _Optional[int] = ..., earliest: _Optional[bool] = ..., latest: _Optional[bool] = ..., timestamp_ms: _Optional[int] = ..., last_bytes: _Optional[int] = ..., last_records: _Optional[int] = ..., limit: _Optional[int] = ..., records: _Optional[bool] = ..., follow: _Optional[bool] = ..., bytes_max: _Optional[int] = ...) -> None: ...

class ReadResponse(_message.Message):
    __slots__ = ("stream_id", "offset", "data", "checksum", "lengths", "timestamps", "ordinal", "next_offset", "end_offset", "end_of_stream")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    ORDINAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OF_STREAM_FIELD_NUMBER: _ClassVar[int]
    stream_id: int
    offset: int
    data: bytes
    checksum: int
    lengths: bytes
    timestamps: bytes
    ordinal: int
    next_offset: int
    end_offset: int
    end_of_stream: bool
    def __init__(self, stream_id: _Optional[int] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., checksum: _Optional[int] = ..., lengths: _Optional[bytes] = ..., timestamps: _Optional[bytes] = ..., ordinal: _Optional[int] = ..., next_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., end_of_stream: _Optional[bool] = ...) -> None: ...
