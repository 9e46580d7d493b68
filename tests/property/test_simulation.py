"""Whole lives of a node from a seed: every promise is kept, and planted bugs are found."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from goutube.sim import PLANTS, Simulation
from goutube.sim.__main__ import main

SEEDS = 8
PLANT_SEEDS = int(os.environ.get("GOUTUBE_PLANT_SEEDS", "600"))
"""Where no later than here each planted bug must be found."""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_promise_is_kept(seed):
    """Clients, a network that breaks, a disk that fails, kills, power cuts, restarts."""
    report = Simulation(seed).run()
    assert report.checks > 20
    assert report.starts >= 4


def traces(hash_seed: str, *options: str) -> list[str]:
    """What two seeds come to in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "goutube.sim", "--seeds", "2..4", *options],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[:2]


def test_a_seed_gives_one_trace():
    """Processes whose sets and dictionaries hash differently live through the same."""
    first = traces("1")
    assert first == traces("4711", "--jobs", "2")
    assert first[0].startswith("seed 2: ")
    assert first[0].split()[2] != first[1].split()[2]


def test_a_broken_promise_tells_how_to_see_it_again(capsys):
    """The command ends with 1 and names the one that repeats it."""
    assert main(["--seeds", "0..20", "--jobs", "2", "--plant", "names-unsynced"]) == 1
    told = capsys.readouterr()
    command = told.out.splitlines()[-1].split()
    assert command[:4] == ["python", "-m", "goutube.sim", "--seed"]
    assert "BrokenPromiseError" in told.err or "Error" in told.err
    assert main(command[3:]) == 1
    assert "after 0 that did not" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(PLANTS))
def test_a_planted_bug_is_found(name, capsys):
    """The test of the checker; prints how many seeds it took."""
    for seed in range(PLANT_SEEDS):
        try:
            Simulation(seed, PLANTS[name]).run()
        except Exception as error:  # noqa: BLE001 - however it is found
            with capsys.disabled():
                print(f"\n{name} ({PLANTS[name].what}): found by seed {seed}: {error}")
            return
    pytest.fail(f"{PLANT_SEEDS} seeds do not find it")
