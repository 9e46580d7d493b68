"""What a client asks about the cluster."""

from __future__ import annotations

from typing import Protocol, TypeVar

from goutube.client.cluster_events import AsyncClusterEvents, ClusterEvents
from goutube.client.cluster_status import ClusterStatus
from goutube.client.gossip_keys import (
    KeyChange,
    KeyHolder,
    change_gossip_keys,
    list_gossip_keys,
)
from goutube.client.members import MemberInfo, list_members
from goutube.client.requests import Unary, cluster_status
from goutube.client.topology import Topology, get_topology

_Value = TypeVar("_Value")


class Asks(Protocol):
    """A client that makes unary calls, again where that is safe."""

    def _ask(self, unary: Unary[_Value]) -> _Value: ...


class AsyncAsks(Protocol):
    """The same for asyncio."""

    async def _ask(self, unary: Unary[_Value]) -> _Value: ...


class ClusterCalls(ClusterEvents):
    """What makes a client tell of its cluster."""

    def status(self: Asks) -> ClusterStatus:
        """Tell what the server that answers says about itself and its cluster."""
        return self._ask(cluster_status())

    def topology(self: Asks) -> Topology:
        """The ring and who holds which shard, as the cluster agreed on it."""
        return self._ask(get_topology())

    def members(self: Asks) -> tuple[MemberInfo, ...]:
        """Whom the server knows by gossip, by name; itself included."""
        return self._ask(list_members())

    def gossip_keys(self: Asks) -> tuple[KeyHolder, ...]:
        """Which keys each live member encrypts gossip with; takes seconds if one is silent.

        Raises:
            UsageError: the server does not gossip.
        """
        return self._ask(list_gossip_keys())

    def change_gossip_keys(self: Asks, change: KeyChange, key: str) -> tuple[KeyHolder, ...]:
        """Install, use or remove a key at every member that is alive.

        Args:
            change: ``install``: open with it, too; ``use``: seal with it; ``remove``: open nothing
                with it any more.
            key: 16, 24 or 32 bytes in base64; or the fingerprint of a key that some member holds.

        Returns:
            What each member said, by name; look for ``fault``.

        Raises:
            InvalidArgumentError: it is no key.
            UsageError: it would cut off a member, which the message names; or the server does not
                gossip.
        """
        return self._ask(change_gossip_keys(change, key))


class AsyncClusterCalls(AsyncClusterEvents):
    """``ClusterCalls`` for asyncio."""

    async def status(self: AsyncAsks) -> ClusterStatus:
        """Tell what the server that answers says about itself and its cluster."""
        return await self._ask(cluster_status())

    async def topology(self: AsyncAsks) -> Topology:
        """The ring and who holds which shard, as the cluster agreed on it."""
        return await self._ask(get_topology())

    async def members(self: AsyncAsks) -> tuple[MemberInfo, ...]:
        """Whom the server knows by gossip, by name; itself included."""
        return await self._ask(list_members())

    async def gossip_keys(self: AsyncAsks) -> tuple[KeyHolder, ...]:
        """Which keys each member encrypts gossip with, as ``Client.gossip_keys`` does."""
        return await self._ask(list_gossip_keys())

    async def change_gossip_keys(
        self: AsyncAsks, change: KeyChange, key: str
    ) -> tuple[KeyHolder, ...]:
        """Install, use or remove a key everywhere, as ``Client.change_gossip_keys`` does."""
        return await self._ask(change_gossip_keys(change, key))
