"""Full paths of all RPC methods, as gRPC names them."""

from __future__ import annotations

from typing import Final

STREAM_SERVICE: Final = "goutube.v1.StreamService"
APPEND: Final = f"/{STREAM_SERVICE}/Append"
READ: Final = f"/{STREAM_SERVICE}/Read"

STREAM_ADMIN_SERVICE: Final = "goutube.v1.StreamAdminService"
CREATE_STREAM: Final = f"/{STREAM_ADMIN_SERVICE}/CreateStream"
DESCRIBE_STREAM: Final = f"/{STREAM_ADMIN_SERVICE}/DescribeStream"
LIST_STREAMS: Final = f"/{STREAM_ADMIN_SERVICE}/ListStreams"
CHANGE_STREAM: Final = f"/{STREAM_ADMIN_SERVICE}/ChangeStream"
SEAL_STREAM: Final = f"/{STREAM_ADMIN_SERVICE}/SealStream"
TRIM_STREAM: Final = f"/{STREAM_ADMIN_SERVICE}/TrimStream"
DELETE_STREAM: Final = f"/{STREAM_ADMIN_SERVICE}/DeleteStream"

CLUSTER_SERVICE: Final = "goutube.v1.ClusterService"
GET_STATUS: Final = f"/{CLUSTER_SERVICE}/GetStatus"
GET_TOPOLOGY: Final = f"/{CLUSTER_SERVICE}/GetTopology"
LIST_MEMBERS: Final = f"/{CLUSTER_SERVICE}/ListMembers"
WATCH_MEMBERS: Final = f"/{CLUSTER_SERVICE}/WatchMembers"
LIST_GOSSIP_KEYS: Final = f"/{CLUSTER_SERVICE}/ListGossipKeys"
CHANGE_GOSSIP_KEYS: Final = f"/{CLUSTER_SERVICE}/ChangeGossipKeys"

STREAMING: Final = "streaming.v1.Streaming"
PRODUCE_STREAM: Final = f"/{STREAMING}/ProduceStream"
CONSUME_STREAM: Final = f"/{STREAMING}/ConsumeStream"
GET_METADATA: Final = f"/{STREAMING}/GetMetadata"

LB_RESOLVER_HELPER: Final = "streaming.v1.LBResolverHelper"
GET_SERVERS: Final = f"/{LB_RESOLVER_HELPER}/GetServers"

FOLLOWER_RESOLVER_HELPER: Final = "streaming.v1.FollowerResolverHelper"
GET_FOLLOWERS: Final = f"/{FOLLOWER_RESOLVER_HELPER}/GetFollowers"
