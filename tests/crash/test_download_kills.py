"""A download that is killed again and again, before random steps, and gone on with each time.

The default is a share of the fifty kills, which ``-m slow`` or the environment asks for:
GOUTUBE_DOWNLOAD_KILLS=50. GOUTUBE_KILL_SEED chooses other steps.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import goutube
from goutube.limits import CHUNK_BYTES_DEFAULT, MIB
from tests.support.serving import serving_node

pytestmark = [pytest.mark.net, pytest.mark.crash]

KILLS = int(os.environ.get("GOUTUBE_DOWNLOAD_KILLS", "3"))
SEED = int(os.environ.get("GOUTUBE_KILL_SEED", "3"))
CONTENT = random.Random(SEED).randbytes(3 * MIB + 17)
PROGRAM = Path(__file__).with_name("killed_download.py")
STEPS_MAX = 16
"""A whole download here takes about thirty steps, so that one meets a few kills."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node") / "data") as server:
        with goutube.connect(server.address) as client:
            client.append("whole", CONTENT)
        yield server.address


def run(address, target, streams, log, step):
    """One run; whether it was killed."""
    done = subprocess.run(
        [sys.executable, PROGRAM, address, "whole", target, str(streams), log, str(step)],
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode != 0


def spans(log):
    return [tuple(map(int, line.split())) for line in log.read_text().splitlines()]


def kill_and_go_on(address, folder, streams, kills):
    """Download until so many runs were killed; each file is checked when it is whole."""
    chance = random.Random(SEED + streams)
    killed = 0
    for number in range(kills):
        target, log = folder / f"copy{number}", folder / f"log{number}"
        times = 0
        while run(address, target, streams, log, chance.randint(1, STEPS_MAX)):
            times += 1
        assert target.read_bytes() == CONTENT
        assert [path.name for path in folder.glob(f"{target.name}*")] == [target.name]
        fetched = sum(count for _, count in spans(log))
        assert fetched - len(CONTENT) <= times * streams * CHUNK_BYTES_DEFAULT
        killed += times
        if killed >= kills:
            return
    pytest.fail(f"only {killed} of {kills} runs were killed")


@pytest.mark.parametrize("streams", [1, 4])
def test_a_killed_download_goes_on(address, tmp_path, streams):
    """It ends identical, and no kill costs more than one chunk in each call."""
    kill_and_go_on(address, tmp_path, streams, KILLS)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("streams", [1, 4])
def test_a_download_is_killed_fifty_times(address, tmp_path, streams):
    """The same, often."""
    kill_and_go_on(address, tmp_path, streams, 50)


@pytest.mark.parametrize("last", ["cut", "sync", "rename", "sync the folder", "forget", "none"])
def test_a_kill_before_one_of_the_last_steps(address, tmp_path, last):
    """Between the last byte and the end nothing is fetched twice."""
    begin, pieces = 4, -(-len(CONTENT) // CHUNK_BYTES_DEFAULT)  # each piece is bytes and a claim
    behind = ["cut", "sync", "rename", "sync the folder", "forget", "none"].index(last)
    target, log = tmp_path / "copy", tmp_path / "log"
    assert run(address, target, 1, log, begin + 2 * pieces + 1 + behind) == (last != "none")
    assert target.exists() == (behind > 2)
    assert not run(address, target, 1, tmp_path / "second", 0)
    assert target.read_bytes() == CONTENT
    again = [] if last != "none" else spans(log)
    assert spans(tmp_path / "second") == again
    assert sorted(tmp_path.iterdir()) == [target, log, tmp_path / "second"]
