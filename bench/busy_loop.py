"""``python -m bench.busy_loop``: what a busy Python thread does to a journal group's write + sync.

Rounds with and without a spinning thread take turns; a round is a number of groups of 4 KiB, each
written by the native thread into a pre-written file. Groups follow one another at the same pace in
all rounds: a disk and a processor that have rested for 10 ms take three times as long as busy ones,
and beside a spinning thread this one hands out its next group late. Printed is the median of write
and sync as the native thread measured it, and the ratio of the two, beside the same bytes written
from Python.
"""

from __future__ import annotations

import os
import select
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.card import machine_card
from goutube._native import DiskThreads, encode_group

GROUPS, ROUNDS, RING_BYTES = 60, 5, 4 << 20
PACE_S = 0.025
"""Longer than this thread takes to get the interpreter back from a spinning one, a few times."""


def paced(groups: int, pace_s: float) -> Iterator[int]:
    """Numbers, each at its time."""
    began = time.perf_counter()
    for number in range(groups):
        time.sleep(max(0.0, began + number * pace_s - time.perf_counter()))
        yield number


def native_round(file: int, groups: int = GROUPS, pace_s: float = PACE_S) -> list[float]:
    """Seconds of write + sync of each group, measured where it happens."""
    threads = DiskThreads(1)
    seconds, before = [], 0.0
    for number in paced(groups, pace_s):
        head = encode_group(1, number + 1, [], 1, 2048)
        rest = bytes(4096 - len(head))
        threads.submit_group(number, file, number * 4096 % RING_BYTES, 1, [head, rest])
        select.select([threads.fileno()], [], [])
        assert [ended[:2] for ended in threads.completed()] == [(number, 0)]
        total = threads.seconds()[1]
        seconds.append(total - before)
        before = total
    threads.close()
    return seconds


def python_round(file: int, groups: int = GROUPS, pace_s: float = PACE_S) -> list[float]:
    """Seconds of the same write and sync made by this thread."""
    seconds = []
    for number in paced(groups, pace_s):
        began = time.perf_counter()
        os.pwrite(file, bytes(4096), number * 4096 % RING_BYTES)
        os.fdatasync(file)
        seconds.append(time.perf_counter() - began)
    return seconds


def spinning(stop: threading.Event) -> None:
    """Keep the interpreter busy."""
    while not stop.is_set():
        sum(range(1000))


def measure(
    file: int, rounds: int = ROUNDS, groups: int = GROUPS, pace_s: float = PACE_S
) -> dict[tuple[str, bool], list[float]]:
    """Seconds by (who writes, beside a busy thread?), rounds interleaved."""
    found: dict[tuple[str, bool], list[float]] = {}
    for _ in range(rounds):
        for busy in (False, True):
            stop = threading.Event()
            thread = threading.Thread(target=spinning, args=(stop,))
            if busy:
                thread.start()
            found.setdefault(("native", busy), []).extend(native_round(file, groups, pace_s))
            found.setdefault(("python", busy), []).extend(python_round(file, groups, pace_s))
            stop.set()
            if busy:
                thread.join()
    return found


def main() -> None:
    """Print the medians and their ratio."""
    print(machine_card())
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "ring"
        path.write_bytes(bytes(RING_BYTES))
        file = os.open(path, os.O_RDWR)
        os.fsync(file)
        found = measure(file)
        os.close(file)
    for who in ("native", "python"):
        quiet, busy = median(found[who, False]), median(found[who, True])
        print(
            f"{who}: quiet {quiet * 1e3:.3f} ms, busy {busy * 1e3:.3f} ms, ratio {busy / quiet:.2f}"
        )


if __name__ == "__main__":
    main()
