"""Who is there: memberlist's failure detector and Serf's members, without sockets and clocks.

Messages, times and random bytes go in; effects come out. What it says is a rumour that nothing
durable may rest on.
"""

from goutube.membership.context import Admission, Options
from goutube.membership.effects import (
    Change,
    Dial,
    Effects,
    Endpoint,
    Event,
    EventSeen,
    HealthChanged,
    Joined,
    JoinFailed,
    KeysChanged,
    LeaveDone,
    Member,
    MemberChanged,
    NameInUse,
    QuerySeen,
    Refused,
    Send,
    Status,
)
from goutube.membership.key_queries import KeyAction, KeyAnswer, key_fingerprint
from goutube.membership.keyring import KEY_BYTES, NONCE_BYTES, Keyring
from goutube.membership.machine import Membership
from goutube.membership.messages import META_BYTES_MAX, StreamError
from goutube.membership.packet import PACKET_BYTES_MAX, Seal, open_packet, seal_packet
from goutube.membership.profile import LAN, Profile
from goutube.membership.serf_messages import encode_tags
from goutube.membership.snapshot import Snapshot, parse_snapshot, render_snapshot, show_endpoint
from goutube.membership.stream import StreamMessage, StreamReader, seal_stream

__all__ = [
    "KEY_BYTES",
    "LAN",
    "META_BYTES_MAX",
    "NONCE_BYTES",
    "PACKET_BYTES_MAX",
    "Admission",
    "Change",
    "Dial",
    "Effects",
    "Endpoint",
    "Event",
    "EventSeen",
    "HealthChanged",
    "JoinFailed",
    "Joined",
    "KeyAction",
    "KeyAnswer",
    "Keyring",
    "KeysChanged",
    "LeaveDone",
    "Member",
    "MemberChanged",
    "Membership",
    "NameInUse",
    "Options",
    "Profile",
    "QuerySeen",
    "Refused",
    "Seal",
    "Send",
    "Snapshot",
    "Status",
    "StreamError",
    "StreamMessage",
    "StreamReader",
    "encode_tags",
    "key_fingerprint",
    "open_packet",
    "parse_snapshot",
    "render_snapshot",
    "seal_packet",
    "seal_stream",
    "show_endpoint",
]
