"""What happens in the cluster, as gossip tells it to a server while a client watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError

from goutube.api import cluster_pb2, methods
from goutube.client.async_reading import Reading
from goutube.client.channels import Channels
from goutube.client.members import MemberInfo, member_of
from goutube.client.sockets import Sockets
from goutube.client.transport import error_of, now_ms
from goutube.errors import GoutubeError, WireFormatError
from goutube.routing import Attempts

Change = Literal["joined", "updated", "failed", "left", "reaped"]
_REQUEST: Final = cluster_pb2.WatchMembersRequest().SerializeToString()
_UnaryStream: TypeAlias = "grpc.UnaryStreamMultiCallable[bytes, bytes]"
_AsyncUnaryStream: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"


@dataclass(frozen=True, slots=True)
class MembersListed:
    """Whom the server knows now, by name: at first, and wherever something may have been missed."""

    members: tuple[MemberInfo, ...]


@dataclass(frozen=True, slots=True)
class MemberChange:
    """A member came, changed or went; ``reaped``: it was gone for long, and is forgotten."""

    change: Change
    member: MemberInfo


@dataclass(frozen=True, slots=True)
class UserEvent:
    """What somebody told the whole cluster, as by ``serf event``.

    Attributes:
        ltime: the Lamport time of its telling: a later event has a greater one.
    """

    name: str
    payload: bytes
    ltime: int


ClusterEvent = MembersListed | MemberChange | UserEvent


class Watches(Protocol):
    """The part of the synchronous client that watching needs."""

    _sockets: Sockets
    _budget_ms: int

    def _attempts(self, budget: int) -> Attempts: ...

    def _pause(self, attempts: Attempts, error: GoutubeError, address: str) -> None: ...


class AsyncWatches(Protocol):
    """The part of the asyncio client that watching needs."""

    _channels: Channels
    _budget_ms: int

    def _attempts(self, budget: int) -> Attempts: ...

    async def _pause(self, attempts: Attempts, error: GoutubeError, address: str) -> None: ...

    def _tell_closed(self) -> None: ...


class ClusterEvents:
    """What makes a synchronous client watch its cluster."""

    def watch_members(self: Watches) -> Generator[ClusterEvent, None, None]:
        """Tell whom the server knows by gossip, then what happens: members, and users' events.

        It goes on until it is closed. A broken connection is taken up again, at another server if
        there are several, and begins with the members as they are then; user events of that while
        are not told. The first changes after a list may already show in it.
        """
        attempts = self._attempts(self._budget_ms)
        while True:
            address, channel = self._sockets.channel()
            start: _UnaryStream = channel.unary_stream(methods.WATCH_MEMBERS)
            call = start(_REQUEST)
            try:
                for message in call:
                    attempts.progressed(now_ms())
                    yield from _read(message)
            except grpc.RpcError as failure:
                self._pause(attempts, error_of(failure, address), address)
            finally:
                call.cancel()


class AsyncClusterEvents:
    """``ClusterEvents`` for asyncio."""

    def watch_members(self: AsyncWatches) -> AsyncGenerator[ClusterEvent, None]:
        """Tell of members and users' events, as ``Client.watch_members`` does.

        A wait that is cancelled, as by a timeout, does not end it: the next one begins anew, with
        the members as they are then.
        """
        return Reading(lambda: _messages(self), _read)


async def _messages(client: AsyncWatches) -> AsyncGenerator[bytes, None]:
    attempts = client._attempts(client._budget_ms)  # noqa: SLF001 - the mixin's own client
    while True:
        address, channel = client._channels.channel()  # noqa: SLF001
        start: _AsyncUnaryStream = channel.unary_stream(methods.WATCH_MEMBERS)
        call = start(_REQUEST)
        try:
            async for message in call:
                attempts.progressed(now_ms())
                yield message
        except grpc.aio.AioRpcError as failure:
            await client._pause(attempts, error_of(failure, address), address)  # noqa: SLF001
        except asyncio.CancelledError:
            client._tell_closed()  # noqa: SLF001
        finally:
            call.cancel()


def _read(message: bytes) -> tuple[ClusterEvent, ...]:
    """The event of one answer; none where a later server tells of what is not known here."""
    try:
        answer = cluster_pb2.WatchMembersResponse.FromString(message)
    except DecodeError as error:
        raise WireFormatError("the server's answer is no WatchMembersResponse") from error
    match answer.WhichOneof("event"):
        case "listed":
            return (MembersListed(tuple(map(member_of, answer.listed.members))),)
        case "changed":
            changed = answer.changed
            return (MemberChange(cast("Change", changed.change), member_of(changed.member)),)
        case "user":
            return (UserEvent(answer.user.name, answer.user.payload, answer.user.ltime),)
        case _:
            return ()
