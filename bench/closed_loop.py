"""``python -m bench.closed_loop``: 16 clients, each waiting for its own durable append of 1 KiB.

Beside them, in turn, 16 clients of a bare bidirectional echo that get an answer as small without
anything being stored. Twice: clients of asyncio, all on one event loop, and synchronous ones, each
on a thread of its own; ``asyncio`` or ``threads`` behind the name runs one of the two. Each client
of either kind has a connection of its own: without the options that ours has, gRPC would let all
channels of the process share one, and its system calls. A real agent and the echo in processes of
their own; printed are answers a second, the ratio, and the microseconds of processor time that an
answer cost the clients and the server.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from typing import NamedTuple

import grpc.aio
import uvloop

import goutube.aio
from bench.card import machine_card
from bench.echo import ECHO, echo_process
from goutube.client.transport import CHANNEL_OPTIONS
from tests.support.agents import restarted_agent

CLIENTS, ROUNDS, SECONDS, GOAL = 16, 7, 3.0, 0.5
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


def thread_appends(address: str, name: str) -> float:
    """The same, by synchronous clients on threads."""

    def client(count: Callable[[], bool]) -> None:
        with goutube.connect(address) as connection:
            while count():
                connection.append(name, RECORD)

    return _on_threads(client)


def thread_echoes(address: str) -> float:
    """The same, by synchronous clients on threads."""

    def client(count: Callable[[], bool]) -> None:
        with grpc.insecure_channel(address, CHANNEL_OPTIONS) as channel:
            outbox: SimpleQueue[bytes | None] = SimpleQueue()
            call = channel.stream_stream(ECHO)(iter(outbox.get, None))
            while count():
                outbox.put(RECORD)
                next(call)
            outbox.put(None)
            for _ in call:
                pass

    return _on_threads(client)


def _on_threads(client: Callable[[Callable[[], bool]], None]) -> float:
    """What all clients do in a second; each says when it begins something, and may."""
    counts = [0] * CLIENTS
    until = time.perf_counter() + SECONDS

    def run(number: int) -> None:
        def count() -> bool:
            counts[number] += 1
            return time.perf_counter() < until

        client(count)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (sum(counts) - CLIENTS) / SECONDS


def timed(work: Callable[[], float], server_pid: int) -> Round:
    """One round of either kind."""
    own, server = time.process_time(), _processor_seconds(server_pid)
    rate = work()
    own, server = time.process_time() - own, _processor_seconds(server_pid) - server
    count = rate * SECONDS
    return Round(rate, own / count * 1e6, server / count * 1e6)


def _processor_seconds(pid: int) -> float:
    # Behind the name in parentheses, utime and stime are the 12th and 13th word.
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Clients(NamedTuple):
    """The two kinds of work by one kind of clients."""

    append: Callable[[str, str], float]
    echo: Callable[[str], float]


def kinds(runner: asyncio.Runner) -> dict[str, Clients]:
    """The kinds of clients; those of asyncio share one event loop for good."""
    return {
        "asyncio": Clients(
            lambda address, name: runner.run(appends(address, name)),
            lambda address: runner.run(echoes(address)),
        ),
        "threads": Clients(thread_appends, thread_echoes),
    }


def measure(kind: str, clients: Clients, agent: tuple[str, int], echo: tuple[str, int]) -> None:
    """Print every round, the medians, and the median of the ratios; of servers: address, pid."""
    rounds: list[tuple[Round, Round]] = []
    for number in range(ROUNDS):
        name = f"{kind}/{number}"
        bare = timed(lambda: clients.echo(echo[0]), echo[1])
        ours = timed(lambda name=name: clients.append(agent[0], name), agent[1])  # type: ignore[misc]
        rounds.append((bare, ours))
        print(f"echo {_told(bare)}; durable {_told(ours)}; ratio {ours.rate / bare.rate:.2f}")
    for place, what in enumerate(("echo", "durable")):
        middle = Round(*map(median, zip(*(each[place] for each in rounds), strict=True)))
        print(f"{kind}, median of {what}: {_told(middle)}")
    ratio = median(ours.rate / bare.rate for bare, ours in rounds)
    print(f"{kind}, median ratio {ratio:.2f}, goal {GOAL}", flush=True)


def _told(one: Round) -> str:
    return f"{one.rate:.0f}/s ({one.client_us:.0f} + {one.server_us:.0f} us)"


def main() -> None:
    """Start both servers and measure."""
    print(machine_card())
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        restarted_agent(f"{folder}/data") as agent,
        echo_process() as echo,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        for kind, clients in kinds(runner).items():
            if kind in (sys.argv[1:] or [kind]):
                measure(kind, clients, (agent.address, agent.child.pid), echo)


if __name__ == "__main__":
    main()
