"""A journal group's write and sync, with and without a Python thread that never waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from statistics import median

import pytest

from bench import busy_loop

RATIO_MAX = 2.0


@pytest.fixture
def ring(tmp_path) -> Iterator[int]:
    """A pre-written file, open."""
    path = tmp_path / "ring"
    path.write_bytes(bytes(busy_loop.RING_BYTES))
    file = os.open(path, os.O_RDWR)
    os.fsync(file)
    yield file
    os.close(file)


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
def test_groups(benchmark, ring, busy):
    """A round of groups; its own time of write + sync is told beside that of the whole round."""
    stop = threading.Event()
    thread = threading.Thread(target=busy_loop.spinning, args=(stop,))
    if busy:
        thread.start()
    groups = busy_loop.GROUPS if benchmark.enabled else 10
    seconds = benchmark.pedantic(busy_loop.native_round, (ring, groups, 0.0), rounds=5)
    stop.set()
    if busy:
        thread.join()
    benchmark.extra_info["write_sync_median_ms"] = median(seconds) * 1e3
    assert len(seconds) == groups
    assert min(seconds) > 0


def test_a_busy_thread_does_not_slow_the_journal_down(benchmark, ring):
    """Medians beside each other, rounds interleaved; judged only where time is measured."""
    size = (ring,) if benchmark.enabled else (ring, 1, 5, 0.0)
    found = benchmark.pedantic(busy_loop.measure, size, rounds=1)
    ratio = median(found["native", True]) / median(found["native", False])
    benchmark.extra_info["ratio"] = ratio
    assert not benchmark.enabled or ratio <= RATIO_MAX
