from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StreamProperties(_message.Message):
    __slots__ = ("content_type", "metadata", "retention_bytes", "retention_ms")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    RETENTION_BYTES_FIELD_NUMBER: _ClassVar[int]
    RETENTION_MS_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    metadata: _containers.ScalarMap[str, str]
    retention_bytes: int
    retention_ms: int
    def __init__(self, content_type: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., retention_bytes: _Optional[int] = ..., retention_ms: _Optional[int] = ...) -> None: ...

class StreamInfo(_message.Message):
    __slots__ = ("name", "stream_id", "start_offset", "end_offset", "record_count", "sealed", "created_ms", "modified_ms", "properties", "shard")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    MODIFIED_MS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    name: str
    stream_id: int
    start_offset: int
    end_offset: int
    record_count: int
    sealed: bool
    created_ms: int
    modified_ms: int
    properties: StreamProperties
    shard: int
    def __init__(self, name: _Optional[str] = ..., stream_id: _Optional[int] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., record_count: _Optional[int] = ..., sealed: _Optional[bool] = ..., created_ms: _Optional[int] = ..., modified_ms: _Optional[int] = ..., properties: _Optional[_Union[StreamProperties, _Mapping[str, object]]] = ..., shard: _Optional[int] = ...) -> None: ...

class CreateStreamRequest(_message.Message):
    __slots__ = ("stream", "properties")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    stream: str
    properties: StreamProperties
    def __init__(self, stream: _Optional[str] = ..., properties: _Optional[_Union[StreamProperties, _Mapping[str, object]]] = ...) -> None: ...

class CreateStreamResponse(_message.Message):
    __slots__ = ("info",)
    INFO_FIELD_NUMBER: _ClassVar[int]
    info: StreamInfo
    def __init__(self, info: _Optional[_Union[StreamInfo, _Mapping[str, object]]] = ...) -> None: ...

class DescribeStreamRequest(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: str
    def __init__(self, stream: _Optional[str] = ...) -> None: ...

class DescribeStreamResponse(_message.Message):
    __slots__ = ("info",)
    INFO_FIELD_NUMBER: _ClassVar[int]
    info: StreamInfo
    def __init__(self, info: _Optional[_Union[StreamInfo, _Mapping[str, object]]] = ...) -> None: ...

class ListStreamsRequest(_message.Message):
    __slots__ = ("prefix", "page_size", "page_token")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    page_size: int
    page_token: str
    def __init__(self, prefix: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListStreamsResponse(_message.Message):
    __slots__ = ("streams", "next_page_token")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    streams: _containers.RepeatedCompositeFieldContainer[StreamInfo]
    next_page_token: str
    def __init__(self, streams: _Optional[_Iterable[_Union[StreamInfo, _Mapping[str, object]]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ChangeStreamRequest(_message.Message):
    __slots__ = ("stream", "stream_id", "properties")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    stream: str
    stream_id: int
    properties: StreamProperties
    def __init__(self, stream: _Optional[str] = ..., stream_id: _Optional[int] = ..., properties: _Optional[_Union[StreamProperties, _Mapping[str, object]]] = ...) -> None: ...

class ChangeStreamResponse(_message.Message):
    __slots__ = ("info",)
    INFO_FIELD_NUMBER: _ClassVar[int]
    info: StreamInfo
    def __init__(self, info: _Optional[_Union[StreamInfo, _Mapping[str, object]]] = ...) -> None: ...

class SealStreamRequest(_message.Message):
    __slots__ = ("stream", "stream_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    stream: str
    stream_id: int
    def __init__(self, stream: _Optional[str] = ..., stream_id: _Optional[int] = ...) -> None: ...

class SealStreamResponse(_message.Message):
    __slots__ = ("info",)
    INFO_FIELD_NUMBER: _ClassVar[int]
    info: StreamInfo
    def __init__(self, info: _Optional[_Union[StreamInfo, _Mapping[str, object]]] = ...) -> None: ...

class TrimStreamRequest(_message.Message):
    __slots__ = ("stream", "stream_id", "before")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    stream: str
    stream_id: int
    before: int
    def __init__(self, stream: _Optional[str] = ..., stream_id: _Optional[int] = ..., before: _Optional[int] = ...) -> None: ...

class TrimStreamResponse(_message.Message):
    __slots__ = ("info",)
    INFO_FIELD_NUMBER: _ClassVar[int]
    info: StreamInfo
    def __init__(self, info: _Optional[_Union[StreamInfo, _Mapping[str, object]]] = ...) -> None: ...

class DeleteStreamRequest(_message.Message):
    __slots__ = ("stream", "stream_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    stream: str
    stream_id: int
    def __init__(self, stream: _Optional[str] = ..., stream_id: _Optional[int] = ...) -> None: ...

class DeleteStreamResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
