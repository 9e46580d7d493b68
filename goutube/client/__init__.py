"""The user's library: a synchronous and an asyncio client around the decisions of ``routing``.

Nothing of gRPC leaves it: errors are those of ``goutube.errors``, results those of
``goutube.model`` and of this room.
"""

from goutube.client.async_producer import AsyncProducer
from goutube.client.asynchronous import AsyncClient
from goutube.client.asynchronous import connect as connect_async
from goutube.client.blocking import Client, connect
from goutube.client.cluster_status import ClusterStatus, NodeStatus, ShardStatus
from goutube.client.members import MemberInfo
from goutube.client.producer import Producer
from goutube.client.record_batches import RecordBatch
from goutube.client.sent import AsyncSentRecord, SentRecord
from goutube.client.topology import ShardPlacement, Topology, TopologyNode

__all__ = [
    "AsyncClient",
    "AsyncProducer",
    "AsyncSentRecord",
    "Client",
    "ClusterStatus",
    "MemberInfo",
    "NodeStatus",
    "Producer",
    "RecordBatch",
    "SentRecord",
    "ShardPlacement",
    "ShardStatus",
    "Topology",
    "TopologyNode",
    "connect",
    "connect_async",
]
