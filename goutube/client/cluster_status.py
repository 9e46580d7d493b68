"""What a server says about itself and its cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node; ``boot`` is how often its data directory was opened."""

    name: str
    rpc_address: str
    status: str
    version: str
    boot: int


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard; ``fault`` says why it takes no appends and is empty where it does."""

    shard: int
    leader: str
    replicas: tuple[str, ...]
    term: int
    last_index: int
    commit_index: int
    stream_count: int
    fault: str


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """The cluster as one of its nodes sees it.

    Attributes:
        settled: every shard has its full, caught-up replica set and nothing is moving.
    """

    settled: bool
    topology_version: int
    cluster_id: str
    nodes: tuple[NodeStatus, ...]
    shards: tuple[ShardStatus, ...]
