"""Reads that begin to wait just when the bytes come are woken, every one."""

import asyncio
import os
import random

import pytest

from bench.end_to_end import race
from tests.support.agents import SMALL_JOURNAL, restarted_agent

pytestmark = pytest.mark.net
RACES = int(os.environ.get("GOUTUBE_RACES", "300"))


@pytest.mark.timeout(60 + RACES // 10)
def test_no_waiting_read_misses_its_bytes(tmp_path):
    """Each read is asked for up to 2 ms before the append that it waits for."""
    with restarted_agent(tmp_path / "data", "--shard-count", "4", *SMALL_JOURNAL) as agent:
        assert len(asyncio.run(race(agent.address, RACES, random.Random(1)))) == RACES
