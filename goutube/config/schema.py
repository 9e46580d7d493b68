"""Every setting of an agent, declared once: flags, environment, file, documents follow from it.

A setting that is known but not built is declared all the same, so that asking for it is refused by
name and never ignored.
"""

from __future__ import annotations

import re
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from goutube.config.values import (
    Addresses,
    Age,
    Count,
    GossipAddress,
    Keys,
    LocalAddress,
    LocalAddressOrOff,
    MemberTypeText,
    NodeName,
    Pairs,
    Size,
)
from goutube.limits import (
    CHUNK_BYTES_DEFAULT,
    CHUNK_BYTES_MAX,
    KIB,
    MIB,
    RECORD_BYTES_MAX,
    RETENTION_MAX,
    SHARD_COUNT_DEFAULT,
    SHARD_COUNT_MAX,
    VIRTUAL_NODE_COUNT_DEFAULT,
    VIRTUAL_NODE_COUNT_MAX,
)

DEFAULT_NODE_NAME: Final = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:128] or "node"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a setting is besides its type, default and bounds.

    Attributes:
        unit: of a number; empty where it has none.
        why: why the default is what it is, or what changes with it.
        built: False: any value but the default is refused in this release.
        aliases: other names of its flag, without the dashes.
        file_aliases: other spellings of its key in a file.
    """

    unit: str = ""
    why: str = ""
    built: bool = True
    aliases: tuple[str, ...] = ()
    file_aliases: tuple[str, ...] = ()


def _setting(
    default: object,
    text: str,
    facts: Facts | None = None,
    *,
    ge: int | None = None,
    le: int | None = None,
) -> Any:  # noqa: ANN401 - stands for each field's type, as pydantic's own Field does
    extra: Any = asdict(facts or Facts())
    field: Any = Field(
        default, description=text, json_schema_extra=extra, validate_default=True, ge=ge, le=le
    )
    return field


def _unbuilt_file(text: str) -> Any:  # noqa: ANN401 - as above
    return _setting(None, text, Facts(built=False))


class Config(BaseModel):
    """The settings of one agent. All of them are read at start; a change needs a restart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bind_addr: GossipAddress = _setting(
        "0.0.0.0:7946",
        "Gossip address, TCP and UDP.",
        Facts(
            why="Serf's own port. If the default is taken and there are no seeds, the node goes on "
            "without gossip, and a line in the log.",
            file_aliases=("BindAddr",),
        ),
    )
    rpc_port: LocalAddress = _setting(
        "127.0.0.1:7373",
        "gRPC address, HOST:PORT; a port alone keeps 127.0.0.1; port 0 takes any free one.",
        Facts(
            why="Only this machine, until somebody decides otherwise.", file_aliases=("RPCPort",)
        ),
    )
    node_name: NodeName = _setting(
        DEFAULT_NODE_NAME,
        "This node's name; unique, and kept in the data directory.",
        Facts(why="The host's name.", file_aliases=("NodeName",)),
    )
    seed_addresses: Addresses = _setting(
        (),
        "Gossip addresses of members to join at start, several by commas.",
        Facts(
            why="A host name may stand for several; it is looked up again at each try.",
            aliases=("start-join-addrs",),
            file_aliases=("SeedAddresses",),
        ),
    )
    virtual_node_count: Count = _setting(
        VIRTUAL_NODE_COUNT_DEFAULT,
        "Tokens of this node: its weight on the ring.",
        Facts("tokens", "Evens out shares to some 6 percent.", file_aliases=("VirtualNodeCount",)),
        ge=1,
        le=VIRTUAL_NODE_COUNT_MAX,
    )
    hash_function: Literal["xxh64", "md5", "murmur3"] = _setting(
        "xxh64",
        "Places keys on the ring; one for a whole cluster, fixed when it is founded.",
        Facts(why="The fastest of the three.", file_aliases=("HashFunction",)),
    )
    member_type: Annotated[Literal["shard", "loadbalancer", "replica"], MemberTypeText] = _setting(
        "shard",
        "What this member does; ShardMember and LoadBalancerMember are understood too.",
        Facts(built=False, file_aliases=("MemberType",)),
    )
    data_dir: Path = _setting(
        Path("goutube-data"),
        "Directory of all that the node keeps; made if only its last part is missing.",
        Facts(why="Beside where the agent is started: nothing to set up, easy to find."),
    )
    max_chunk_size: Size = _setting(
        CHUNK_BYTES_DEFAULT,
        "Longest chunk of ConsumeStream, and its size where a client names none.",
        Facts("bytes", "Large enough to hide the cost of a message, small enough to share a link."),
        ge=1,
        le=CHUNK_BYTES_MAX,
    )
    multi_stream_percent: Count = _setting(
        100,
        "Share of a stream's replicas that GetMetadata names, at least one of them.",
        Facts("percent", "All of them share the load of downloads."),
        ge=1,
        le=100,
    )
    http_port: LocalAddressOrOff = _setting(
        "127.0.0.1:7380",
        "HTTP address of /livez, /readyz and /metrics; 'off' for none. If the default is taken, "
        "there is none, and a line in the log; one that was set and is taken is an error.",
        Facts(why="Only this machine; probes need no certificate there."),
    )
    shard_count: Count = _setting(
        SHARD_COUNT_DEFAULT,
        "Shards of the cluster, fixed when it is founded.",
        Facts("shards", "Enough to spread over a dozen nodes; each costs a file and some memory."),
        ge=1,
        le=SHARD_COUNT_MAX,
    )
    replication_factor: Count = _setting(
        3,
        "Copies of each stream that a cluster keeps, as far as it has members.",
        Facts("copies", "Survives the loss of one node. A lone node keeps one copy."),
        ge=1,
        le=7,
    )
    fsync: Literal["always", "interval", "never"] = _setting(
        "always",
        "When appended data is made durable: always means before it is acknowledged.",
        Facts(built=False),
    )
    insecure: bool = _setting(
        False,
        "Allow RPC or HTTP addresses beyond this machine without TLS.",
        Facts(why="Whoever reaches such a port can read and delete every stream."),
    )
    record_bytes_max: Size = _setting(
        RECORD_BYTES_MAX,
        "Longest record that is taken.",
        Facts("bytes", "Lower it where clients should not send large ones."),
        ge=1,
        le=RECORD_BYTES_MAX,
    )
    journal_bytes: Size = _setting(
        64 * MIB,
        "Journal that makes small writes durable, fixed when the data directory is made.",
        Facts("bytes", "Larger: rarer checkpoints, longer recovery."),
        ge=256 * KIB,
        le=4096 * MIB,
    )
    segment_bytes: Size = _setting(
        64 * MIB,
        "Length at which a file of a shard's log is sealed.",
        Facts("bytes", "Smaller: space comes back sooner, more files."),
        ge=64 * KIB,
        le=1024 * MIB,
    )
    free_bytes_low: Size = _setting(
        1024 * MIB,
        "With less free space than this the log and the metrics warn.",
        Facts("bytes", "Time to act before appends are refused."),
        ge=0,
        le=1 << 50,
    )
    free_bytes_min: Size = _setting(
        256 * MIB,
        "With less free space than this appends are refused; reads, trims and deletions go on.",
        Facts("bytes", "Room for indexes, catalogues and compaction, which give space back."),
        ge=0,
        le=1 << 50,
    )
    compaction_dead_percent: Count = _setting(
        50,
        "A sealed segment is written anew when so much of it is trimmed or of deleted streams.",
        Facts("percent", "For each byte that it gives back, at most one is written."),
        ge=10,
        le=100,
    )
    compaction_bytes_per_s: Size = _setting(
        16 * MIB,
        "How fast segments that are written anew are read and written, both counted.",
        Facts("bytes a second", "A small share of any disk, so that appends do not notice it."),
        ge=64 * KIB,
        le=16384 * MIB,
    )
    scrub_bytes_per_s: Size = _setting(
        4 * MIB,
        "How fast sealed segments are read again to find damage before readers do; 0: never.",
        Facts("bytes a second", "A small share of any disk; 2.4 TB in a week."),
        ge=0,
        le=16384 * MIB,
    )
    scrub_interval: Age = _setting(
        7 * 24 * 3_600_000,
        "From the beginning of one pass over all sealed segments to that of the next, as 7d.",
        Facts("ms", "Damage that is found while a copy is whole can be repaired."),
        ge=1000,
        le=1 << 40,
    )
    retention_bytes: Size = _setting(
        0,
        "How much is kept of each stream that does not say so itself; 0: all.",
        Facts("bytes", "Nothing is dropped that nobody asked to drop."),
        ge=0,
        le=RETENTION_MAX,
    )
    retention_age: Age = _setting(
        0,
        "How long records are kept of each stream that does not say so itself, as 7d; 0: for ever.",
        Facts("ms", "Nothing is dropped that nobody asked to drop."),
        ge=0,
        le=RETENTION_MAX,
    )
    advertise_rpc_addr: LocalAddress | None = _setting(
        None,
        "gRPC address that others are told, where it is not the bound one.",
        Facts(why="Behind a NAT or in a container the bound address leads nowhere."),
    )
    found: bool = _setting(
        False,
        "Found a cluster when no seed answers; a node without seeds does so anyway.",
    )
    lame_duck_ms: Count = _setting(
        0,
        "How long to go on serving after SIGTERM, with readiness off.",
        Facts("ms", "Nobody takes over from a lone node; 5000 behind a load balancer."),
        ge=0,
        le=600_000,
    )
    drain_ms: Count = _setting(
        10_000,
        "How long calls under way may take to end after SIGTERM.",
        Facts("ms", "Below the 30 s after which systemd and Kubernetes kill."),
        ge=0,
        le=600_000,
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "Least important log lines that are written."
    )
    log_format: Literal["auto", "json", "console"] = _setting(
        "auto", "Log lines as JSON or for people; auto: for people on a terminal."
    )
    zone: str = _setting("", "Failure domain of this node.", Facts(built=False))
    tags: Pairs = _setting(
        {}, "Free KEY=VALUE pairs of this node, several by commas, told to all members."
    )
    advertise_addr: GossipAddress | None = _setting(
        None,
        "Gossip address that others are told, where it is not the bound one; port 0: the bound.",
        Facts(why="Behind a NAT or in a container the bound address leads nowhere."),
    )
    encrypt_keys: Keys = _setting(
        (),
        "Gossip keys of 16, 24 or 32 bytes in base64, several by commas; the first one encrypts.",
        Facts(why="None: whoever reaches the port can pretend to be a member."),
    )
    acl_model_file: Path | None = _unbuilt_file("Authorization model.")
    acl_policy_file: Path | None = _unbuilt_file("Authorization rules.")
    server_tls_cert_file: Path | None = _unbuilt_file("Certificate of the RPC port.")
    server_tls_key_file: Path | None = _unbuilt_file("Key of the RPC port's certificate.")
    server_tls_ca_file: Path | None = _unbuilt_file("CA of the clients' certificates.")
    peer_tls_cert_file: Path | None = _unbuilt_file("Certificate towards other nodes.")
    peer_tls_key_file: Path | None = _unbuilt_file("Key of the certificate towards other nodes.")
    peer_tls_ca_file: Path | None = _unbuilt_file("CA of other nodes' certificates.")
