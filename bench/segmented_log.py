"""``python -m bench.segmented_log``: the log's appends beside bare writes of the same bytes.

Batches of 64 KiB, 256 KiB and 1 MiB through the node's own driver, journal and segments, several of
them under way at once, so that they share their syncs. Beside them, in turn, the same bytes written
and synced by pwrite and fdatasync, one sync for as many batches as were under way. No gRPC is in
between. Printed are bytes a second of both and the median of the ratios.

Other sizes, in KiB, may be named: ``python -m bench.segmented_log 10 100 1000``.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import uvloop

from bench.card import machine_card
from goutube._native import join_records
from goutube.limits import KIB, MIB
from goutube.model import Batch, StreamId
from goutube.node import Append, NodeOptions, open_node
from goutube.runtime import DiskJobs, Driver, OsDisk, SystemClock, SystemEntropy

SIZES = (64 * KIB, 256 * KIB, MIB)
UNDER_WAY, ROUNDS, ROUND_BYTES = 8, 7, 128 * MIB


class Loud:
    """A supervisor that lets nothing pass."""

    def node_unhealthy(self) -> None:
        """The disk has failed."""
        raise AssertionError("the disk failed")

    def node_failed(self, error: Exception) -> None:
        """The node has failed."""
        raise AssertionError("the node failed") from error


@asynccontextmanager
async def driven(folder: Path) -> AsyncIterator[Driver]:
    """A node with one shard and its driver, without a server."""
    disk, clock = OsDisk(folder), SystemClock()
    options = NodeOptions(node_name="n", shard_count=1, hash_function="xxh64")
    jobs = DiskJobs(disk)
    driver = Driver(open_node(disk, clock, SystemEntropy(), options), jobs, clock, Loud())
    driver.start()
    try:
        yield driver
    finally:
        await driver.stop()
        disk.close()


async def append_all(driver: Driver, batch: Batch, count: int) -> float:
    """Seconds for ``count`` durable appends, ``UNDER_WAY`` at a time."""
    command = Append("s", StreamId(0), batch, None, None, 0, False)
    left = count

    async def keep_appending() -> None:
        nonlocal left
        while left:
            left -= 1
            await driver.call(command)

    began = time.perf_counter()
    await asyncio.gather(*(keep_appending() for _ in range(UNDER_WAY)))
    return time.perf_counter() - began


def write_all(path: Path, data: bytes, count: int) -> float:
    """Seconds for the same bytes, synced as often as the log would at best."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    began = time.perf_counter()
    for number in range(count):
        os.pwrite(file, data, number * len(data))
        if number % UNDER_WAY == UNDER_WAY - 1 or number == count - 1:
            os.fdatasync(file)
    took = time.perf_counter() - began
    os.close(file)
    return took


async def measure(folder: Path, size: int, rounds: int, round_bytes: int) -> list[float]:
    """The log's rate over the bare one's, a round each."""
    data = random.Random(1).randbytes(size)
    tables, joined, flags, checksum = join_records([data])
    batch, count = Batch(1, flags, tables, joined, checksum), max(1, round_bytes // size)
    ratios = []
    async with driven(folder / f"log-{size}") as driver:
        for number in range(rounds):
            # Each a new file, and the old ones stay: the log can't write into the pages of a file
            # that it has just deleted, which on a virtual machine cost a fraction of fresh ones.
            bare = write_all(folder / f"bare-{size}-{number}", data, count)
            ours = await append_all(driver, batch, count)
            ratios.append(bare / ours)
            rate = count * size / MIB
            print(
                f"{size // KIB:5} KiB: bare {rate / bare:6.0f}, log {rate / ours:6.0f} MiB/s, "
                f"ratio {ratios[-1]:.2f}",
                flush=True,
            )
    return ratios


def main() -> None:
    """Print the rates of every round and the medians."""
    print(machine_card())
    sizes = [int(word) * KIB for word in sys.argv[1:]] or SIZES
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for size in sizes:
            ratios = uvloop.run(measure(Path(folder), size, ROUNDS, ROUND_BYTES))
            print(f"{size // KIB} KiB: median ratio {median(ratios):.2f}, goal 0.90", flush=True)


if __name__ == "__main__":
    main()
