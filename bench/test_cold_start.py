"""Cold starts and idle streams, small: the agent opens what the benchmarks made."""

from __future__ import annotations

import uvloop

from bench import cold_start, idle_streams
from tests.support.agents import RestartedAgent


def test_a_filled_directory_is_opened(tmp_path):
    """A start is timed, and the memory of the agent is known."""
    folder = tmp_path / "data"
    names = (f"bench/{number}" for number in range(200))
    uvloop.run(cold_start.fill(folder, names, idle_streams.RECORD))
    agent = RestartedAgent(folder)
    opened, served = cold_start.start(agent, folder)
    assert agent.end(15) == 0
    assert 0 <= opened < served
    memory, _ = idle_streams.resident(folder)
    assert memory > 1 << 20
