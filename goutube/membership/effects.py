"""What comes out of the machine: packets, streams to open, and events for the rest of the node."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

from msgspec import Struct

from goutube.membership.stream import StreamMessage

_MAPPED = bytes(10) + b"\xff\xff"


class Endpoint(NamedTuple):
    """An IP address of 4 or 16 bytes, kept as it came, and a port."""

    addr: bytes
    port: int

    def plain(self) -> Endpoint:
        """The same place, an IPv4 address always in 4 bytes."""
        mapped = len(self.addr) == 16 and self.addr.startswith(_MAPPED)
        return Endpoint(self.addr[12:], self.port) if mapped else self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        addr = self.plain().addr
        return addr[0] == 127 if len(addr) == 4 else addr == bytes(15) + b"\x01"


class Status(IntEnum):
    """How a member is, as Serf numbers it."""

    NONE = 0
    ALIVE = 1
    LEAVING = 2
    LEFT = 3
    FAILED = 4


class Member(Struct, frozen=True):
    """One process that gossip knows."""

    name: str
    endpoint: Endpoint
    tags: dict[str, str]
    status: Status
    versions: bytes
    status_ltime: int = 0
    since_ms: int = 0
    """When the status was taken, in the machine's time."""


class Change(StrEnum):
    """What happened to a member."""

    JOINED = "joined"
    UPDATED = "updated"
    FAILED = "failed"
    LEFT = "left"
    REAPED = "reaped"


class MemberChanged(Struct, frozen=True):
    """A member came, changed or went."""

    change: Change
    member: Member


class EventSeen(Struct, frozen=True):
    """A user event reached us, once."""

    name: str
    payload: bytes
    ltime: int


class QuerySeen(Struct, frozen=True):
    """A query that is not Serf's own reached us."""

    name: str
    payload: bytes
    source: str


class Refused(Struct, frozen=True):
    """Somebody is not let in; nothing of what he said was taken."""

    name: str
    endpoint: Endpoint
    reason: str


class NameInUse(Struct, frozen=True):
    """Another live process has a name; ours, if it is our own (``own``): then we must go."""

    name: str
    holder: Endpoint
    other: Endpoint
    own: bool


class Joined(Struct, frozen=True):
    """A peer has us on its list, alive and at our address."""

    peer: Endpoint
    members: int


class JoinFailed(Struct, frozen=True):
    """A peer did not answer, or does not list us; ``reason`` says which."""

    peer: Endpoint
    reason: str


class HealthChanged(Struct, frozen=True):
    """How slow this node finds itself: 0 is well, the greatest score judges eight times slower."""

    score: int


class KeysChanged(Struct, frozen=True):
    """The keyring was changed by an operator of the cluster.

    The one who asked for it waits for ``Membership.keys_kept`` with its number.
    """

    keys: tuple[bytes, ...]
    number: int


class LeaveDone(Struct, frozen=True):
    """All is said; the process may end."""


Event = (
    MemberChanged
    | EventSeen
    | QuerySeen
    | Refused
    | NameInUse
    | Joined
    | JoinFailed
    | HealthChanged
    | KeysChanged
    | LeaveDone
)


class Send(Struct, frozen=True):
    """Send a command as one datagram; with ``checksum`` the receiver reads one."""

    to: Endpoint
    command: bytes
    checksum: bool = False


class Dial(Struct, frozen=True):
    """Open a stream, send the message, and hand the answer back under the ticket."""

    ticket: int
    to: Endpoint
    message: StreamMessage
    timeout_ms: int


class Effects(Struct):
    """What is to be done now, in order."""

    sends: list[Send] = []
    dials: list[Dial] = []
    events: list[Event] = []
