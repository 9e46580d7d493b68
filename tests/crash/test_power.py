"""Power cuts on real file systems under load: nothing acknowledged is lost, doubled or changed."""

import faulthandler
import os
import shutil
from pathlib import Path

import pytest

from tests.support.abrupt_ends import (
    SMALL,
    check_load,
    end_behind_each_start,
    figures,
    kill_again_and_again,
)
from tests.support.loop_disk import LoopDisk, PoweredAgent, why_not
from tests.support.pieces import BrokenPromiseError

pytestmark = [pytest.mark.crash, pytest.mark.slow]

CUTS = int(os.environ.get("GOUTUBE_POWER_CUTS", "30"))
SEED = int(os.environ.get("GOUTUBE_POWER_CUT_SEED", "3"))
FORGETFUL = (str(Path(__file__).with_name("forgetful_agent.py")),)
PLANTED = ("-m", "tests.support.planted_agent")
EATMYDATA = "libeatmydata.so"
CAUGHT_WITHIN = 60
"""Cuts; a disk that others use as well renames few files between two of them."""


@pytest.fixture
def disk(tmp_path, request):
    if reason := why_not(request.param):
        pytest.skip(reason)
    with LoopDisk(tmp_path, request.param) as mounted:
        yield mounted


@pytest.mark.timeout(60 + 20 * CUTS)
@pytest.mark.parametrize("settings", [(), SMALL], ids=["default", "small"])
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_power_cuts(disk, capsys, settings, request):
    """Half of the cuts at the default sizes, half where files are small."""
    faulthandler.cancel_dump_traceback_later()  # it may take minutes
    cuts = CUTS // 2
    print(f"repeat: GOUTUBE_POWER_CUTS={CUTS} GOUTUBE_POWER_CUT_SEED={SEED} "
          "./dev test tests/crash/test_power.py -m crash")  # fmt: skip
    writers, restarts = kill_again_and_again(PoweredAgent(disk, *settings), cuts, SEED)
    with capsys.disabled():
        name = request.node.callspec.id
        print("\n" + figures(f"{name}: {cuts} power cuts", writers, restarts))
    check_load(cuts, writers)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_an_agent_that_acknowledges_too_early_is_caught(disk):
    """The test of the test: its acknowledgements come before the write."""
    with pytest.raises(BrokenPromiseError):
        kill_again_and_again(PoweredAgent(disk, program=FORGETFUL), 20, SEED)


@pytest.mark.timeout(60 + 20 * CAUGHT_WITHIN)
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
@pytest.mark.parametrize("fault", ["rename-first", "unchecked"])
def test_a_planted_fault_is_caught(disk, fault):
    """The test of the test: files that are renamed and then synced, checksums that always fit."""
    agent = PoweredAgent(disk, *SMALL, program=(*PLANTED, fault))
    torn = fault == "unchecked"
    with pytest.raises((BrokenPromiseError, AssertionError)):
        kill_again_and_again(agent, 20 if torn else CAUGHT_WITHIN, SEED, by_itself=torn)
    assert agent.boots, "it never came up: this shows nothing"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_a_group_that_is_torn_by_the_cut_is_no_fault(disk):
    """The counterpart: the power goes in the middle of a group, and its checksum tells."""
    agent = PoweredAgent(disk, *SMALL, program=(*PLANTED, "torn"))
    writers, _ = kill_again_and_again(agent, 8, SEED, by_itself=True)
    check_load(8, writers)
    assert agent.torn_count >= 8


@pytest.mark.timeout(120)
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_cuts_behind_each_start(disk):
    """Every opening of the directory that was told of is counted by the next one."""
    end_behind_each_start(PoweredAgent(disk, *SMALL), 6)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_directories_that_are_not_synced_are_caught(disk):
    """The test of the test: under load the syncs of new files bring the names of older ones.

    A count of openings that is missing is made anew from the journal, so a sound agent is first.
    """
    end_behind_each_start(PoweredAgent(disk, *SMALL), 1)
    agent = PoweredAgent(disk, *SMALL, program=(*PLANTED, "names-unsynced"))
    with pytest.raises(BrokenPromiseError):
        end_behind_each_start(agent, 6)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_syncs_that_do_nothing_are_caught(disk):
    """The test of the test: kill -9 does not show this one, for the page cache survives it."""
    if shutil.which("eatmydata") is None:
        pytest.skip("eatmydata is not installed")
    agent = PoweredAgent(disk, environ={"LD_PRELOAD": EATMYDATA})
    with pytest.raises((BrokenPromiseError, AssertionError)):
        kill_again_and_again(agent, 20, SEED)
    assert agent.boots, "it never came up: this shows nothing"
