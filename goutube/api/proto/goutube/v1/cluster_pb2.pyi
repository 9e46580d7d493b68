from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GossipKeyChange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GOSSIP_KEY_CHANGE_UNSPECIFIED: _ClassVar[GossipKeyChange]
    GOSSIP_KEY_CHANGE_INSTALL: _ClassVar[GossipKeyChange]
    GOSSIP_KEY_CHANGE_USE: _ClassVar[GossipKeyChange]
    GOSSIP_KEY_CHANGE_REMOVE: _ClassVar[GossipKeyChange]
GOSSIP_KEY_CHANGE_UNSPECIFIED: GossipKeyChange
GOSSIP_KEY_CHANGE_INSTALL: GossipKeyChange
GOSSIP_KEY_CHANGE_USE: GossipKeyChange
GOSSIP_KEY_CHANGE_REMOVE: GossipKeyChange

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NodeStatus(_message.Message):
    __slots__ = ("name", "rpc_address", "status", "version", "boot")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RPC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    name: str
    rpc_address: str
    status: str
    version: str
    boot: int
    def __init__(self, name: _Optional[str] = ..., rpc_address: _Optional[str] = ..., status: _Optional[str] = ..., version: _Optional[str] = ..., boot: _Optional[int] = ...) -> None: ...

class ShardStatus(_message.Message):
    __slots__ = ("shard", "leader", "replicas", "term", "last_index", "commit_index", "stream_count", "fault")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    LAST_INDEX_FIELD_NUMBER: _ClassVar[int]
    COMMIT_INDEX_FIELD_NUMBER: _ClassVar[int]
    STREAM_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    shard: int
    leader: str
    replicas: _containers.RepeatedScalarFieldContainer[str]
    term: int
    last_index: int
    commit_index: int
    stream_count: int
    fault: str
    def __init__(self, shard: _Optional[int] = ..., leader: _Optional[str] = ..., replicas: _Optional[_Iterable[str]] = ..., term: _Optional[int] = ..., last_index: _Optional[int] = ..., commit_index: _Optional[int] = ..., stream_count: _Optional[int] = ..., fault: _Optional[str] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("settled", "topology_version", "cluster_id", "nodes", "shards")
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    TOPOLOGY_VERSION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    settled: bool
    topology_version: int
    cluster_id: str
    nodes: _containers.RepeatedCompositeFieldContainer[NodeStatus]
    shards: _containers.RepeatedCompositeFieldContainer[ShardStatus]
    def __init__(self, settled: _Optional[bool] = ..., topology_version: _Optional[int] = ..., cluster_id: _Optional[str] = ..., nodes: _Optional[_Iterable[_Union[NodeStatus, _Mapping[str, object]]]] = ..., shards: _Optional[_Iterable[_Union[ShardStatus, _Mapping[str, object]]]] = ...) -> None: ...

class GetTopologyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TopologyNode(_message.Message):
    __slots__ = ("name", "tokens", "rpc_address")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    RPC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    tokens: int
    rpc_address: str
    def __init__(self, name: _Optional[str] = ..., tokens: _Optional[int] = ..., rpc_address: _Optional[str] = ...) -> None: ...

class ShardPlacement(_message.Message):
    __slots__ = ("leader", "replicas")
    LEADER_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    leader: str
    replicas: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, leader: _Optional[str] = ..., replicas: _Optional[_Iterable[str]] = ...) -> None: ...

class GetTopologyResponse(_message.Message):
    __slots__ = ("version", "hash_function", "shards", "nodes")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HASH_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    version: int
    hash_function: str
    shards: _containers.RepeatedCompositeFieldContainer[ShardPlacement]
    nodes: _containers.RepeatedCompositeFieldContainer[TopologyNode]
    def __init__(self, version: _Optional[int] = ..., hash_function: _Optional[str] = ..., shards: _Optional[_Iterable[_Union[ShardPlacement, _Mapping[str, object]]]] = ..., nodes: _Optional[_Iterable[_Union[TopologyNode, _Mapping[str, object]]]] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Member(_message.Message):
    __slots__ = ("name", "address", "rpc_address", "type", "status", "tags")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    RPC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    rpc_address: str
    type: str
    status: str
    tags: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., rpc_address: _Optional[str] = ..., type: _Optional[str] = ..., status: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("members",)
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, members: _Optional[_Iterable[_Union[Member, _Mapping[str, object]]]] = ...) -> None: ...

class WatchMembersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MemberChange(_message.Message):
    __slots__ = ("change", "member")
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    change: str
    member: Member
    def __init__(self, change: _Optional[str] = ..., member: _Optional[_Union[Member, _Mapping[str, object]]] = ...) -> None: ...

class UserEvent(_message.Message):
    __slots__ = ("name", "payload", "ltime")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    LTIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    payload: bytes
    ltime: int
    def __init__(self, name: _Optional[str] = ..., payload: _Optional[bytes] = ..., ltime: _Optional[int] = ...) -> None: ...

class WatchMembersResponse(_message.Message):
    __slots__ = ("listed", "changed", "user")
    LISTED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    listed: ListMembersResponse
    changed: MemberChange
    user: UserEvent
    def __init__(self, listed: _Optional[_Union[ListMembersResponse, _Mapping[str, object]]] = ..., changed: _Optional[_Union[MemberChange, _Mapping[str, object]]] = ..., user: _Optional[_Union[UserEvent, _Mapping[str, object]]] = ...) -> None: ...

class ListGossipKeysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GossipKeyHolder(_message.Message):
    __slots__ = ("name", "silent", "fault", "keys", "primary_key")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SILENT_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_KEY_FIELD_NUMBER: _ClassVar[int]
    name: str
    silent: bool
    fault: str
    keys: _containers.RepeatedScalarFieldContainer[str]
    primary_key: str
    def __init__(self, name: _Optional[str] = ..., silent: _Optional[bool] = ..., fault: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., primary_key: _Optional[str] = ...) -> None: ...

class ListGossipKeysResponse(_message.Message):
    __slots__ = ("holders",)
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    holders: _containers.RepeatedCompositeFieldContainer[GossipKeyHolder]
    def __init__(self, holders: _Optional[_Iterable[_Union[GossipKeyHolder, _Mapping[str, object]]]] = ...) -> None: ...

class ChangeGossipKeysRequest(_message.Message):
    __slots__ = ("change", "key")
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    change: GossipKeyChange
    key: str
    def __init__(self, change: _Optional[_Union[GossipKeyChange, str]] = ..., key: _Optional[str] = ...) -> None: ...

class ChangeGossipKeysResponse(_message.Message):
    __slots__ = ("holders",)
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    holders: _containers.RepeatedCompositeFieldContainer[GossipKeyHolder]
    def __init__(self, holders: _Optional[_Iterable[_Union[GossipKeyHolder, _Mapping[str, object]]]] = ...) -> None: ...
