"""``goutube cluster``: what the cluster is doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from goutube.cli.cluster_events import events, news
from goutube.cli.cluster_keys import keys
from goutube.cli.options import examples, json_option
from goutube.cli.output import print_fields, print_json, print_table
from goutube.cli.session import with_client
from goutube.client import Client, MemberInfo


@click.group(
    epilog=examples(
        "goutube cluster status",
        "goutube cluster members",
        "goutube cluster ring",
        "goutube cluster locate videos/clip",
        "goutube cluster events",
        "goutube cluster keys list",
    )
)
def cluster() -> None:
    """Tell what the cluster is doing."""


@cluster.command(
    epilog=examples(
        "goutube cluster status --json",
        "until goutube cluster status 2>/dev/null; do sleep 0.2; done",
    )
)
@json_option
@with_client
def status(client: Client, *, as_json: bool) -> None:
    """Tell how the cluster is; end with 0 as soon as the node serves, and with 1 before."""
    answer = client.status()
    if as_json:
        print_json(asdict(answer))
        return
    faults = {
        f"fault of shard {shard.shard}": shard.fault for shard in answer.shards if shard.fault
    }
    print_fields(
        {
            "cluster_id": answer.cluster_id,
            "settled": "yes" if answer.settled else "no",
            "topology_version": str(answer.topology_version),
            "shards": str(len(answer.shards)),
            "streams": str(sum(shard.stream_count for shard in answer.shards)),
            **{
                f"node {node.name}": f"{node.status} at {node.rpc_address}, {node.version}"
                for node in answer.nodes
            },
            **faults,
        }
    )


@cluster.command(
    epilog=examples("goutube cluster members --json", "goutube cluster members --watch")
)
@json_option
@click.option("--watch", is_flag=True, help="Go on, and print each change until interrupted.")
@with_client
def members(client: Client, *, as_json: bool, watch: bool) -> None:
    """List whom the node knows by gossip, itself included."""
    if not watch:
        _print_members(client.members(), as_json=as_json)
        return
    known: dict[str, MemberInfo] = {}
    for event in client.watch_members():
        told = news(event, known)
        if told:
            _print_members(told, as_json=as_json)


@cluster.command(epilog=examples("goutube cluster ring", "goutube cluster ring --json"))
@json_option
@with_client
def ring(client: Client, *, as_json: bool) -> None:
    """Tell who owns which part of the hash ring."""
    topology = client.topology()
    shares = topology.ring.shares
    if as_json:
        nodes = [asdict(node) | {"share": shares[node.name]} for node in topology.nodes]
        print_json(
            {
                "hash_function": topology.hash_function,
                "shard_count": len(topology.shards),
                "topology_version": topology.version,
                "nodes": nodes,
            }
        )
        return
    print_table(
        ["name", "tokens", "share", "rpc_address"],
        [
            [node.name, str(node.tokens), f"{shares[node.name]:.2%}", node.rpc_address]
            for node in topology.nodes
        ],
    )


@cluster.command(epilog=examples("goutube cluster locate videos/clip"))
@click.argument("stream")
@json_option
@with_client
def locate(client: Client, stream: str, *, as_json: bool) -> None:
    """Tell which shard a stream belongs to, and who holds it; it need not be there."""
    topology = client.topology()
    shard = topology.shard_of(stream)
    holders = topology.shards[shard]
    if as_json:
        print_json({"stream": stream, "shard": shard, **asdict(holders)})
        return
    print_fields(
        {
            "shard": str(shard),
            "leader": holders.leader or "none known",
            "replicas": ", ".join(holders.replicas),
        }
    )


cluster.add_command(events)
cluster.add_command(keys)


def _print_members(told: Sequence[MemberInfo], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(member) for member in told])
        return
    print_table(
        ["name", "status", "type", "address", "rpc_address"],
        [[one.name, one.status, one.type, one.address, one.rpc_address] for one in told],
    )
