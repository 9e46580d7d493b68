"""The messages of Serf, which memberlist carries as user messages and the tail of a push/pull."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, Final, cast

from msgspec import Struct

from goutube.errors import WireFormatError
from goutube.membership.dialect import (
    Body,
    blob,
    blob_or_none,
    flag,
    i64,
    list_of,
    list_or_none,
    map_of,
    name,
    pack,
    text,
    u8,
    u16,
    u32,
    u64,
    unpack,
)
from goutube.membership.messages import META_BYTES_MAX, address, address_or_empty

_TAGS_MAGIC: Final = 0xFF


class SerfKind(IntEnum):
    """The first byte of a Serf message."""

    LEAVE = 0
    JOIN = 1
    PUSH_PULL = 2
    USER_EVENT = 3
    QUERY = 4
    QUERY_RESPONSE = 5
    CONFLICT_RESPONSE = 6
    KEY_REQUEST = 7
    KEY_RESPONSE = 8
    RELAY = 9


class LeaveIntent(Body, frozen=True):
    """``node`` is about to leave, or an operator takes it off the list."""

    KIND: ClassVar = SerfKind.LEAVE
    LAYOUT: ClassVar = {"LTime": u64, "Node": name, "Prune": flag}

    ltime: int
    node: str
    prune: bool = False


class JoinIntent(Body, frozen=True):
    """``node`` has come, at this time of the members' clock."""

    KIND: ClassVar = SerfKind.JOIN
    LAYOUT: ClassVar = {"LTime": u64, "Node": name}

    ltime: int
    node: str


class UserEvent(Body, frozen=True):
    """Something an operator or program told the whole cluster."""

    KIND: ClassVar = SerfKind.USER_EVENT
    LAYOUT: ClassVar = {"CC": flag, "LTime": u64, "Name": text, "Payload": blob_or_none}

    coalesce: bool
    ltime: int
    name: str
    payload: bytes | None


class PastEvent(Body, frozen=True):
    """A user event within a push/pull."""

    LAYOUT: ClassVar = {"Name": text, "Payload": blob_or_none}

    name: str
    payload: bytes | None


class PastEvents(Body, frozen=True):
    """The user events of one time."""

    LAYOUT: ClassVar = {"Events": list_of(PastEvent.from_value), "LTime": u64}

    events: tuple[PastEvent, ...]
    ltime: int


class SerfState(Body, frozen=True):
    """What Serf adds to a push/pull; empty slots of the events are left out."""

    KIND: ClassVar = SerfKind.PUSH_PULL
    LAYOUT: ClassVar = {
        "EventLTime": u64,
        "Events": list_of(lambda value: None if value is None else PastEvents.from_value(value)),
        "LTime": u64,
        "LeftMembers": list_of(name),
        "QueryLTime": u64,
        "StatusLTimes": map_of(u64),
    }

    event_ltime: int
    events: tuple[PastEvents | None, ...]
    ltime: int
    left_members: tuple[str, ...]
    query_ltime: int
    status_ltimes: dict[str, int]


class Query(Body, frozen=True):
    """A question to the cluster, answered straight to ``addr:port``."""

    KIND: ClassVar = SerfKind.QUERY
    LAYOUT: ClassVar = {
        "Addr": address,
        "Filters": list_or_none(blob),
        "Flags": u32,
        "ID": u32,
        "LTime": u64,
        "Name": text,
        "Payload": blob_or_none,
        "Port": u16,
        "RelayFactor": u8,
        "SourceNode": text,
        "Timeout": i64,
    }
    ACK_WANTED: ClassVar = 1
    NO_BROADCAST: ClassVar = 2

    addr: bytes
    filters: tuple[bytes, ...] | None
    flags: int
    number: int
    ltime: int
    name: str
    payload: bytes | None
    port: int
    relay_factor: int
    source_node: str
    timeout_ns: int


class TagFilter(Body, frozen=True):
    """Only nodes whose tag matches a regular expression."""

    LAYOUT: ClassVar = {"Expr": text, "Tag": text}

    pattern: str
    tag: str


class QueryResponse(Body, frozen=True):
    """An answer to a query, or with flag 1 the word that it came."""

    KIND: ClassVar = SerfKind.QUERY_RESPONSE
    LAYOUT: ClassVar = {
        "Flags": u32,
        "From": name,
        "ID": u32,
        "LTime": u64,
        "Payload": blob_or_none,
    }
    ACK: ClassVar = 1

    flags: int
    source: str
    number: int
    ltime: int
    payload: bytes | None


class UdpAddress(Body, frozen=True):
    """Where a relayed message goes."""

    LAYOUT: ClassVar = {"IP": address, "Port": u16, "Zone": text}

    ip: bytes
    port: int
    zone: str = ""


class RelayHeader(Body, frozen=True):
    """Whom a relayed message is for."""

    LAYOUT: ClassVar = {"DestAddr": UdpAddress.from_value, "DestName": text}

    target: UdpAddress
    target_name: str


class Relay(Struct, frozen=True):
    """Pass ``inner``, a Serf message, on."""

    header: RelayHeader
    inner: bytes


class MemberRecord(Body, frozen=True):
    """What a node holds of a name, as the answer to a conflict tells it."""

    LAYOUT: ClassVar = {
        "Addr": address_or_empty,
        "DelegateCur": u8,
        "DelegateMax": u8,
        "DelegateMin": u8,
        "Name": text,
        "Port": u16,
        "ProtocolCur": u8,
        "ProtocolMax": u8,
        "ProtocolMin": u8,
        "Status": u8,
        "Tags": map_of(text),
    }

    addr: bytes
    delegate_cur: int
    delegate_max: int
    delegate_min: int
    name: str
    port: int
    protocol_cur: int
    protocol_max: int
    protocol_min: int
    status: int
    tags: dict[str, str]


class KeyRequest(Body, frozen=True):
    """The payload of the queries about gossip keys."""

    LAYOUT: ClassVar = {"Key": blob}

    key: bytes


class KeyResponse(Body, frozen=True):
    """The answer to them; keys are in base64."""

    LAYOUT: ClassVar = {
        "Keys": list_or_none(text),
        "Message": text,
        "PrimaryKey": text,
        "Result": flag,
    }

    keys: tuple[str, ...] | None
    message: str
    primary_key: str
    result: bool


SerfMessage = LeaveIntent | JoinIntent | UserEvent | Query | QueryResponse | Relay

_GOSSIPED: Final = {
    body.KIND: body for body in (LeaveIntent, JoinIntent, UserEvent, Query, QueryResponse)
}


def encode_serf(message: SerfMessage | SerfState) -> bytes:
    """The Serf message on the wire, with its type byte."""
    if isinstance(message, Relay):
        return bytes((SerfKind.RELAY,)) + message.header.encode() + message.inner
    return bytes((message.KIND,)) + message.encode()


def decode_serf(data: bytes) -> SerfMessage:
    """Read a Serf message out of a user message.

    Raises:
        WireFormatError: it is none, or one that has its place elsewhere.
    """
    if not data:
        raise WireFormatError("a Serf message has no bytes")
    if data[0] == SerfKind.RELAY:
        value, end = unpack(data[1:])
        return Relay(RelayHeader.from_value(value), data[1 + end :])
    try:
        body = _GOSSIPED[SerfKind(data[0])]
    except (ValueError, KeyError):
        raise WireFormatError(f"no Serf message of type {data[0]} is gossiped") from None
    return cast("SerfMessage", body.decode(data[1:]))


def decode_serf_state(data: bytes) -> SerfState | None:
    """Read Serf's part of a push/pull; None where a peer has none."""
    return SerfState.decode(_behind(SerfKind.PUSH_PULL, data)) if data else None


def encode_payload(kind: SerfKind, body: Body | None) -> bytes:
    """The payload of an internal query or of its answer."""
    return bytes((kind,)) + (pack(None) if body is None else body.encode())


def decode_member_record(payload: bytes) -> MemberRecord | None:
    """Read an answer to a conflict; None: the node does not know the name."""
    value, _ = unpack(_behind(SerfKind.CONFLICT_RESPONSE, payload))
    return None if value is None else MemberRecord.from_value(value)


def decode_key_request(payload: bytes) -> KeyRequest:
    """Read the payload of a query about keys."""
    return KeyRequest.decode(_behind(SerfKind.KEY_REQUEST, payload))


def decode_key_response(payload: bytes) -> KeyResponse:
    """Read an answer to a query about keys."""
    return KeyResponse.decode(_behind(SerfKind.KEY_RESPONSE, payload))


def _behind(kind: int, data: bytes) -> bytes:
    if data[:1] != bytes((kind,)):
        raise WireFormatError(f"starts with {data[:1].hex() or 'nothing'}, not with {kind:02x}")
    return data[1:]


def encode_tags(tags: dict[str, str]) -> bytes:
    """Tags as a node's meta.

    Raises:
        WireFormatError: they are longer than every agent accepts.
    """
    raw = bytes((_TAGS_MAGIC,)) + pack(tags)
    if len(raw) > META_BYTES_MAX:
        raise WireFormatError(f"tags take {len(raw)} bytes; at most {META_BYTES_MAX} are allowed")
    return raw


def decode_tags(meta: bytes | None) -> dict[str, str]:
    """Tags of a node's meta; what old agents write there is the tag ``role``.

    Raises:
        WireFormatError: it says that it is tags, and is not.
    """
    if not meta:
        return {}
    if meta[0] != _TAGS_MAGIC:
        return {"role": text(meta)}
    tags: dict[str, str] = map_of(text)(unpack(meta[1:])[0])
    return tags
