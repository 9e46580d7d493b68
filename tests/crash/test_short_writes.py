"""A kernel that writes a part of what it is given, and interrupts writes and syncs: it all gets there."""

import pytest

from tests.support.abrupt_ends import SMALL, check_load, kill_again_and_again
from tests.support.agents import RestartedAgent
from tests.support.preloads import build_preload, why_no_preload

pytestmark = [pytest.mark.crash, pytest.mark.slow]

KILLS = 5


@pytest.mark.timeout(200)
@pytest.mark.skipif(bool(why_no_preload()), reason=why_no_preload())
def test_every_write_is_short(tmp_path):
    """Under load and kill -9, nothing acknowledged is lost, doubled or changed."""
    told = tmp_path / "told"
    environ = {
        "LD_PRELOAD": str(build_preload("short_writes", tmp_path)),
        "SHORT_WRITES_TOLD": str(told),
    }
    agent = RestartedAgent(tmp_path / "data", *SMALL, environ=environ)
    writers, _ = kill_again_and_again(agent, KILLS, 3)
    check_load(KILLS, writers)
    assert told.exists()
