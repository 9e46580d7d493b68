"""What the cluster agreed on: the ring, and who holds which shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from goutube.api import cluster_pb2, methods
from goutube.client.requests import Unary
from goutube.errors import WireFormatError
from goutube.names import check_stream_name
from goutube.ring import ShardMap

if TYPE_CHECKING:
    from goutube.ring import HashRing


@dataclass(frozen=True, slots=True)
class TopologyNode:
    """One node of the ring, with its number of tokens."""

    name: str
    tokens: int
    rpc_address: str


@dataclass(frozen=True, slots=True)
class ShardPlacement:
    """Who holds one shard.

    Attributes:
        leader: a node's name; empty where the node that answered knows of none.
        replicas: the names of all nodes that hold it.
    """

    leader: str
    replicas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """The agreed description of a cluster.

    Attributes:
        version: rises with each change.
        hash_function: ``xxh64``, ``md5`` or ``murmur3``.
        shards: by number.
        nodes: by name.
    """

    version: int
    hash_function: str
    shards: tuple[ShardPlacement, ...]
    nodes: tuple[TopologyNode, ...]

    @property
    def ring(self) -> HashRing:
        """The ring of the nodes' tokens."""
        from goutube.ring import HashRing  # noqa: PLC0415 - it stands on numpy, few clients ask

        return HashRing({node.name: node.tokens for node in self.nodes}, self.hash_function)

    def shard_of(self, name: str) -> int:
        """The number of the shard that a stream of this name belongs to, for ever.

        Raises:
            InvalidArgumentError: no stream can have this name.
        """
        return ShardMap(len(self.shards), self.hash_function).shard_of(check_stream_name(name))


def get_topology() -> Unary[Topology]:
    """GetTopology."""

    def read(message: bytes) -> Topology:
        try:
            answer = cluster_pb2.GetTopologyResponse.FromString(message)
        except DecodeError as error:
            raise WireFormatError("the server's answer is no GetTopologyResponse") from error
        return Topology(
            answer.version,
            answer.hash_function,
            tuple(ShardPlacement(one.leader, tuple(one.replicas)) for one in answer.shards),
            tuple(TopologyNode(one.name, one.tokens, one.rpc_address) for one in answer.nodes),
        )

    request = cluster_pb2.GetTopologyRequest().SerializeToString()
    return Unary(methods.GET_TOPOLOGY, request, read)
