"""``python -m bench.idle_streams``: what an idle stream costs a node, at three sizes.

For each size so many streams are made in a data directory through the node's own driver (64
shards, one record of 100 bytes each, names of 16 bytes), which is then stopped as an agent stops.
Then a real agent is started on it. Printed are the resident memory of the agent beyond that of one
on an empty directory, for each stream, and the seconds that it needed to open the directory.

Numbers of streams may be named: ``python -m bench.idle_streams 10000 100000 1000000``, the default.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import uvloop

from bench.card import machine_card
from bench.cold_start import fill
from goutube.limits import MIB
from tests.support.agents import RestartedAgent

COUNTS = (10_000, 100_000, 1_000_000)
ROUNDS = 3
GOAL_BYTES = 300
RECORD = bytes(100)


def resident(folder: Path) -> tuple[int, float]:
    """Bytes of an agent that has just started on a directory, and the seconds to open that."""
    agent = RestartedAgent(folder)
    agent.start()
    try:
        return agent.resident_bytes(), agent.recovery_ms / 1000
    finally:
        agent.end(15)


def main() -> None:
    """Print the figures of every size."""
    print(machine_card())
    counts = [int(word) for word in sys.argv[1:]] or COUNTS
    with tempfile.TemporaryDirectory(dir=".") as parent:
        folder = Path(parent) / "empty"
        uvloop.run(fill(folder, iter(()), RECORD))
        empty = median(resident(folder)[0] for _ in range(ROUNDS))
        print(f"no streams: {empty / MIB:.1f} MiB", flush=True)
        for count in counts:
            folder = Path(parent) / str(count)
            began = time.perf_counter()
            uvloop.run(fill(folder, (f"idle/{n:011}" for n in range(count)), RECORD))
            made_s = time.perf_counter() - began
            memory, opened = zip(*(resident(folder) for _ in range(ROUNDS)), strict=True)
            each = (median(memory) - empty) / count
            print(
                f"{count} streams, made in {made_s:.0f} s: {median(memory) / MIB:.1f} MiB, "
                f"{each:.0f} bytes a stream (goal {GOAL_BYTES}), opened in {median(opened):.2f} s "
                f"({min(opened):.2f} to {max(opened):.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
