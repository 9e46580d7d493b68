"""kill -9 at random moments under load: nothing acknowledged is lost, doubled, changed or moved."""

import faulthandler
import os
from pathlib import Path

import pytest

from tests.support.abrupt_ends import SMALL, check_load, figures, kill_again_and_again
from tests.support.agents import RestartedAgent
from tests.support.pieces import BrokenPromiseError

pytestmark = [pytest.mark.crash, pytest.mark.slow]

KILLS = int(os.environ.get("GOUTUBE_KILLS", "60"))
SEED = int(os.environ.get("GOUTUBE_KILL_SEED", "3"))
FORGETFUL = (str(Path(__file__).with_name("forgetful_agent.py")),)


@pytest.mark.timeout(60 + 20 * KILLS)
@pytest.mark.parametrize("settings", [(), SMALL], ids=["default", "small"])
def test_kill(tmp_path, capsys, settings):
    """Half of the kills at the default sizes, half where files are small."""
    faulthandler.cancel_dump_traceback_later()  # it may take minutes
    kills = KILLS // 2
    print(f"repeat: GOUTUBE_KILLS={KILLS} GOUTUBE_KILL_SEED={SEED} ./dev test tests/crash -m crash")
    agent = RestartedAgent(tmp_path / "data", *settings)
    writers, restarts = kill_again_and_again(agent, kills, SEED)
    with capsys.disabled():
        print("\n" + figures(f"{kills} kills", writers, restarts))
    check_load(kills, writers)


@pytest.mark.timeout(300)
def test_an_agent_that_acknowledges_too_early_is_caught(tmp_path):
    """The test of the test: its acknowledgements come before the write, and a kill shows it."""
    agent = RestartedAgent(tmp_path / "data", program=FORGETFUL)
    with pytest.raises(BrokenPromiseError):
        kill_again_and_again(agent, 20, SEED)
