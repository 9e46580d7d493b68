"""What a listener is given: the driver that it asks, and its settings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct, field

from goutube.errors import UsageError
from goutube.limits import CHUNK_BYTES_DEFAULT, RECORD_BYTES_MAX, VIRTUAL_NODE_COUNT_DEFAULT
from goutube.membership import KeyAction, KeyAnswer, Member
from goutube.node import Append, Command, NodeReport, Result
from goutube.runtime import Answered, GossipFeed


class Driver(Protocol):
    """What the server asks of ``goutube.runtime.Driver``."""

    def call(self, command: Command) -> asyncio.Future[Result]:
        """Begin to carry out one command; its answer, or the ``GoutubeError`` that it met."""

    def begin(self, command: Append, answered: Answered) -> bool:
        """``call`` without a future; False where ``begin_later`` has to wait for room."""

    async def begin_later(self, command: Append, answered: Answered) -> None:
        """``begin`` as soon as there is room."""

    def report(self) -> NodeReport:
        """The node's identity and shards."""

    def end_reads(self) -> None:
        """End the reads that wait for bytes with ``ShuttingDownError``, and let no other wait."""


async def no_gossip(_action: KeyAction, _key: str) -> Sequence[KeyAnswer]:
    """What a node answers that does not gossip.

    Raises:
        UsageError: always.
    """
    raise UsageError("this node does not gossip; ask another one, or free its gossip port")


class ServerOptions(Struct, frozen=True):
    """A listener's settings.

    Attributes:
        address: where to listen, host:port; port 0 takes a free one.
        advertise_address: where clients are told to connect; empty: the bound address.
        version: of Goutube, told by ``GetStatus``.
        record_bytes_max: a longer record is refused.
        chunk_bytes_max: of ``ConsumeStream``: the size of chunks unless a smaller one is asked for.
        hash_function: of the ring, told by ``GetTopology``.
        virtual_node_count: tokens of this node, told likewise.
        members: whom gossip knows, as of now; nobody where the node does not gossip.
        feed: tells what happens among the members; never anything where the node does not gossip.
        gossip_keys: has every member list its keys, or change one that is named in base64 or by its
            fingerprint; a ``GoutubeError`` says why it does not.
    """

    address: str = "127.0.0.1:7373"
    advertise_address: str = ""
    version: str = ""
    record_bytes_max: int = RECORD_BYTES_MAX
    chunk_bytes_max: int = CHUNK_BYTES_DEFAULT
    hash_function: str = "xxh64"
    virtual_node_count: int = VIRTUAL_NODE_COUNT_DEFAULT
    members: Callable[[], Sequence[Member]] = tuple
    feed: GossipFeed = field(default_factory=GossipFeed)
    gossip_keys: Callable[[KeyAction, str], Awaitable[Sequence[KeyAnswer]]] = no_gossip
