"""The user's library: a synchronous and an asyncio client around the decisions of ``routing``.

Nothing of gRPC leaves it: errors are those of ``goutube.errors``, results those of
``goutube.model`` and of this room.
"""

from goutube.client.asynchronous import AsyncClient
from goutube.client.asynchronous import connect as connect_async
from goutube.client.blocking import Client, connect
from goutube.client.cluster_status import ClusterStatus, NodeStatus, ShardStatus
from goutube.client.members import MemberInfo

__all__ = [
    "AsyncClient",
    "Client",
    "ClusterStatus",
    "MemberInfo",
    "NodeStatus",
    "ShardStatus",
    "connect",
    "connect_async",
]
