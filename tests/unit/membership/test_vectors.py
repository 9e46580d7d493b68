"""Bytes that stock agents sent, or took from a prototype: read to their values, written to the byte.

``tests/data/serf_vectors.json`` says of each which layer it is of; what it holds was taken off the
wire of Serf 0.9.4 and 0.10.2 and of memberlist 0.6.0.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goutube.membership import messages, serf_messages
from goutube.membership.dialect import Body
from goutube.membership.keyring import Keyring
from goutube.membership.lzw import decompress
from goutube.membership.messages import (
    Kind,
    decode_message,
    encode_message,
    encode_push_pull,
)
from goutube.membership.packet import Compressed, Seal, bundle, expand, open_packet, seal_packet
from goutube.membership.serf_messages import SerfKind
from goutube.membership.stream import StreamReader, read_message, seal_stream
from tests.reference import lzw
from tests.reference.envelopes import seal_padded

VECTORS = {
    vector["name"]: vector
    for vector in json.loads((Path(__file__).parents[2] / "data" / "serf_vectors.json").read_text())
}
KEY = bytes(range(32))
NONCE = bytes(range(12))


def of_layer(*layers):
    return [
        pytest.param(vector, bytes.fromhex(vector["hex"]), id=name)
        for name, vector in VECTORS.items()
        if vector["layer"] in layers
    ]


def bytes_of(name):
    return bytes.fromhex(VECTORS[name]["hex"])


def said(value):
    """What our values are in the words of the vectors."""
    if isinstance(value, Body):
        pairs = zip(value.LAYOUT, value.__struct_fields__, strict=True)
        return {key: said(getattr(value, field)) for key, field in pairs}
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, tuple):
        return [said(item) for item in value]
    return value


def wanted(value):
    """The vectors' values, with payloads written as text turned into bytes."""
    if isinstance(value, dict) and set(value) != {"hex"}:
        return {
            key: {"hex": item.encode().hex()}
            if key == "Payload" and isinstance(item, str)
            else wanted(item)
            for key, item in value.items()
        }
    return value


@pytest.mark.parametrize(("vector", "raw"), of_layer("udp-message"))
def test_messages(vector, raw):
    if vector["name"] == "compound":
        parts = [bytes.fromhex(part) for part in vector["value"]]
        assert open_packet(raw, Seal(Keyring(()))) == parts
        assert bundle(parts) == raw
    elif vector["name"] == "compress":
        layer = Compressed.decode(raw[1:])
        inner = expand(layer, 1000)
        assert inner.hex() == vector["value"]["inner_hex"]
        assert bytes([Kind.COMPRESSED]) + Compressed(0, lzw.compress(inner)).encode() == raw
    else:
        message = decode_message(raw)
        assert said(message) == wanted(vector["value"])
        assert encode_message(message) == raw


@pytest.mark.parametrize(
    ("name", "plain"),
    [("lzw-empty", b""), ("lzw-a", b"a"), ("lzw-TOBEO", b"TOBEORNOTTOBEORTOBEORNOT")],
)
def test_lzw(name, plain):
    assert decompress(bytes_of(name), len(plain)) == plain
    assert lzw.compress(plain) == bytes_of(name)


@pytest.mark.parametrize(("vector", "raw"), of_layer("udp-packet"))
def test_packets(vector, raw):
    name = vector["name"]
    keyring = Keyring((KEY,)) if "enc" in name else Keyring(())
    seal = Seal(keyring, b"eu-west" if "label" in name else b"")
    parts = open_packet(raw, seal)
    numbers = {"made-ping": 1, "made-crc-ping": 2, "made-compress-ping": 3, "made-compound": 5,
               "made-crc-compress-ping": 4, "made-crc-compound": 6, "made-enc1-ping": 11,
               "made-enc0-ping": 12, "made-enc1-crc-ping": 13, "made-enc1-crc-compress-ping": 14,
               "made-label-ping": 21, "made-label-crc-ping": 22, "made-label-enc1-ping": 24}  # fmt: skip
    if name == "crc-compound":
        assert [decode_message(part).KIND for part in parts] == [Kind.ALIVE, Kind.ALIVE]
    else:
        assert decode_message(parts[0]).seq_no == numbers[name]
    command = bundle(parts)
    if "compress" in name:
        command = bytes([Kind.COMPRESSED]) + Compressed(0, lzw.compress(command)).encode()
    if name == "made-enc0-ping":
        assert seal_padded(KEY, NONCE, command) == raw
    else:
        assert seal_packet(command, seal, NONCE, checksum="crc" in name) == raw


@pytest.mark.parametrize("name", ["push-pull-old", "push-pull-new"])
def test_push_pull(name):
    raw, value = bytes_of(name), VECTORS[name]["value"]
    exchange = read_message(raw)
    assert exchange.join is value["header"]["Join"]
    assert [said(node) for node in exchange.nodes] == [value["node"]]
    assert len(exchange.user_state) == value["header"]["UserStateLen"]
    assert exchange.user_state == bytes_of("serf-push-pull")
    # The new agent writes one length as a signed integer; we write what the old one does.
    assert encode_push_pull(exchange) == bytes_of("push-pull-old")


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_push_pull_in_pieces(step):
    raw = bytes_of("push-pull-old")
    reader = StreamReader(Seal(Keyring(())), opened_by_peer=True)
    pieces = [raw[at : at + step] for at in range(0, len(raw), step)]
    found = [reader.feed(piece) for piece in pieces]
    assert found[:-1] == [None] * (len(pieces) - 1)
    assert found[-1] == read_message(raw)


def test_encrypted_push_pull():
    vector, seal = VECTORS["encrypted-push-pull"], Seal(Keyring((KEY,)))
    raw = bytes_of("encrypted-push-pull")
    exchange = StreamReader(seal, opened_by_peer=True).feed(raw)
    assert len(exchange.nodes) == 2
    nonce = raw[6:18]
    plain = seal.keyring.open(raw[5:], raw[:5])
    assert plain.hex().startswith(vector["value"]["plaintext_prefix"])
    inner = expand(Compressed.decode(plain[1:]), 1000)
    assert len(inner) == vector["value"]["inner_len"]
    assert encode_push_pull(exchange) == inner
    again = bytes([Kind.COMPRESSED]) + Compressed(0, lzw.compress(inner)).encode()
    header = bytes([Kind.ENCRYPTED]) + (len(again) + 29).to_bytes(4, "big")
    assert header + seal.keyring.seal(again, nonce, header) == raw
    ours = seal_stream(exchange, seal, nonce, opening=True)
    assert StreamReader(seal, opened_by_peer=True).feed(ours) == exchange


def test_stream_error():
    value = VECTORS["err-compressed"]["value"]
    raw = bytes_of("err-compressed")
    error = StreamReader(Seal(Keyring(())), opened_by_peer=False).feed(raw)
    assert said(error) == value["err"]
    assert encode_message(error).hex() == value["inner_hex"]
    packed = Compressed(0, lzw.compress(encode_message(error))).encode()
    assert bytes([Kind.COMPRESSED]) + packed == raw


def test_tcp_ping():
    raw = bytes_of("tcp-ping")
    ping = StreamReader(Seal(Keyring(())), opened_by_peer=True).feed(raw)
    assert said(ping) == VECTORS["tcp-ping"]["value"]
    assert seal_stream(ping, Seal(Keyring(())), b"", opening=True) == raw


@pytest.mark.parametrize(("vector", "raw"), of_layer("serf-message"))
def test_serf_messages(vector, raw):
    message = serf_messages.decode_serf(raw)
    if vector["name"].startswith("serf-relay"):
        assert message.header.target.port == 17946
        assert message.header.target.ip == bytes([127, 0, 0, 1])
        assert serf_messages.decode_serf(message.inner).source
        # As with push/pull, the new agent's port is a signed integer.
        again = serf_messages.encode_serf(message)
        assert again[:40] == bytes_of("serf-relay")[:40]
        assert again.endswith(message.inner)
        if vector["name"] == "serf-relay":
            assert again == raw
        return
    value = wanted(vector["value"])
    assert said(message) == value
    assert serf_messages.encode_serf(message) == raw


def test_serf_state():
    raw = bytes_of("serf-push-pull")
    state = serf_messages.decode_serf_state(raw)
    value = VECTORS["serf-push-pull"]["value"]
    assert state.events == (None,) * 512
    assert (state.event_ltime, state.ltime, state.query_ltime) == (
        value["EventLTime"], value["LTime"], value["QueryLTime"])  # fmt: skip
    assert state.status_ltimes == value["StatusLTimes"]
    assert state.left_members == ()
    assert serf_messages.encode_serf(state) == raw


@pytest.mark.parametrize(("vector", "raw"), of_layer("query"))
def test_payloads_of_internal_answers(vector, raw):
    read, kind = {
        "serf-key-response": (serf_messages.decode_key_response, SerfKind.KEY_RESPONSE),
        "serf-key-response-error": (serf_messages.decode_key_response, SerfKind.KEY_RESPONSE),
        "serf-conflict-response": (serf_messages.decode_member_record, SerfKind.CONFLICT_RESPONSE),
        "serf-conflict-unknown": (serf_messages.decode_member_record, SerfKind.CONFLICT_RESPONSE),
    }[vector["name"]]
    body = read(raw)
    assert said(body) == vector.get("value")
    assert serf_messages.encode_payload(kind, body) == raw


def test_tags_in_the_meta_of_an_agent():
    meta = messages.decode_message(bytes_of("alive")).meta
    assert serf_messages.decode_tags(meta) == {"role": "db", "dc": "eu1"}
    assert serf_messages.encode_tags({"role": "db", "dc": "eu1"}) == meta


def test_every_vector_is_used():
    layers = {vector["layer"] for vector in VECTORS.values()}
    assert layers == {"udp-message", "lzw", "udp-packet", "stream-message", "stream",
                      "serf-message", "serf-user-state", "query"}  # fmt: skip
    assert len(VECTORS) == 50
