"""``python -m bench.closed_loop``: 16 clients, each waiting for its own durable append of 1 KiB.

Beside them, in turn, 16 clients of a bare bidirectional echo that get an answer as small without
anything being stored. A real agent and the echo in processes of their own; printed are answers a
second and the ratio.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from statistics import median

import grpc.aio
import uvloop

import goutube.aio
from bench.card import machine_card
from bench.echo import ECHO, OPTIONS, echo_server
from tests.support.agents import restarted_agent

CLIENTS, ROUNDS, SECONDS = 16, 7, 3.0
RECORD = bytes(1024)


async def appends(address: str, name: str) -> float:
    """Acknowledgements a second."""
    count = 0
    until = time.perf_counter() + SECONDS

    async def client() -> None:
        nonlocal count
        async with goutube.aio.connect(address) as connection:
            while time.perf_counter() < until:
                await connection.append(name, RECORD)
                count += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count / SECONDS


async def echoes(address: str) -> float:
    """Answers a second."""
    count = 0
    until = time.perf_counter() + SECONDS

    async def client() -> None:
        nonlocal count
        async with grpc.aio.insecure_channel(address, OPTIONS) as channel:
            call = channel.stream_stream(ECHO)()
            while time.perf_counter() < until:
                await call.write(RECORD)
                await call.read()
                count += 1
            await call.done_writing()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count / SECONDS


async def measure(address: str, echo: str) -> None:
    """Print both rates of every round and the median of the ratios; all on one event loop."""
    ratios = []
    for number in range(ROUNDS):
        bare = await echoes(echo)
        durable = await appends(address, f"loop/{number}")
        ratios.append(durable / bare)
        print(f"echo {bare:.0f}/s, durable {durable:.0f}/s, ratio {durable / bare:.2f}", flush=True)
    print(f"median ratio {median(ratios):.2f}")


def main() -> None:
    """Start both servers and measure."""
    print(machine_card())
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        restarted_agent(f"{folder}/data") as agent,
        echo_server() as echo,
    ):
        uvloop.run(measure(agent.address, echo))


if __name__ == "__main__":
    main()
