"""``python -m bench.shards``: 64 clients in 64 shards beside 64 clients on one stream.

A real agent in a process of its own, closed-loop asyncio clients in this one, durable appends of
1 KiB. The two loads take turns; printed are acknowledgements a second and the ratio.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from statistics import median

import goutube.aio
from bench.card import machine_card
from goutube.ring import ShardMap
from tests.support.agents import restarted_agent

CLIENTS, ROUNDS, SECONDS = 64, 5, 4.0
RECORD = bytes(1024)


def one_name_a_shard() -> list[str]:
    """64 stream names, each in a shard of its own."""
    shards, names, number = ShardMap(64, "xxh64"), {}, 0
    while len(names) < 64:
        names.setdefault(shards.shard_of(f"spread/{number}"), f"spread/{number}")
        number += 1
    return list(names.values())


async def load(address: str, names: list[str]) -> float:
    """Acknowledgements a second of one client a name, each waiting for its own."""
    acknowledged = 0
    until = time.perf_counter() + SECONDS

    async def client(name: str) -> None:
        nonlocal acknowledged
        async with goutube.aio.connect(address) as connection:
            while time.perf_counter() < until:
                await connection.append(name, RECORD)
                acknowledged += 1

    await asyncio.gather(*(client(name) for name in names))
    return acknowledged / SECONDS


def main() -> None:
    """Print both rates of every round and the median of the ratios."""
    print(machine_card())
    ratios = []
    with tempfile.TemporaryDirectory(dir=".") as folder, restarted_agent(folder + "/data") as agent:
        # Its log goes to a pipe, which must not fill up.
        threading.Thread(target=agent.child.stderr.read, daemon=True).start()
        for number in range(ROUNDS):
            one = asyncio.run(load(agent.address, [f"one/{number}"] * CLIENTS))
            many = asyncio.run(load(agent.address, one_name_a_shard()))
            ratios.append(many / one)
            print(f"one stream {one:.0f}/s, 64 shards {many:.0f}/s, ratio {many / one:.2f}")
    print(f"median ratio {median(ratios):.2f}")


if __name__ == "__main__":
    main()
