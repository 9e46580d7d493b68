"""Everything that reads bytes of gossip which a stranger may have sent."""

from __future__ import annotations

from contextlib import suppress

from goutube.errors import WireFormatError
from goutube.membership import messages, serf_messages
from goutube.membership.key_queries import read_key_answer
from goutube.membership.keyring import Keyring
from goutube.membership.lzw import decompress
from goutube.membership.messages import PushPull, User
from goutube.membership.packet import PACKET_BYTES_MAX, Seal, open_packet
from goutube.membership.snapshot import parse_snapshot
from goutube.membership.stream import StreamReader

PLAIN = Seal(Keyring(()))
SECRET = Seal(Keyring((bytes(32),)), b"label")


def read_packet(data, seal=PLAIN):
    """A datagram, with all that lies in it."""
    for command in open_packet(data, seal):
        message = messages.decode_message(command)
        if isinstance(message, User):
            serf_messages.decode_serf(message.payload)
        elif isinstance(message, messages.Alive):
            serf_messages.decode_tags(message.meta)


def read_sealed_packet(data):
    """A datagram that a holder of the key sent."""
    with suppress(WireFormatError):
        read_packet(data, SECRET)
    read_packet(b"\xf4\x05label" + SECRET.keyring.seal(data, bytes(12), b"label"), SECRET)


def read_stream(data):
    """A stream in one piece, and Serf's part of it."""
    message = StreamReader(PLAIN, opened_by_peer=True).feed(data)
    if isinstance(message, PushPull):
        serf_messages.decode_serf_state(message.user_state)


def read_stream_slowly(data):
    """A stream byte by byte."""
    reader = StreamReader(PLAIN, opened_by_peer=True)
    for at in range(len(data)):
        if reader.feed(data[at : at + 1]) is not None:
            return


def read_lzw(data):
    """Compressed bytes alone."""
    assert len(decompress(data, PACKET_BYTES_MAX)) <= PACKET_BYTES_MAX


def read_snapshot(data):
    """A file of members, which any text is; what is taken of it can be used and written again."""
    kept = parse_snapshot(data)
    assert all(0 < place.port < 1 << 16 for _, place in kept.members)
    assert all(0 <= clock <= 1 << 62 for clock in kept.clocks)


def read_answer_about_keys(data):
    """What a member says about its keys: never an error, for there are others."""
    assert read_key_answer("n1", data).answered


DECODERS = (
    read_answer_about_keys,
    read_snapshot,
    read_packet,
    read_sealed_packet,
    read_stream,
    read_stream_slowly,
    read_lzw,
    messages.decode_message,
    serf_messages.decode_serf,
    serf_messages.decode_serf_state,
    serf_messages.decode_tags,
    serf_messages.decode_member_record,
    serf_messages.decode_key_request,
    serf_messages.decode_key_response,
)
