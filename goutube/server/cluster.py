"""``goutube.v1.ClusterService``: the cluster as this node sees it."""

from __future__ import annotations

from typing import Final

from goutube.api import cluster_pb2, methods
from goutube.errors import InvalidArgumentError
from goutube.membership import (
    EventSeen,
    KeyAction,
    KeyAnswer,
    Member,
    MemberChanged,
    key_fingerprint,
    show_endpoint,
)
from goutube.node import NodeReport, ShardStatus
from goutube.runtime import FeedEvent
from goutube.server.boundary import Context, Method, parse
from goutube.server.drain import Stage
from goutube.server.options import Driver, ServerOptions

_FOUNDING_VERSION: Final = 1
"""Of the topology: a cluster of one is as it was founded."""
_KEY_ACTIONS: Final = {
    cluster_pb2.GOSSIP_KEY_CHANGE_INSTALL: KeyAction.INSTALL,
    cluster_pb2.GOSSIP_KEY_CHANGE_USE: KeyAction.USE,
    cluster_pb2.GOSSIP_KEY_CHANGE_REMOVE: KeyAction.REMOVE,
}


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
            Method(
                methods.WATCH_MEMBERS, self._watch_members, answers_stream=True, stage=Stage.BEGIN
            ),
            Method(methods.LIST_GOSSIP_KEYS, self._list_gossip_keys),
            Method(methods.CHANGE_GOSSIP_KEYS, self._change_gossip_keys),
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
        return self._members().SerializeToString()

    def _members(self) -> cluster_pb2.ListMembersResponse:
        known = sorted(self._options.members(), key=lambda member: member.name)
        members = [_member(member) for member in known] or [self._alone()]
        return cluster_pb2.ListMembersResponse(members=members)

    async def _watch_members(self, message: bytes, context: Context) -> None:
        parse(cluster_pb2.WatchMembersRequest, message)
        with self._options.feed.watch() as watch:
            answer = cluster_pb2.WatchMembersResponse(listed=self._members())
            while True:
                await context.write(answer.SerializeToString())
                event = await watch.next()
                if event is None:
                    answer = cluster_pb2.WatchMembersResponse(listed=self._members())
                else:
                    answer = _happened(event)

    async def _list_gossip_keys(self, message: bytes, _context: Context) -> bytes:
        parse(cluster_pb2.ListGossipKeysRequest, message)
        told = await self._options.gossip_keys(KeyAction.LIST, "")
        answer = cluster_pb2.ListGossipKeysResponse(holders=map(_holder, told))
        return answer.SerializeToString()

    async def _change_gossip_keys(self, message: bytes, _context: Context) -> bytes:
        request = parse(cluster_pb2.ChangeGossipKeysRequest, message)
        action = _KEY_ACTIONS.get(request.change)
        if action is None:
            raise InvalidArgumentError(
                f"change is {request.change}; 1 installs, 2 uses and 3 removes a key"
            )
        told = await self._options.gossip_keys(action, request.key)
        answer = cluster_pb2.ChangeGossipKeysResponse(holders=map(_holder, told))
        return answer.SerializeToString()

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


def _happened(event: FeedEvent) -> cluster_pb2.WatchMembersResponse:
    match event:
        case MemberChanged():
            changed = cluster_pb2.MemberChange(
                change=str(event.change), member=_member(event.member)
            )
            return cluster_pb2.WatchMembersResponse(changed=changed)
        case EventSeen():
            user = cluster_pb2.UserEvent(
                name=_text(event.name), payload=event.payload, ltime=event.ltime
            )
            return cluster_pb2.WatchMembersResponse(user=user)


def _holder(answer: KeyAnswer) -> cluster_pb2.GossipKeyHolder:
    return cluster_pb2.GossipKeyHolder(
        name=_text(answer.member),
        silent=not answer.answered,
        fault=_text(answer.fault),
        keys=map(key_fingerprint, answer.keys),
        primary_key=key_fingerprint(answer.primary) if answer.primary else "",
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
