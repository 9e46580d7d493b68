"""The messages of memberlist, the layer that tells who is alive: one type byte, then a body."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, Final

from msgspec import Struct

from goutube.errors import WireFormatError
from goutube.membership.dialect import (
    Body,
    blob,
    blob_or_none,
    count,
    flag,
    name,
    text,
    u8,
    u16,
    u32,
)

META_BYTES_MAX: Final = 512
VERSIONS: Final = bytes((1, 5, 2, 2, 5, 5))
"""Least, greatest and current version of memberlist's protocol, then of Serf's, that we speak."""


class Kind(IntEnum):
    """The first byte of a message or of a layer around messages."""

    PING = 0
    INDIRECT_PING = 1
    ACK = 2
    SUSPECT = 3
    ALIVE = 4
    DEAD = 5
    PUSH_PULL = 6
    COMPOUND = 7
    USER = 8
    COMPRESSED = 9
    ENCRYPTED = 10
    NACK = 11
    CRC = 12
    ERROR = 13
    LABEL = 244


class State(IntEnum):
    """What is held of a node, as push/pull writes it."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


def address(value: object) -> bytes:
    """An IP address of 4 or 16 bytes."""
    raw = blob(value)
    if len(raw) not in (4, 16):
        raise WireFormatError(f"an address has {len(raw)} bytes, not 4 or 16")
    return raw


def address_or_empty(value: object) -> bytes:
    """An IP address, or nothing."""
    return address(value) if value not in (None, b"") else b""


def meta(value: object) -> bytes | None:
    """Opaque bytes about a node."""
    raw = blob_or_none(value)
    if raw is not None and len(raw) > META_BYTES_MAX:
        raise WireFormatError(f"{len(raw)} bytes of meta; at most {META_BYTES_MAX} are allowed")
    return raw


class Ping(Body, frozen=True):
    """Are you there? Without ``node`` anyone answers; without a source, to where it came from."""

    KIND: ClassVar = Kind.PING
    LAYOUT: ClassVar = {
        "Node": text,
        "SeqNo": u32,
        "SourceAddr": address_or_empty,
        "SourceNode": text,
        "SourcePort": u16,
    }

    node: str
    seq_no: int
    source_addr: bytes = b""
    source_node: str = ""
    source_port: int = 0


class IndirectPing(Body, frozen=True):
    """Ping ``node`` for me, and with ``nack`` tell also when it did not answer."""

    KIND: ClassVar = Kind.INDIRECT_PING
    LAYOUT: ClassVar = {
        "Nack": flag,
        "Node": text,
        "Port": u16,
        "SeqNo": u32,
        "SourceAddr": address_or_empty,
        "SourceNode": text,
        "SourcePort": u16,
        "Target": address,
    }

    nack: bool
    node: str
    port: int
    seq_no: int
    source_addr: bytes
    source_node: str
    source_port: int
    target: bytes


class Ack(Body, frozen=True):
    """The answer to a ping of the same number; the payload is the answerer's coordinate."""

    KIND: ClassVar = Kind.ACK
    LAYOUT: ClassVar = {"Payload": blob_or_none, "SeqNo": u32}

    payload: bytes | None
    seq_no: int


class Nack(Body, frozen=True):
    """I pinged for you and got no answer."""

    KIND: ClassVar = Kind.NACK
    LAYOUT: ClassVar = {"SeqNo": u32}

    seq_no: int


class Suspect(Body, frozen=True):
    """``source`` got no answer from ``node``."""

    KIND: ClassVar = Kind.SUSPECT
    LAYOUT: ClassVar = {"From": name, "Incarnation": u32, "Node": name}

    source: str
    incarnation: int
    node: str


class Dead(Body, frozen=True):
    """``source`` holds ``node`` for dead; of itself a node says so when it leaves."""

    KIND: ClassVar = Kind.DEAD
    LAYOUT: ClassVar = {"From": name, "Incarnation": u32, "Node": name}

    source: str
    incarnation: int
    node: str


class Alive(Body, frozen=True):
    """``node`` is there; only the node itself raises the incarnation."""

    KIND: ClassVar = Kind.ALIVE
    LAYOUT: ClassVar = {
        "Addr": address,
        "Incarnation": u32,
        "Meta": meta,
        "Node": name,
        "Port": u16,
        "Vsn": blob,
    }

    addr: bytes
    incarnation: int
    meta: bytes | None
    node: str
    port: int
    versions: bytes = VERSIONS


class NodeState(Body, frozen=True):
    """One node within a push/pull."""

    LAYOUT: ClassVar = {
        "Addr": address,
        "Incarnation": u32,
        "Meta": meta,
        "Name": name,
        "Port": u16,
        "State": u8,
        "Vsn": blob,
    }

    addr: bytes
    incarnation: int
    meta: bytes | None
    node: str
    port: int
    state: int
    versions: bytes = VERSIONS


class PushPullHeader(Body, frozen=True):
    """What follows in a push/pull: so many node states, then so many bytes for Serf."""

    LAYOUT: ClassVar = {"Join": flag, "Nodes": count, "UserStateLen": count}

    join: bool
    nodes: int
    user_state_bytes: int


class StreamError(Body, frozen=True):
    """Why a stream is not answered."""

    KIND: ClassVar = Kind.ERROR
    LAYOUT: ClassVar = {"Error": text}

    text: str


class User(Struct, frozen=True):
    """A message of the layer above."""

    payload: bytes


class PushPull(Struct, frozen=True):
    """All that one side knows: sent first by who asks, then by who was asked."""

    join: bool
    nodes: tuple[NodeState, ...]
    user_state: bytes


Message = Ping | IndirectPing | Ack | Nack | Suspect | Dead | Alive | User
"""What a datagram carries, once its layers are off."""

_BODIES: Final = {body.KIND: body for body in (Ping, IndirectPing, Ack, Nack, Suspect, Dead, Alive)}


def encode_message(message: Message | StreamError) -> bytes:
    """The message on the wire, with its type byte."""
    if isinstance(message, User):
        return bytes((Kind.USER,)) + message.payload
    return bytes((message.KIND,)) + message.encode()


def decode_message(command: bytes) -> Message:
    """Read one message; bytes behind it are ignored.

    Raises:
        WireFormatError: it is none, or one that has no place in a datagram.
    """
    if not command:
        raise WireFormatError("a message has no bytes")
    if command[0] == Kind.USER:
        return User(command[1:])
    try:
        body = _BODIES[Kind(command[0])]
    except (ValueError, KeyError):
        raise WireFormatError(f"a datagram holds no message of type {command[0]}") from None
    return body.decode(command[1:])


def encode_push_pull(exchange: PushPull) -> bytes:
    """A push/pull as one run of bytes, before the layers of the stream."""
    header = PushPullHeader(exchange.join, len(exchange.nodes), len(exchange.user_state))
    states = b"".join(state.encode() for state in exchange.nodes)
    return bytes((Kind.PUSH_PULL,)) + header.encode() + states + exchange.user_state
