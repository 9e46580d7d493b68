"""``python -m bench.record_reading``: records of 100 bytes a second that one reader gets.

A real agent in a process of its own; one synchronous reader that asks for record after record, and
one that asks for numpy arrays. Beside them, in turn, the same bytes poured by a bare gRPC call in
messages of 256 KiB that nobody looks at.
"""

from __future__ import annotations

import tempfile
import time
from statistics import median

import grpc

import goutube
from bench.card import machine_card
from bench.echo import OPTIONS, POUR, echo_server
from tests.support.agents import restarted_agent

ROUNDS, COUNT = 7, 1_000_000
RECORD = bytes(100)
MESSAGE_BYTES = 256 << 10


def pour(address: str) -> float:
    """Seconds that the bytes alone take."""
    count = COUNT * len(RECORD) // MESSAGE_BYTES
    with grpc.insecure_channel(address, OPTIONS) as channel:
        began = time.perf_counter()
        messages = channel.unary_stream(POUR)(b"%d %d" % (MESSAGE_BYTES, count))
        assert sum(len(message) for message in messages) == count * MESSAGE_BYTES
        return time.perf_counter() - began


def read(client: goutube.Client) -> float:
    """Seconds that a reader of single records takes."""
    began = time.perf_counter()
    count = sum(1 for record in client.records("records") if len(record.value) == len(RECORD))
    took = time.perf_counter() - began
    assert count == COUNT
    return took


def read_batches(client: goutube.Client) -> float:
    """Seconds that a reader of arrays takes."""
    began = time.perf_counter()
    count = sum(len(batch) for batch in client.record_batches("records"))
    took = time.perf_counter() - began
    assert count == COUNT
    return took


def main() -> None:
    """Print the rates of every round and their medians."""
    print(machine_card())
    rates: dict[str, list[float]] = {"bare bytes": [], "records": [], "record_batches": []}
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        restarted_agent(f"{folder}/data") as agent,
        echo_server() as bare,
        goutube.connect(agent.address) as client,
    ):
        with client.producer("records") as producer:
            for _ in range(COUNT):
                producer.send(RECORD)
        for _ in range(ROUNDS):
            rates["bare bytes"].append(COUNT / pour(bare))
            own, other = time.process_time(), agent.cpu_seconds()
            rates["records"].append(COUNT / read(client))
            own, other = time.process_time() - own, agent.cpu_seconds() - other
            rates["record_batches"].append(COUNT / read_batches(client))
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
