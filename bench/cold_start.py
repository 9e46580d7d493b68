"""``python -m bench.cold_start``: how long an agent takes to open what it holds, at three sizes.

For each size a data directory is filled through the node's own driver, journal and segments (64
shards, segments of 64 MiB, batches of 64 KiB in 640 streams) and left as a kill leaves it. Then a
real agent is started on it and killed, several times, and then started and stopped as an agent
stops, several times. Before each start the page cache gives up all files of the directory. Printed
are the seconds that the agent needed to open it, by its own log, and those until it served.

Sizes in MiB may be named: ``python -m bench.cold_start 100 1000 10000``, which are the default.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import uvloop

from bench.card import machine_card
from bench.segmented_log import Loud
from goutube._native import join_records
from goutube.limits import KIB, MIB
from goutube.model import Batch, StreamId
from goutube.node import Append, NodeOptions, open_node
from goutube.runtime import DiskJobs, Driver, OsDisk, SystemClock, SystemEntropy
from tests.support.agents import RestartedAgent

SIZES_MIB = (100, 1_000, 10_000)
ROUNDS = 5
SHARDS = 64
STREAMS = 640
BATCH_BYTES = 64 * KIB
UNDER_WAY = 64


@asynccontextmanager
async def driven(folder: Path, *, stops: bool) -> AsyncIterator[Driver]:
    """A node like that of an agent with default settings, and its driver, without a server.

    ``stops``: cleanly at the end; else it leaves what a kill would leave.
    """
    disk, clock = OsDisk(folder), SystemClock()
    options = NodeOptions(node_name="n1", shard_count=SHARDS, hash_function="xxh64")
    jobs = DiskJobs(disk)
    driver = Driver(open_node(disk, clock, SystemEntropy(), options), jobs, clock, Loud())
    driver.start()
    try:
        yield driver
    finally:
        if stops:
            await driver.stop()
        else:
            jobs.detach()
            jobs.close()
        disk.close()


async def fill(folder: Path, names: Iterator[str], record: bytes, *, stops: bool = True) -> None:
    """Append one batch of one record to each of these streams, in this order."""
    tables, joined, flags, checksum = join_records([record])
    batch = Batch(1, flags, tables, joined, checksum)
    async with driven(folder, stops=stops) as driver:

        async def keep_appending() -> None:
            for name in names:
                await driver.call(Append(name, StreamId(0), batch, None, None, 0, False))

        await asyncio.gather(*(keep_appending() for _ in range(UNDER_WAY)))


def drop_cached(folder: Path) -> None:
    """Let the page cache give up all files below a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fdatasync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def sealed_bytes(folder: Path) -> int:
    """Of all segments that have an index beside them."""
    return sum(path.with_suffix(".seg").stat().st_size for path in folder.rglob("*.idx"))


def start(agent: RestartedAgent, folder: Path) -> tuple[float, float]:
    """Seconds of a cold start: for opening the directory, and until the agent serves."""
    drop_cached(folder)
    seconds = agent.start()
    return agent.recovery_ms / 1000, seconds


def measure(folder: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Both figures of each round, after a kill and after a clean stop."""
    agent = RestartedAgent(folder)
    found: dict[str, list[tuple[float, float]]] = {"kill": [], "clean stop": []}
    for left in reversed(range(rounds)):
        found["kill"].append(start(agent, folder))
        agent.end(signal.SIGKILL if left else signal.SIGTERM)
    for _ in range(rounds):
        found["clean stop"].append(start(agent, folder))
        agent.end(signal.SIGTERM)
    return found


def main() -> None:
    """Print the figures of every size."""
    print(machine_card())
    sizes = [int(word) for word in sys.argv[1:]] or SIZES_MIB
    record = os.urandom(BATCH_BYTES)
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=".") as parent:
            folder = Path(parent) / "data"
            began = time.perf_counter()
            names = (f"cold/{n % STREAMS}" for n in range(size * MIB // BATCH_BYTES))
            uvloop.run(fill(folder, names, record, stops=False))
            filled_s = time.perf_counter() - began
            count = len(list(folder.rglob("*.seg")))
            print(
                f"{size} MiB, filled in {filled_s:.0f} s: {count} segments, "
                f"{sealed_bytes(folder) / MIB:.0f} MiB of them sealed",
                flush=True,
            )
            for end, rounds in measure(folder, ROUNDS).items():
                opened, served = zip(*rounds, strict=True)
                print(
                    f"  after a {end}: opened in {median(opened):.3f} s "
                    f"({min(opened):.3f} to {max(opened):.3f}), "
                    f"serves after {median(served):.2f} s ({min(served):.2f} to {max(served):.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
