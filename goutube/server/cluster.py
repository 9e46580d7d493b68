"""``goutube.v1.ClusterService``: the cluster as this node sees it."""

from __future__ import annotations

from typing import Final

from goutube.api import cluster_pb2, methods
from goutube.membership import Member, show_endpoint
from goutube.node import NodeReport, ShardStatus
from goutube.server.boundary import Context, Method, parse
from goutube.server.options import Driver, ServerOptions

_FOUNDING_VERSION: Final = 1
"""Of the topology: a cluster of one is as it was founded."""


class ClusterService:
    """The methods of the service."""

    def __init__(self, driver: Driver, options: ServerOptions, advertised: str) -> None:
        self._driver = driver
        self._options = options
        self._advertised = advertised

    def methods(self) -> list[Method]:
        """What to serve."""
        return [
            Method(methods.GET_STATUS, self._get_status),
            Method(methods.GET_TOPOLOGY, self._get_topology),
            Method(methods.LIST_MEMBERS, self._list_members),
        ]

    async def _get_status(self, message: bytes, _context: Context) -> bytes:
        parse(cluster_pb2.GetStatusRequest, message)
        report = self._driver.report()
        node = cluster_pb2.NodeStatus(
            name=report.node_name,
            rpc_address=self._advertised,
            status="alive",
            version=self._options.version,
            boot=report.boot,
        )
        answer = cluster_pb2.GetStatusResponse(
            settled=not any(shard.fault for shard in report.shards),
            topology_version=_FOUNDING_VERSION,
            cluster_id=report.cluster_id.hex(),
            nodes=[node],
            shards=[_shard(shard, report) for shard in report.shards],
        )
        return answer.SerializeToString()

    async def _get_topology(self, message: bytes, _context: Context) -> bytes:
        parse(cluster_pb2.GetTopologyRequest, message)
        report = self._driver.report()
        node = cluster_pb2.TopologyNode(
            name=report.node_name,
            tokens=self._options.virtual_node_count,
            rpc_address=self._advertised,
        )
        holder = cluster_pb2.ShardPlacement(leader=report.node_name, replicas=[report.node_name])
        answer = cluster_pb2.GetTopologyResponse(
            version=_FOUNDING_VERSION,
            hash_function=self._options.hash_function,
            shards=[holder] * len(report.shards),
            nodes=[node],
        )
        return answer.SerializeToString()

    async def _list_members(self, message: bytes, _context: Context) -> bytes:
        parse(cluster_pb2.ListMembersRequest, message)
        known = sorted(self._options.members(), key=lambda member: member.name)
        members = [_member(member) for member in known] or [self._alone()]
        return cluster_pb2.ListMembersResponse(members=members).SerializeToString()

    def _alone(self) -> cluster_pb2.Member:
        """This node where it does not gossip."""
        return cluster_pb2.Member(
            name=self._driver.report().node_name,
            rpc_address=self._advertised,
            type="shard",
            status="alive",
        )


def _member(member: Member) -> cluster_pb2.Member:
    return cluster_pb2.Member(
        name=_text(member.name),
        address=show_endpoint(member.endpoint),
        rpc_address=_text(member.tags.get("rpc", "")),
        type=_text(member.tags.get("type", "foreign") if "goutube" in member.tags else "foreign"),
        status=member.status.name.lower(),
        tags={_text(key): _text(value) for key, value in member.tags.items()},
    )


def _text(foreign: str) -> str:
    """Text of others, of which the bytes that are not UTF-8 cannot be told."""
    return foreign.encode("utf-8", "replace").decode()


def _shard(shard: ShardStatus, report: NodeReport) -> cluster_pb2.ShardStatus:
    return cluster_pb2.ShardStatus(
        shard=shard.shard,
        leader=report.node_name,
        replicas=[report.node_name],
        term=shard.term,
        last_index=shard.last_index,
        commit_index=shard.commit_index,
        stream_count=shard.stream_count,
        fault=shard.fault,
    )
