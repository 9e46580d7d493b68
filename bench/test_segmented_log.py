"""Durable batches through the node's log, and the same bytes by bare pwrite and fdatasync."""

from __future__ import annotations

import asyncio
from statistics import median

import pytest

from bench import segmented_log
from goutube.limits import KIB


@pytest.mark.parametrize("size", segmented_log.SIZES, ids=lambda size: f"{size // KIB} KiB")
def test_append_beside_bare_writes(benchmark, tmp_path, size):
    """Rounds of both take turns; the ratio is told beside the time."""
    bytes_of_round = segmented_log.ROUND_BYTES if benchmark.enabled else 2 * size
    rounds = segmented_log.ROUNDS if benchmark.enabled else 1

    def run() -> list[list[float]]:
        return asyncio.run(segmented_log.measure(tmp_path, size, rounds, bytes_of_round))

    each, shared = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["ratio"] = median(each)
    benchmark.extra_info["ratio, eight to a sync"] = median(shared)
    assert len(each) == len(shared) == rounds
