"""``goutube cluster``: what the cluster is doing."""

from __future__ import annotations

from dataclasses import asdict

import click

from goutube.cli.options import examples, json_option
from goutube.cli.output import print_fields, print_json
from goutube.cli.session import with_client
from goutube.client import Client


@click.group(epilog=examples("goutube cluster status"))
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
