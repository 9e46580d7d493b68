"""Figures of membership in virtual time: ``python -m bench.gossip_figures`` writes docs/GOSSIP.md.

Whole clusters of the machines that agents run, on a network in memory; all follows from the seeds.
``--quick`` leaves the largest cluster out.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from goutube.membership import Change, MemberChanged, Profile, Status
from goutube.membership.messages import State
from tests.support.gossip_world import GossipWorld, Node

PAGE = Path(__file__).parents[1] / "docs" / "GOSSIP.md"
NODES = 100
QUIET_S = 60
PLAIN_SWIM = Profile(suspicion_max_multiplier=1, awareness_max=1)
"""Without Lifeguard: suspicion has one length, and nobody doubts himself."""
_FALSE = ["false, by others", "false, by stopped ones", "stopped ones held for failed"]
_HEAD = """# Figures of membership

Printed by `python -m bench.gossip_figures`; edit that instead.

Clusters of the machines that agents run, in virtual time on a network in memory (1 to 5 ms a
packet; streams are delayed by loss, not lost). Every figure follows from its seed. *False* counts
how often a node held one for failed that was well; a verdict counts with everyone who heard it.
Bytes are those of packets; the full exchange of two nodes each 30 s goes by a stream.
"""
_LOSS = f"""## Lost packets

{NODES} nodes, {QUIET_S} quiet seconds, then five kills (medians).
"""
_PERIOD = """SWIM's analysis expects the first suspicion after e/(e-1) = 1.58 periods on average,
whatever the number of nodes; a period is one second here, and a probe has failed at the end of its
own. Then the suspect has time to speak up: 8 s at 100 nodes, once two more suspect it.
"""
_PAUSES = f"""## Nodes that stand still

A minute in which a share of {NODES} nodes is stopped for 0.5 to 8 s, runs for 0.1 to 1 s, and is
stopped again. The Lifeguard paper ([arXiv 1707.00788](https://arxiv.org/abs/1707.00788v1)) tells of
more than 50 times fewer false positives than plain SWIM has. Its clusters and anomalies were other
ones, and here are too few false positives for such a ratio: only the direction compares.
"""
_GROWTH = """## Growth

No loss; 60 quiet seconds, then kills.
"""


def false_failures(nodes: Iterable[Node], alive: set[str]) -> int:
    """How often a node held a live one for failed."""
    return sum(
        isinstance(event, MemberChanged)
        and event.change == Change.FAILED
        and event.member.name in alive
        for node in nodes
        for event in node.events
    )


def idle_bytes(world: GossipWorld, nodes: list[Node], seconds: float) -> float:
    """Bytes that a node sends in a second while nothing happens."""
    before = world.bytes_sent
    world.run(seconds)
    return (world.bytes_sent - before) / seconds / len(nodes)


def detection(world: GossipWorld, nodes: list[Node]) -> tuple[float, float, float]:
    """Seconds from a kill to the first suspicion, the first failed, and failed everywhere."""
    dead = nodes.pop()
    began = world.now_ms
    world.kill(dead)
    first: dict[str, float] = {}

    def passed() -> float:
        return (world.now_ms - began) / 1000

    while len(first) < 3:
        assert passed() < 200
        world.run(0.1)
        entries = [node.machine._swim.view.entries.get(dead.name) for node in nodes]
        failed = [node.statuses()[dead.name] == Status.FAILED for node in nodes]
        suspected = any(entry is None or entry.state != State.ALIVE for entry in entries)
        for word, true in (("a", suspected), ("b", any(failed)), ("c", all(failed))):
            if true:
                first.setdefault(word, passed())
    return first["a"], first["b"], first["c"]


def losses() -> Iterator[list[str]]:
    """Loss of packets."""
    for loss in (0.0, 0.05, 0.2):
        world = GossipWorld(1, loss=loss)
        nodes = world.settled_cluster(NODES)
        rate = idle_bytes(world, nodes, QUIET_S)
        times = [detection(world, nodes) for _ in range(5)]
        alive = {node.name for node in nodes}
        yield [f"{loss:.0%}", f"{rate:.0f}", *medians(times), str(false_failures(nodes, alive))]


def medians(times: list[tuple[float, float, float]]) -> list[str]:
    """The median of each."""
    return [f"{statistics.median(column):.1f}" for column in zip(*times, strict=True)]


def pauses() -> Iterator[list[str]]:
    """Nodes that stand still again and again, as on an overloaded machine."""
    for share in (0.01, 0.1):
        for name, profile, trusting in (
            ("plain SWIM", PLAIN_SWIM, True),
            ("with Lifeguard", Profile(), True),
            ("and asleep while stopped (ours)", Profile(), False),
        ):
            yield [f"{share:.0%}", name, *paused(share, profile, trusting=trusting)]


def paused(share: float, profile: Profile, *, trusting: bool) -> list[str]:
    """A minute in which some nodes are stopped for 0.5 to 8 s and run for 0.1 to 1 s."""
    world = GossipWorld(2)
    nodes = world.settled_cluster(NODES, profile=profile)
    slow = nodes[: int(NODES * share)]
    if trusting:  # a stopped machine takes the time that it missed for the silence of the others
        for node in nodes:
            node.machine._context.timers.lag_ms = lambda _now_ms: 0  # type: ignore[method-assign]

    def stop(node: Node) -> Callable[[], None]:
        def act() -> None:
            seconds = world.chance.uniform(0.5, 8)
            world.pause(node, seconds)
            world.at(int((seconds + world.chance.uniform(0.1, 1)) * 1000), act)

        return act

    for node in slow:
        world.at(world.chance.randrange(2000), stop(node))
    world.run(60)
    healthy = {node.name for node in nodes if node not in slow}
    return [
        str(false_failures(nodes[len(slow) :], healthy)),
        str(false_failures(slow, healthy)),
        str(false_failures(nodes, {node.name for node in slow})),
    ]


def growth(sizes: Iterable[int]) -> Iterator[list[str]]:
    """The number of nodes."""
    for size in sizes:
        world = GossipWorld(3)
        nodes = world.settled_cluster(size)
        rate = idle_bytes(world, nodes, QUIET_S)
        times = [detection(world, nodes) for _ in range(3 if size < 1000 else 1)]
        yield [str(size), f"{rate:.0f}", *medians(times)]


def table(columns: list[str], rows: Iterator[list[str]]) -> str:
    """A table, row by row as they come."""
    lines = [columns, ["---"] * len(columns)]
    for row in rows:
        print(*row, sep="\t", flush=True)
        lines.append(row)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main(*options: Any) -> None:
    """Write the page."""
    sizes = (10, 100) if "--quick" in options else (10, 100, 1000)
    times = ["first suspicion, s", "first failed, s", "failed everywhere, s"]
    parts = [
        _HEAD,
        _LOSS,
        table(["loss", "bytes a node and second", *times, "false"], losses()),
        _PERIOD,
        _PAUSES,
        table(["stopped", "detector", *_FALSE], pauses()),
        _GROWTH,
        table(["nodes", "bytes a node and second", *times], growth(sizes)),
    ]
    PAGE.write_text("\n".join(parts))


if __name__ == "__main__":
    main(*sys.argv[1:])
