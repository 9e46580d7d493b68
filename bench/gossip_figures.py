"""Membership in virtual time: ``python -m bench.gossip_figures`` fills tables of docs/GOSSIP.md.

Whole clusters of the machines that agents run, on a network in memory; all follows from the seeds.
``--nodes N`` (1000) is the size of the large cluster. With 1000 it takes about an hour of processor
time; ``--kept FILE`` keeps what was measured, so that it can be gone on with.
"""

from __future__ import annotations

import argparse
import gc
import re
import statistics
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from goutube.membership import Change, MemberChanged, Profile, Status, swim, view
from goutube.membership.messages import State
from tests.support.gossip_world import GossipWorld, Node

PAGE = Path(__file__).parents[1] / "docs" / "GOSSIP.md"
WATCHED_S = {True: 15, False: 60}
"""How long a cluster is watched before the kills: one of at least ``LARGE`` nodes, and another."""
LARGE = 1000
NODES_A_KILL = 50
"""One node of so many is killed in each run, all at one moment."""
SMALL_RUNS = 10
"""Runs of the clusters of 10 and 100 nodes, which lose one and two nodes at a time."""
DETECTION_S_MAX = 200
OURS = "and asleep while stopped (ours)"
DETECTORS = {
    # Without Lifeguard suspicion has one length, and nobody doubts himself.
    "plain SWIM": (Profile(suspicion_max_multiplier=1, awareness_max=1), True),
    "with Lifeguard": (Profile(), True),
    OURS: (Profile(), False),
}
"""Timers, and whether a stopped node takes the time that it missed for the others' silence."""
ALONE = ((0.0, 0.0), (0.05, 0.0), (0.2, 0.0), (0.0, 0.01), (0.0, 0.1))
"""Loss and share of stopped nodes, one at a time: what the large cluster is put through."""
SMALL = 100
TOGETHER = tuple((loss, stopped) for stopped in (0.0, 0.01, 0.1) for loss in (0.0, 0.05, 0.2))
"""What a cluster of ``SMALL`` nodes is put through."""
_FIGURES = [
    "bytes", "packets", "first suspicion, s", "first failed, s", "failed everywhere, s",
    "false, by others", "false, by stopped ones", "stopped ones held for failed",
]  # fmt: skip


class Setting(msgspec.Struct, frozen=True):
    """What is done to a cluster, and which detector it has.

    Attributes:
        nodes: how many there are.
        loss: share of packets that get lost.
        stopped: share of nodes that are stopped again and again.
        detector: the name of one of ``DETECTORS``.
        seed: of all chance.
    """

    nodes: int
    loss: float = 0.0
    stopped: float = 0.0
    detector: str = OURS
    seed: int = 1


class Found(msgspec.Struct, frozen=True):
    """What came of it: bytes and packets a node and second, seconds per kill, false verdicts."""

    load: tuple[float, float]
    times: list[tuple[float, float, float]]
    false: tuple[int, int, int]


def measured(setting: Setting) -> Found:
    """Watch a cluster, then kill some of its nodes and see how long the others take."""
    profile, trusting = DETECTORS[setting.detector]
    world = GossipWorld(setting.seed, loss=setting.loss)
    nodes = world.settled_cluster(setting.nodes, profile=profile)
    gc.collect()
    gc.freeze()
    if trusting:  # a stopped machine takes the time that it missed for the silence of the others
        for node in nodes:
            node.machine._context.timers.lag_ms = lambda _now_ms: 0  # type: ignore[method-assign]
    slow = nodes[: int(setting.nodes * setting.stopped)]
    stop_often(world, slow)
    bytes_before, packets_before = world.bytes_sent, world.packets_sent
    watched_s = WATCHED_S[setting.nodes >= LARGE]
    world.run(watched_s)
    node_seconds = setting.nodes * watched_s
    load = (
        (world.bytes_sent - bytes_before) / node_seconds,
        (world.packets_sent - packets_before) / node_seconds,
    )
    count = max(1, setting.nodes // NODES_A_KILL)
    dead, healthy = nodes[-count:], nodes[len(slow) : -count]
    times = detection(world, dead, healthy)
    there = {node.name for node in healthy}
    false = (
        false_failures(healthy, there),
        false_failures(slow, there),
        false_failures(healthy + slow, {node.name for node in slow}),
    )
    gc.unfreeze()
    return Found(load, times, false)


def stop_often(world: GossipWorld, slow: list[Node]) -> None:
    """Stop each for 0.5 to 8 s, let it run for 0.1 to 1 s, and stop it again, for ever."""

    def stop(node: Node) -> Callable[[], None]:
        def act() -> None:
            seconds = world.chance.uniform(0.5, 8)
            world.pause(node, seconds)
            world.at(int((seconds + world.chance.uniform(0.1, 1)) * 1000), act)

        return act

    for node in slow:
        world.at(world.chance.randrange(2000), stop(node))


def detection(
    world: GossipWorld, dead: list[Node], watching: list[Node]
) -> list[tuple[float, float, float]]:
    """Seconds from a kill to the first suspicion, the first failed, and failed everywhere."""
    began = world.now_ms
    for node in dead:
        world.kill(node)
    passed: dict[str, list[float]] = {node.name: [] for node in dead}
    while any(len(found) < 3 for found in passed.values()):
        assert world.now_ms - began < DETECTION_S_MAX * 1000
        world.run(0.1)
        for name, found in passed.items():
            steps = (suspected, failed_somewhere, failed_everywhere)
            while len(found) < 3 and steps[len(found)](watching, name):
                found.append((world.now_ms - began) / 1000)
    return [(first, failed, everywhere) for first, failed, everywhere in passed.values()]


def suspected(nodes: list[Node], name: str) -> bool:
    """Whether somebody holds it for less than alive."""
    entries = (node.machine._swim.view.entries.get(name) for node in nodes)
    return any(entry is None or entry.state != State.ALIVE for entry in entries)


def failed_somewhere(nodes: list[Node], name: str) -> bool:
    """Whether somebody holds it for failed."""
    return any(node.machine.members[name].status == Status.FAILED for node in nodes)


def failed_everywhere(nodes: list[Node], name: str) -> bool:
    """Whether all hold it for failed."""
    return all(node.machine.members[name].status == Status.FAILED for node in nodes)


def false_failures(nodes: Iterable[Node], alive: set[str]) -> int:
    """How often one of the nodes held a live one for failed."""
    return sum(
        isinstance(event, MemberChanged)
        and event.change == Change.FAILED
        and event.member.name in alive
        for node in nodes
        for event in node.events
    )


def cells(found: Found) -> list[str]:
    """A row's figures: of loads and times the means."""
    times = [statistics.mean(column) for column in zip(*found.times, strict=True)]
    return [
        f"{found.load[0]:,.0f}",
        f"{found.load[1]:.1f}",
        *(f"{mean:.1f}" for mean in times),
        *(f"{count:,}" for count in found.false),
    ]


def with_table(page: str, columns: list[str], rows: Iterable[list[str]]) -> str:
    """The page with this table in the place of the one that has the same columns."""
    lines = [f"| {' | '.join(line)} |" for line in (columns, ["---"] * len(columns), *rows)]
    table = re.compile(rf"^{re.escape(lines[0])}\n(\|.*\n)*", re.MULTILINE)
    assert table.search(page), f"{PAGE} has no table with {lines[0]}"
    return table.sub(lambda _: "\n".join(lines) + "\n", page)


def share_codecs() -> None:
    """Decode and encode each rumour once for all nodes: what is shared is frozen."""
    module: Any
    for module, name in ((swim, "decode_message"), (view, "encode_message")):
        setattr(module, name, lru_cache(1 << 16)(getattr(module, name)))


class Bench:
    """Measures each setting once; what a file holds from an earlier run is not run again."""

    def __init__(self, kept: Path | None) -> None:
        self._kept = kept
        self._found: dict[Setting, Found] = {}
        if kept is not None and kept.exists():
            for line in kept.read_text().splitlines():
                setting, found = msgspec.json.decode(line, type=tuple[Setting, Found])
                self._found[setting] = found

    def __call__(self, setting: Setting) -> Found:
        """What came of a setting."""
        if setting not in self._found:
            began = time.monotonic()
            found = self._found[setting] = measured(setting)
            print(setting, cells(found), f"{time.monotonic() - began:.0f} s", flush=True)
            if self._kept is not None:
                with self._kept.open("ab") as file:
                    file.write(msgspec.json.encode((setting, found)) + b"\n")
        return self._found[setting]

    def repeated(self, size: int) -> Found:
        """An undisturbed cluster; small ones several times, since they have few nodes to kill."""
        seeds = range(1, 2 if size >= LARGE else 1 + SMALL_RUNS)
        runs = [self(Setting(size, seed=seed)) for seed in seeds]
        sizes, packets = zip(*(run.load for run in runs), strict=True)
        load = statistics.mean(sizes), statistics.mean(packets)
        others, stopped, held = (
            sum(counts) for counts in zip(*(run.false for run in runs), strict=True)
        )
        return Found(load, [times for run in runs for times in run.times], (others, stopped, held))


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--kept", type=Path, help="a file of what was measured, to go on with")
    options = parser.parse_args()
    bench, size = Bench(options.kept), options.nodes
    share_codecs()
    gc.disable()
    page = PAGE.read_text()
    page = with_table(page, ["nodes", "loss", "stopped", *_FIGURES], [
        [f"{nodes:,}", f"{loss:.0%}", f"{stopped:.0%}",
         *cells(bench(Setting(nodes, loss, stopped)))]
        for nodes, pairs in ((size, ALONE), (SMALL, TOGETHER)) for loss, stopped in pairs
    ])  # fmt: skip
    page = with_table(page, ["nodes", "stopped", "detector", *_FIGURES], [
        [f"{nodes:,}", f"{stopped:.0%}", name,
         *cells(bench(Setting(nodes, 0.0, stopped, name)))]
        for nodes, stopped in ((SMALL, 0.01), (SMALL, 0.1), (size, 0.01)) for name in DETECTORS
    ])  # fmt: skip
    page = with_table(page, ["nodes", *_FIGURES], [
        [f"{nodes:,}", *cells(bench.repeated(nodes))] for nodes in (10, SMALL, size)
    ])  # fmt: skip
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
