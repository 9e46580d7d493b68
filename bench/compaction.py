"""``python -m bench.compaction``: what compaction costs those who append, and how much it writes.

A real agent in a process of its own, one shard, segments of 4 MiB. Each round fills segments with
two streams in turns, one of which is then deleted: all of them are to be compacted. A client that
waits for each answer appends 1 KiB for as long as that takes, at the default rate, and for a while
before anything was deleted, and after it is over. Printed are the medians and 99th percentiles with
and without, their ratios by round, and bytes written over bytes given back.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
import urllib.request
from statistics import median, quantiles

import goutube
from bench.card import machine_card
from goutube.limits import KIB, MIB
from tests.support.agents import RestartedAgent, restarted_agent

ROUNDS = 5
PIECES = 800
"""Of each of the two streams, each round."""
PIECE_BYTES = {"alive": 32 * KIB, "dead": 36 * KIB}
"""A little more than half is dead: as much is written as ever is for a byte that is given back."""
RECORD = bytes(KIB)
STARTS_WITHIN_S = 60
_LINE = re.compile(r"^goutube_(\w+)_total (\S+)$", re.MULTILINE)


def counters(address: str) -> dict[str, float]:
    """The agent's counters as of now."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return {name: float(value) for name, value in _LINE.findall(answer.read().decode())}


def http_address(agent: RestartedAgent) -> str:
    """Where the agent tells its counters."""
    ready = [line for line in map(json.loads, agent.log_lines) if line["event"] == "agent_ready"]
    return ready[-1]["http_address"]


def fill(client: goutube.Client, number: int) -> None:
    """Batches of two streams in turns."""
    for _ in range(PIECES):
        for name, size in PIECE_BYTES.items():
            client.append(f"{name}-{number}", bytes(size))


def append_until(client: goutube.Client, end: float) -> list[float]:
    """How long each append took until a moment."""
    found = []
    while (began := time.perf_counter()) < end:
        client.append("latency", RECORD)
        found.append(time.perf_counter() - began)
    return found


def one_round(client: goutube.Client, address: str, number: int) -> dict[str, list[float]]:
    """Seconds of appends without and with compaction."""
    fill(client, number)
    began = counters(address)
    quiet = append_until(client, time.perf_counter() + 5)
    client.delete(f"dead-{number}")
    due = time.perf_counter() + STARTS_WITHIN_S
    while counters(address)["segments_compacted"] == began["segments_compacted"]:
        append_until(client, time.perf_counter() + 0.1)
        assert time.perf_counter() < due, "nothing was compacted"
    busy: list[float] = []
    last = counters(address)["compaction_bytes"]
    while True:
        part = append_until(client, time.perf_counter() + 1.5)
        now = counters(address)["compaction_bytes"]
        if now == last:
            break
        busy += part
        last = now
    quiet += append_until(client, time.perf_counter() + 5)
    return {"without": quiet, "with": busy}


def late(seconds: list[float]) -> float:
    """The 99th percentile."""
    return quantiles(seconds, n=100)[98]


def main() -> None:
    """Print the figures of every round and of all."""
    print(machine_card())
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    settings = ["--shard-count", "1", "--segment-bytes", "4MiB", "--http-port", "127.0.0.1:0"]
    found: dict[str, list[float]] = {"without": [], "with": []}
    ratios = []
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        restarted_agent(folder + "/data", *settings) as agent,
        goutube.connect(agent.address) as client,
    ):
        address = http_address(agent)
        for number in range(rounds):
            part = one_round(client, address, number)
            for name, seconds in part.items():
                found[name] += seconds
            ratios.append(late(part["with"]) / late(part["without"]))
        now = counters(address)
    for name, seconds in found.items():
        print(
            f"{name} compaction: {len(seconds)} appends, median {median(seconds) * 1e3:.2f} ms, "
            f"99th percentile {late(seconds) * 1e3:.2f} ms"
        )
    print("99th percentile, with over without, by round:", *(f"{ratio:.2f}" for ratio in ratios))
    written, freed = now["compaction_bytes"], now["freed_bytes"]
    print(
        f"{now['segments_compacted']:.0f} segments compacted: {written / MIB:.1f} MiB written, "
        f"{freed / MIB:.1f} MiB given back, written over given back {written / freed:.2f}"
    )


if __name__ == "__main__":
    main()
