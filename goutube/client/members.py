"""Whom a server knows by gossip."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from goutube.api import cluster_pb2, methods
from goutube.client.requests import Unary
from goutube.errors import WireFormatError


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """One process that gossip knows: a rumour, not what the cluster agreed on.

    Attributes:
        address: where it gossips; empty where it does not.
        rpc_address: where clients connect; empty for a foreign member.
        type: ``shard``, ``loadbalancer``, ``replica``, or ``foreign``: not a Goutube node.
        status: ``alive``, ``leaving``, ``left`` or ``failed``.
        tags: all that it tells of itself.
    """

    name: str
    address: str
    rpc_address: str
    type: str
    status: str
    tags: dict[str, str]


def member_of(told: cluster_pb2.Member) -> MemberInfo:
    """A member as a server told it."""
    return MemberInfo(
        told.name, told.address, told.rpc_address, told.type, told.status, dict(told.tags)
    )


def list_members() -> Unary[tuple[MemberInfo, ...]]:
    """ListMembers."""

    def read(message: bytes) -> tuple[MemberInfo, ...]:
        try:
            answer = cluster_pb2.ListMembersResponse.FromString(message)
        except DecodeError as error:
            raise WireFormatError("the server's answer is no ListMembersResponse") from error
        return tuple(map(member_of, answer.members))

    request = cluster_pb2.ListMembersRequest().SerializeToString()
    return Unary(methods.LIST_MEMBERS, request, read)
