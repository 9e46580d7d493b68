"""What is asked of all about the gossip's keys, and what their answers mean."""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum

from msgspec import Struct

from goutube.errors import WireFormatError
from goutube.membership.serf_messages import (
    KeyRequest,
    SerfKind,
    decode_key_response,
    encode_payload,
)


class KeyAction(StrEnum):
    """What to do with the keys of every member; the value is Serf's name of the query."""

    LIST = "_serf_list-keys"
    INSTALL = "_serf_install-key"
    USE = "_serf_use-key"
    REMOVE = "_serf_remove-key"


class KeyAnswer(Struct, frozen=True):
    """What one member said.

    Attributes:
        answered: False where nothing came in time; then it is not known what it did.
        fault: why it did not do it; empty where it did.
        keys: all that it opens with, when it was asked to list them.
        primary: the one that it seals with; empty where it does not tell.
    """

    member: str
    answered: bool
    fault: str = ""
    keys: tuple[bytes, ...] = ()
    primary: bytes = b""


def key_fingerprint(key: bytes) -> str:
    """16 hexadecimal digits that name a key without giving it away: of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]


def encode_key_request(key: bytes) -> bytes:
    """The payload of a query about keys; no key where they are only listed."""
    return encode_payload(SerfKind.KEY_REQUEST, KeyRequest(key))


def read_key_answer(member: str, payload: bytes | None) -> KeyAnswer:
    """What the payload of an answer says; None: there was none."""
    if payload is None:
        return KeyAnswer(member, answered=False, fault="no answer")
    try:
        told = decode_key_response(payload)
        keys = tuple(base64.b64decode(key) for key in told.keys or ())
        primary = base64.b64decode(told.primary_key)
    except (WireFormatError, ValueError):
        return KeyAnswer(member, answered=True, fault="its answer cannot be read")
    fault = "" if told.result else told.message or "it does not say why"
    return KeyAnswer(member, answered=True, fault=fault, keys=keys, primary=primary)
