"""``python -m bench.segmented_log``: the log's appends beside bare writes of the same bytes.

Batches of 64 KiB, 256 KiB and 1 MiB through the node's own driver, journal and segments, eight of
them under way at once, so that they share their syncs. No gRPC is in between. Beside them, in turn,
the same bytes by pwrite and fdatasync: a sync for each batch, and, which no log that answers
its writers can quite come up to, one for eight. Printed are the bytes a second of all three and the
medians of the log's rate over each of the others.

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
from functools import partial
from pathlib import Path
from statistics import median

from bench.card import machine_card
from goutube._native import join_records
from goutube.errors import GoutubeError
from goutube.limits import KIB, MIB
from goutube.model import Batch, StreamId
from goutube.node import Append, NodeOptions, Result, open_node
from goutube.runtime import DiskJobs, Driver, OsDisk, SystemClock, SystemEntropy, run

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
    """Seconds for ``count`` durable appends, ``UNDER_WAY`` at a time, begun as the server does."""
    command = Append("s", StreamId(0), batch, None, None, 0, False)
    all_answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left, answers_due = count, count

    def begin_next() -> None:
        nonlocal left
        if left:
            left -= 1
            assert driver.begin(command, answered)

    def answered(_result: Result, error: GoutubeError | None) -> None:
        nonlocal answers_due
        assert error is None
        answers_due -= 1
        if not answers_due:
            all_answered.set_result(None)
        begin_next()

    began = time.perf_counter()
    for _ in range(UNDER_WAY):
        begin_next()
    await all_answered
    return time.perf_counter() - began


def write_all(path: Path, data: bytes, count: int, to_a_sync: int) -> float:
    """Seconds for the same bytes, so many batches of them to a sync."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    began = time.perf_counter()
    for number in range(count):
        os.pwrite(file, data, number * len(data))
        if number % to_a_sync == to_a_sync - 1 or number == count - 1:
            os.fdatasync(file)
    took = time.perf_counter() - began
    os.close(file)
    return took


async def measure(folder: Path, size: int, rounds: int, round_bytes: int) -> list[list[float]]:
    """The log's rate over that of a sync for each batch, and of one for eight, by rounds."""
    data = random.Random(1).randbytes(size)
    tables, joined, flags, checksum = join_records([data])
    batch, count = Batch(1, flags, tables, joined, checksum), max(1, round_bytes // size)
    chance = random.Random(size)
    ratios: list[list[float]] = [[], []]
    async with driven(folder / f"log-{size}") as driver:
        await append_all(driver, batch, UNDER_WAY)
        for number in range(rounds):
            # Each a new file, and the old ones stay: the log can't write into the pages of a file
            # that it has just deleted, which on a virtual machine cost a fraction of fresh ones.
            # In any order: many disks are quick for a while after a rest, and slow after that.
            took = {}
            for which in chance.sample((1, UNDER_WAY, 0), 3):
                if which:
                    path = folder / f"bare-{size}-{number}-{which}"
                    took[which] = write_all(path, data, count, which)
                else:
                    took[0] = await append_all(driver, batch, count)
            for place, to_a_sync in enumerate((1, UNDER_WAY)):
                ratios[place].append(took[to_a_sync] / took[0])
            each, shared, log = (count * size / MIB / took[which] for which in (1, UNDER_WAY, 0))
            print(
                f"{size // KIB:5} KiB: bare {each:4.0f}, {UNDER_WAY} to a sync {shared:4.0f}, "
                f"log {log:4.0f} MiB/s, ratios {ratios[0][-1]:.2f} and {ratios[1][-1]:.2f}",
                flush=True,
            )
    return ratios


def main() -> None:
    """Print the rates of every round and the medians."""
    print(machine_card())
    sizes = [int(word) * KIB for word in sys.argv[1:]] or SIZES
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        for size in sizes:
            each, shared = run(partial(measure, folder, size, ROUNDS, ROUND_BYTES))
            print(
                f"{size // KIB} KiB: median {median(each):.2f} of bare writes, goal 0.90; "
                f"{median(shared):.2f} of bare writes {UNDER_WAY} to a sync",
                flush=True,
            )


if __name__ == "__main__":
    main()
