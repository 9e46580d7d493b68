"""Bounds of retention as a user sets them, and a real agent that keeps them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import pytest

import goutube
from goutube import aio
from goutube.errors import InvalidArgumentError, OffsetOutOfRangeError
from tests.support.agents import SMALL_JOURNAL, restarted_agent

pytestmark = pytest.mark.net


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retention") / "data"
    with restarted_agent(folder, *SMALL_JOURNAL, "--retention-bytes", "100KiB") as agent:
        yield agent


def bounds(info):
    return info.properties.retention_bytes, info.properties.retention_ms


def run(agent, *words):
    command = [sys.executable, "-m", "goutube", "streams", *words, "--server", agent.address]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_bounds_are_set_changed_and_given_back_to_the_node(agent):
    with goutube.connect(agent.address) as client:
        assert bounds(client.create("py/a")) == (None, None)
        assert bounds(client.create("py/b", retention_bytes=0, retention_ms=5)) == (0, 5)
        assert bounds(client.change("py/b", content_type="text/plain")) == (0, 5)
        assert bounds(client.change("py/b", retention_bytes="default", retention_ms=7)) == (None, 7)
        assert bounds(client.stat("py/b")) == (None, 7)
        with pytest.raises(InvalidArgumentError, match="retention_ms is"):
            client.change("py/b", retention_ms=1 << 63)
        with pytest.raises(InvalidArgumentError, match="retention_bytes is -1"):
            client.create("py/c", retention_bytes=-1)

    async def ask():
        async with aio.connect(agent.address) as client:
            assert bounds(await client.create("py/d", retention_ms=1)) == (None, 1)
            assert bounds(await client.change("py/d", retention_bytes=3)) == (3, 1)

    asyncio.run(ask())


def test_the_commands_take_sizes_and_ages(agent):
    made = run(agent, "create", "cli/a", "--retention-bytes", "1GiB", "--retention-age", "7d",
               "--json")  # fmt: skip
    told = json.loads(made.stdout)
    assert (told["retention_bytes"], told["retention_ms"]) == (1 << 30, 7 * 86_400_000)
    changed = run(agent, "change", "cli/a", "--retention-age", "default", "--json")
    told = json.loads(changed.stdout)
    assert (told["retention_bytes"], told["retention_ms"]) == (1 << 30, None)
    refused = run(agent, "change", "cli/a", "--retention-age", "7 fortnights")
    assert refused.returncode == 2
    assert "7d, 12h, 30m, 45s or 500ms" in refused.stderr.replace("\n", " ")


@pytest.mark.slow
def test_an_agent_drops_what_is_over_its_bound(agent):
    """Within two looks, ten seconds apart; who reads what is gone is told where the rest begins."""
    with goutube.connect(agent.address) as client:
        for _ in range(10):
            end = client.append("kept", bytes(30 << 10)).next_offset
        until = time.monotonic() + 60
        while (start := client.stat("kept").start_offset) == 0:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert (start, end) == (6 * (30 << 10), 10 * (30 << 10))
        with pytest.raises(OffsetOutOfRangeError, match=f"holds {start} to {end}"):
            list(client.read("kept", 0))
        assert sum(map(len, client.read("kept", "earliest"))) == end - start
