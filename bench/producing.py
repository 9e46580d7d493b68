"""``python -m bench.producing``: durable records of 100 bytes a second from one producer.

A real agent in a process of its own, one synchronous and one asyncio producer in this one. Beside
them, in turn, the same bytes as bare gRPC messages of 1 MiB on a bidirectional call, each answered:
that is what a transport takes that knows no record and stores nothing. Printed are records a second
and the processor time of both processes for one record; every record is counted before.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from statistics import median

import grpc
import uvloop

import goutube
import goutube.aio
from bench.card import machine_card
from bench.echo import ECHO, OPTIONS, echo_server
from tests.support.agents import restarted_agent

ROUNDS, COUNT = 5, 1_000_000
RECORD = bytes(100)
MESSAGE = bytes(1 << 20)


def produce(address: str, name: str) -> float:
    """Seconds that a synchronous producer takes."""
    with goutube.connect(address) as client:
        began = time.perf_counter()
        with client.producer(name) as producer:
            for _ in range(COUNT):
                producer.send(RECORD)
        took = time.perf_counter() - began
        assert client.stat(name).record_count == COUNT
    return took


async def produce_async(address: str, name: str) -> float:
    """Seconds that an asyncio producer takes."""
    async with goutube.aio.connect(address) as client:
        began = time.perf_counter()
        async with client.producer(name) as producer:
            for _ in range(COUNT):
                await producer.send(RECORD)
        took = time.perf_counter() - began
        assert (await client.stat(name)).record_count == COUNT
    return took


def echo(address: str) -> float:
    """Seconds that the same bytes take as bare messages."""
    messages = COUNT * len(RECORD) // len(MESSAGE)
    with grpc.insecure_channel(address, OPTIONS) as channel:
        began = time.perf_counter()
        answers = channel.stream_stream(ECHO)(iter([MESSAGE] * messages))
        assert sum(1 for _ in answers) == messages
        return time.perf_counter() - began


def main() -> None:
    """Print the rates of every round and their medians."""
    print(machine_card())
    rates: dict[str, list[float]] = {"bare echo": [], "producer": [], "asyncio producer": []}
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        restarted_agent(f"{folder}/data") as agent,
        echo_server() as bare,
    ):
        for number in range(ROUNDS):
            rates["bare echo"].append(COUNT / echo(bare))
            own, other = time.process_time(), agent.cpu_seconds()
            rates["producer"].append(COUNT / produce(agent.address, f"p/{number}"))
            own, other = time.process_time() - own, agent.cpu_seconds() - other
            name = f"a/{number}"
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                took = runner.run(produce_async(agent.address, name))
            rates["asyncio producer"].append(COUNT / took)
            line = ", ".join(f"{kind} {figures[-1]:,.0f}/s" for kind, figures in rates.items())
            print(
                f"{line}; us a record: client {own / COUNT * 1e6:.2f}, "
                f"server {other / COUNT * 1e6:.2f}",
                flush=True,
            )
    for kind, figures in rates.items():
        print(f"{kind}: median {median(figures):,.0f} records/s")


if __name__ == "__main__":
    main()
