"""``python -m bench.closed_loop``: 16 clients, each waiting for its own durable append of 1 KiB.

Beside them, in turn, 16 clients of a bare bidirectional echo that get an answer as small without
anything being stored. Each client of either kind has a connection of its own: without the options
that ours has, gRPC would let all channels of the process share one, and its system calls. A real
agent and the echo in processes of their own; printed are answers a second, the ratio, and the
microseconds of processor time that an answer cost the clients and the server.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import grpc.aio
import uvloop

import goutube.aio
from bench.card import machine_card
from bench.echo import ECHO, echo_process
from goutube.client.transport import CHANNEL_OPTIONS
from tests.support.agents import restarted_agent

CLIENTS, ROUNDS, SECONDS = 16, 7, 3.0
RECORD = bytes(1024)


class Round(NamedTuple):
    """Answers a second, and the microseconds of processor time that one of them took."""

    rate: float
    client_us: float
    server_us: float


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
        async with grpc.aio.insecure_channel(address, CHANNEL_OPTIONS) as channel:
            call = channel.stream_stream(ECHO)()
            while time.perf_counter() < until:
                await call.write(RECORD)
                await call.read()
                count += 1
            await call.done_writing()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count / SECONDS


async def timed(work: Awaitable[float], server_pid: int) -> Round:
    """One round of either kind."""
    own, server = time.process_time(), _processor_seconds(server_pid)
    rate = await work
    own, server = time.process_time() - own, _processor_seconds(server_pid) - server
    count = rate * SECONDS
    return Round(rate, own / count * 1e6, server / count * 1e6)


def _processor_seconds(pid: int) -> float:
    # Behind the name in parentheses, utime and stime are the 12th and 13th word.
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def measure(address: str, agent_pid: int, echo: str, echo_pid: int) -> None:
    """Print every round, the medians, and the median of the ratios; all on one event loop."""
    rounds: list[tuple[Round, Round]] = []
    for number in range(ROUNDS):
        bare = await timed(echoes(echo), echo_pid)
        ours = await timed(appends(address, f"loop/{number}"), agent_pid)
        rounds.append((bare, ours))
        print(f"echo {_told(bare)}; durable {_told(ours)}; ratio {ours.rate / bare.rate:.2f}")
    for kind, name in enumerate(("echo", "durable")):
        middle = Round(*map(median, zip(*(each[kind] for each in rounds), strict=True)))
        print(f"median of {name}: {_told(middle)}")
    print(f"median ratio {median(ours.rate / bare.rate for bare, ours in rounds):.2f}")


def _told(one: Round) -> str:
    return f"{one.rate:.0f}/s ({one.client_us:.0f} + {one.server_us:.0f} us)"


def main() -> None:
    """Start both servers and measure."""
    print(machine_card())
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        restarted_agent(f"{folder}/data") as agent,
        echo_process() as (echo, echo_pid),
    ):
        uvloop.run(measure(agent.address, agent.child.pid, echo, echo_pid))


if __name__ == "__main__":
    main()
