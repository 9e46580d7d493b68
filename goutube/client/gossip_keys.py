"""The gossip's keys, as every member holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from google.protobuf.message import DecodeError

from goutube.api import cluster_pb2, methods
from goutube.client.requests import Unary
from goutube.errors import InvalidArgumentError, WireFormatError

KeyChange = Literal["install", "use", "remove"]
_BUDGET_MS: Final = 30_000
"""The server waits seconds for members that keep silent; twice, before a change."""
_CHANGES: Final = {
    "install": cluster_pb2.GOSSIP_KEY_CHANGE_INSTALL,
    "use": cluster_pb2.GOSSIP_KEY_CHANGE_USE,
    "remove": cluster_pb2.GOSSIP_KEY_CHANGE_REMOVE,
}


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """What one member said. A key is told by its fingerprint, 16 digits of its SHA-256.

    Attributes:
        silent: nothing came from it in time: what it did is not known.
        fault: why it did not do what was asked; empty where it did.
        keys: those that it opens with, where they were asked for.
        primary_key: the one that it seals with, likewise; empty where it does not tell.
    """

    name: str
    silent: bool
    fault: str
    keys: tuple[str, ...]
    primary_key: str


def list_gossip_keys() -> Unary[tuple[KeyHolder, ...]]:
    """ListGossipKeys."""

    def read(message: bytes) -> tuple[KeyHolder, ...]:
        try:
            answer = cluster_pb2.ListGossipKeysResponse.FromString(message)
        except DecodeError as error:
            raise WireFormatError("the server's answer is no ListGossipKeysResponse") from error
        return _holders(answer.holders)

    request = cluster_pb2.ListGossipKeysRequest().SerializeToString()
    return Unary(methods.LIST_GOSSIP_KEYS, request, read, budget_ms_min=_BUDGET_MS)


def change_gossip_keys(change: str, key: str) -> Unary[tuple[KeyHolder, ...]]:
    """ChangeGossipKeys; repeating it does no harm."""

    def read(message: bytes) -> tuple[KeyHolder, ...]:
        try:
            answer = cluster_pb2.ChangeGossipKeysResponse.FromString(message)
        except DecodeError as error:
            raise WireFormatError("the server's answer is no ChangeGossipKeysResponse") from error
        return _holders(answer.holders)

    if change not in _CHANGES:
        raise InvalidArgumentError(f"change is {change!r}; it is one of {', '.join(_CHANGES)}")
    request = cluster_pb2.ChangeGossipKeysRequest(change=_CHANGES[change], key=key)
    message = request.SerializeToString()
    return Unary(methods.CHANGE_GOSSIP_KEYS, message, read, budget_ms_min=_BUDGET_MS)


def _holders(told: Iterable[cluster_pb2.GossipKeyHolder]) -> tuple[KeyHolder, ...]:
    return tuple(
        KeyHolder(one.name, one.silent, one.fault, tuple(one.keys), one.primary_key) for one in told
    )
