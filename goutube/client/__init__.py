"""The user's library: two clients around ``routing``; nothing of gRPC leaves it."""

from goutube.client.async_producer import AsyncProducer
from goutube.client.asynchronous import AsyncClient
from goutube.client.asynchronous import connect as connect_async
from goutube.client.blocking import Client, connect
from goutube.client.cluster_events import ClusterEvent, MemberChange, MembersListed, UserEvent
from goutube.client.cluster_status import ClusterStatus, NodeStatus, ShardStatus
from goutube.client.gossip_keys import KeyHolder
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
    "ClusterEvent",
    "ClusterStatus",
    "KeyHolder",
    "MemberChange",
    "MemberInfo",
    "MembersListed",
    "NodeStatus",
    "Producer",
    "RecordBatch",
    "SentRecord",
    "ShardPlacement",
    "ShardStatus",
    "Topology",
    "TopologyNode",
    "UserEvent",
    "connect",
    "connect_async",
]
