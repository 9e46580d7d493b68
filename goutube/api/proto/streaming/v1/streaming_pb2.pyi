from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProduceRequest(_message.Message):
    __slots__ = ("point", "frame")
    POINT_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    point: str
    frame: bytes
    def __init__(self, point: _Optional[str] = ..., frame: _Optional[bytes] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("point", "offset")
    POINT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    point: str
    offset: int
    def __init__(self, point: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class ProduceResponse(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[Record]
    def __init__(self, records: _Optional[_Iterable[_Union[Record, _Mapping[str, object]]]] = ...) -> None: ...

class ConsumeRequest(_message.Message):
    __slots__ = ("point", "offset", "limit", "chunk_size")
    POINT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SIZE_FIELD_NUMBER: _ClassVar[int]
    point: str
    offset: int
    limit: int
    chunk_size: int
    def __init__(self, point: _Optional[str] = ..., offset: _Optional[int] = ..., limit: _Optional[int] = ..., chunk_size: _Optional[int] = ...) -> None: ...

class ConsumeResponse(_message.Message):
    __slots__ = ("frame",)
    FRAME_FIELD_NUMBER: _ClassVar[int]
    frame: bytes
    def __init__(self, frame: _Optional[bytes] = ...) -> None: ...

class MetadataRequest(_message.Message):
    __slots__ = ("point",)
    POINT_FIELD_NUMBER: _ClassVar[int]
    point: str
    def __init__(self, point: _Optional[str] = ...) -> None: ...

class MetadataResponse(_message.Message):
    __slots__ = ("workers", "size")
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedScalarFieldContainer[str]
    size: int
    def __init__(self, workers: _Optional[_Iterable[str]] = ..., size: _Optional[int] = ...) -> None: ...

class GetServersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Server(_message.Message):
    __slots__ = ("rpc_addr",)
    RPC_ADDR_FIELD_NUMBER: _ClassVar[int]
    rpc_addr: str
    def __init__(self, rpc_addr: _Optional[str] = ...) -> None: ...

class GetServersResponse(_message.Message):
    __slots__ = ("servers",)
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    servers: _containers.RepeatedCompositeFieldContainer[Server]
    def __init__(self, servers: _Optional[_Iterable[_Union[Server, _Mapping[str, object]]]] = ...) -> None: ...

class GetFollowersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetFollowersResponse(_message.Message):
    __slots__ = ("servers",)
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    servers: _containers.RepeatedCompositeFieldContainer[Server]
    def __init__(self, servers: _Optional[_Iterable[_Union[Server, _Mapping[str, object]]]] = ...) -> None: ...
