"""Gossip's wire: what is written is read back, and no bytes do more than raise a named error."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube.errors import WireFormatError
from goutube.membership import messages, serf_messages
from goutube.membership.keyring import Keyring
from goutube.membership.lzw import decompress
from goutube.membership.messages import Alive, Kind, NodeState, PushPull
from goutube.membership.packet import (
    PARTS_MAX,
    Compressed,
    Seal,
    bundle,
    open_packet,
    seal_packet,
)
from goutube.membership.stream import StreamReader, seal_stream
from tests.reference import lzw
from tests.support.gossip_decoders import DECODERS, PLAIN, SECRET, read_packet

VECTORS = [
    bytes.fromhex(vector["hex"])
    for vector in json.loads((Path(__file__).parents[1] / "data" / "serf_vectors.json").read_text())
]
NAMES = st.binary(min_size=1, max_size=255).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ADDRESSES = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
METAS = st.none() | st.binary(max_size=512)
VERSIONS = st.binary(min_size=6, max_size=6)
ALIVES = st.builds(Alive, ADDRESSES, U32, METAS, NAMES, U16, VERSIONS)
STATES = st.builds(NodeState, ADDRESSES, U32, METAS, NAMES, U16, st.integers(0, 3), VERSIONS)
EXCHANGES = st.builds(
    PushPull, st.booleans(), st.lists(STATES, max_size=8).map(tuple), st.binary(max_size=4000)
)
SEALS = st.sampled_from([PLAIN, SECRET, Seal(Keyring((bytes(16),))), Seal(Keyring(()), b"eu")])
NONCES = st.binary(min_size=12, max_size=12)


@given(st.data(), st.sampled_from(DECODERS))
def test_mutated_vectors_are_read_or_refused(data, decode):
    raw = bytearray(data.draw(st.sampled_from(VECTORS)))
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    with suppress(WireFormatError):
        decode(bytes(raw[:cut] if data.draw(st.booleans()) else raw))


@given(st.binary(max_size=300), st.sampled_from(DECODERS), st.integers(0, 14))
def test_any_bytes_are_read_or_refused(raw, decode, kind):
    for data in (raw, bytes([kind]) + raw):
        with suppress(WireFormatError):
            decode(data)


@given(ALIVES)
def test_an_alive_comes_back(alive):
    assert messages.decode_message(messages.encode_message(alive)) == alive


@given(st.binary(max_size=10_000) | st.binary(max_size=20).map(lambda raw: raw * 600))
def test_what_is_compressed_comes_back(plain):
    assert decompress(lzw.compress(plain), len(plain)) == plain


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=PARTS_MAX), SEALS,
       NONCES, st.booleans())  # fmt: skip
def test_a_packet_comes_back(parts, seal, nonce, checksum):
    parts = [b"\x08" + part for part in parts]
    packet = seal_packet(bundle(parts), seal, nonce, checksum=checksum)
    assert open_packet(packet, seal) == parts


@given(EXCHANGES, SEALS, NONCES, st.booleans(), st.integers(1, 500))
def test_a_push_pull_comes_back_in_pieces(exchange, seal, nonce, opening, step):
    raw = seal_stream(exchange, seal, nonce, opening=opening)
    reader = StreamReader(seal, opened_by_peer=opening)
    found = [reader.feed(raw[at : at + step]) for at in range(0, len(raw), step)]
    assert found == [None] * (len(found) - 1) + [exchange]


@given(st.binary(min_size=1, max_size=60), NONCES, st.data())
def test_an_envelope_that_was_changed_is_refused(plain, nonce, data):
    packet = bytearray(seal_packet(b"\x08" + plain, SECRET, nonce))
    at = data.draw(st.integers(0, len(packet) - 1))
    packet[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(WireFormatError):
        open_packet(bytes(packet), SECRET)


def compressed(plain):
    return bytes([Kind.COMPRESSED]) + Compressed(0, lzw.compress(plain)).encode()


@pytest.mark.parametrize(
    ("packet", "fault"),
    [
        (b"", "empty"),
        (b"\x07\x00", "compound"),
        (b"\x07\x05\x00", "compound"),
        (b"\x07\x01\x00\x00", "empty"),
        (b"\x0c\x00\x00\x00\x00\x08a", "checksum"),
        (b"\xf4\x01a\x08b", "label"),
        (compressed(b""), "empty"),
        (compressed(compressed(compressed(compressed(compressed(b"\x08a"))))), "depth"),
        (b"\x09" + Compressed(1, b"").encode(), "compression"),
    ],
)
def test_hostile_packets_are_refused_by_name(packet, fault):
    with pytest.raises(WireFormatError) as caught:
        read_packet(packet)
    assert caught.value.fields["fault"] == fault


def test_many_small_bombs_do_not_add_up():
    """A compound of compressed parts grows no further than one part alone may."""
    bomb = compressed(b"\x08" + bytes(60_000))
    with pytest.raises(WireFormatError, match="grows beyond"):
        open_packet(bundle([bomb] * 20), PLAIN)


def test_a_long_list_is_refused_before_it_is_made():
    with pytest.raises(WireFormatError):
        messages.decode_message(b"\x02\xdd\xff\xff\xff\xff")
    with pytest.raises(WireFormatError):
        messages.decode_message(b"\x02" + b"\xdd\x00\x00\xff\xff" * 5000)


def test_a_push_pull_announces_its_size_in_vain():
    header = messages.PushPullHeader(join=True, nodes=2**31 - 1, user_state_bytes=0)
    with pytest.raises(WireFormatError, match="announces"):
        StreamReader(PLAIN, opened_by_peer=True).feed(b"\x06" + header.encode())


@pytest.mark.parametrize(
    "body",
    [
        {"Node": b"", "From": b"a", "Incarnation": 1},
        {"Node": b"a", "From": b"", "Incarnation": 1},
        {"Node": b"a", "From": b"b", "Incarnation": -1},
        {"Node": b"a", "From": b"b", "Incarnation": 2**32},
        {"Node": 7, "From": b"b"},
        {"Node": b"x" * 256, "From": b"b"},
        [],
    ],
)
def test_impossible_values_are_refused(body):
    with pytest.raises(WireFormatError):
        messages.decode_message(b"\x03" + msgpack.packb(body))


def test_other_forms_of_the_same_values_are_read():
    """Keys in any order and unknown ones, new-style text, missing values, bytes behind the end."""
    raw = msgpack.packb({"Zeta": [1], "Node": "a", "From": "b", "Incarnation": 5}) + b"tail"
    assert messages.decode_message(b"\x05" + raw) == messages.Dead("b", 5, "a")
    raw = msgpack.packb({"Payload": None})
    assert messages.decode_message(b"\x02" + raw) == messages.Ack(None, 0)


def test_tags_of_old_agents_are_a_role():
    assert serf_messages.decode_tags(b"db") == {"role": "db"}
    assert serf_messages.decode_tags(b"\xff\xc0") == {}
    assert serf_messages.decode_tags(None) == {}
    with pytest.raises(WireFormatError, match="at most 512"):
        serf_messages.encode_tags({"long": "x" * 512})


def test_keys_are_added_used_and_removed():
    old, new = bytes(16), bytes(range(32))
    ring, peer = Keyring((old,)), Keyring((old, new))
    sealed = ring.seal(b"x", bytes(12))
    ring.add(new)
    ring.use(new)
    assert ring.keys == (new, old)
    assert peer.open(ring.seal(b"y", bytes(12))) == b"y"
    assert ring.open(sealed) == b"x"
    ring.remove(old)
    with pytest.raises(WireFormatError, match="no key"):
        ring.open(sealed)
