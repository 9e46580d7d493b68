"""``python -m bench.append_latency``: one durable append beside what nobody can do without.

A real agent in a process of its own, one client that waits for each answer. Rounds take turns at
three things: an append of 100 bytes through the client library; a call of the same agent that does
nothing; a write of one block and fdatasync to a pre-written file of the same disk. Printed are the
medians, and the append's over the sum of the other two.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

import grpc

import goutube
from bench.card import machine_card
from goutube.api import methods
from tests.support.agents import restarted_agent

CALLS, ROUNDS, RING_BYTES, BLOCK_BYTES = 200, 10, 4 << 20, 4096
RECORD = bytes(100)


def seconds_of(call: Callable[[], object]) -> list[float]:
    """How long each of a round's calls took."""
    found = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return found


class Ring:
    """A pre-written file that is written block by block, each one synced."""

    def __init__(self, folder: Path) -> None:
        path = folder / "ring"
        path.write_bytes(bytes(RING_BYTES))
        self._file = os.open(path, os.O_RDWR)
        os.fsync(self._file)
        self._place = 0

    def write(self) -> None:
        """One block, durable."""
        os.pwrite(self._file, bytes(BLOCK_BYTES), self._place)
        os.fdatasync(self._file)
        self._place = (self._place + BLOCK_BYTES) % RING_BYTES

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def measure(address: str, ring: Ring) -> dict[str, list[float]]:
    """Seconds of every call, by what was called; rounds interleaved."""
    found: dict[str, list[float]] = {"append": [], "empty call": [], "write + fdatasync": []}
    with goutube.connect(address) as client, grpc.insecure_channel(address) as channel:
        nothing = channel.unary_unary(methods.GET_SERVERS)
        ends = iter(range(len(RECORD), (ROUNDS + 2) * CALLS * len(RECORD), len(RECORD)))

        def append() -> None:
            assert client.append("latency", RECORD).next_offset == next(ends)

        calls = {
            "append": append,
            "empty call": lambda: nothing(b""),
            "write + fdatasync": ring.write,
        }
        for call in calls.values():
            seconds_of(call)  # warm
        for _ in range(ROUNDS):
            for name, call in calls.items():
                found[name] += seconds_of(call)
    return found


def main() -> None:
    """Print the medians and the ratio."""
    print(machine_card())
    with tempfile.TemporaryDirectory(dir=".") as folder, restarted_agent(folder + "/data") as agent:
        ring = Ring(Path(folder))
        found = measure(agent.address, ring)
        ring.close()
    for name, seconds in found.items():
        late = quantiles(seconds, n=100)[98]
        print(f"{name}: median {median(seconds) * 1e3:.3f} ms, 99th percentile {late * 1e3:.3f} ms")
    bare = median(found["empty call"]) + median(found["write + fdatasync"])
    print(f"append over the sum of both: {median(found['append']) / bare:.2f}")


if __name__ == "__main__":
    main()
