"""Every named crash point: the process ends there, or the power goes, and the next one goes on.

Nothing that was acknowledged is lost, doubled or changed, nothing that nobody asked for is there, and
nothing is left over that takes space. Also where the next process ends at such a place itself.
"""

import faulthandler
import os
import random
from functools import cache

import pytest

from goutube.crash_points import CrashAt, CrashPoint
from goutube.errors import GoutubeError
from goutube.sim import MemoryFile
from tests.support.crash_lives import Lives

PAIRS = int(os.environ.get("GOUTUBE_CRASH_PAIRS", "80"))
"""How many of all pairs, chosen by ``SEED``."""
SEED = int(os.environ.get("GOUTUBE_CRASH_SEED", "1"))
POINTS = list(CrashPoint)


@cache
def whole() -> Lives:
    """The lives without a crash."""
    lives = Lives()
    assert not lives.live()
    return lives


def crashed(point: CrashPoint, nth: int) -> Lives:
    """The lives up to a crash."""
    lives = Lives()
    assert lives.live(CrashAt(point, nth)), f"{point} is not reached {nth} times"
    return lives


@cache
def first_crash(point: CrashPoint) -> Lives:
    """The lives up to one of the times that a place is reached; to be copied."""
    return crashed(point, random.Random(f"{SEED} {point}").randint(1, whole().points[point]))


def test_every_point_is_reached():
    """A place that no life comes to would be tested by nothing."""
    assert [point for point in CrashPoint if not whole().points[point]] == []
    assert len(CrashPoint) >= 60


@pytest.mark.parametrize("point", POINTS)
def test_one_crash(point):
    """By kill -9 and by a power cut, at one of the times that the place is reached."""
    for cut in (False, True):
        lives = first_crash(point).copy()
        if cut:
            lives.cut_power(SEED)
        lives.check_next_start()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS)
def test_each_crash(point):
    """The first time, the last, and some between; then everything once more, over what is left."""
    count = whole().points[point]
    for nth in sorted({1, count, *random.Random(SEED).sample(range(1, count + 1), min(count, 4))}):
        left = crashed(point, nth)
        for cut in range(3):
            lives = left.copy()
            if cut:
                lives.cut_power(SEED + cut)
            assert not lives.live()
            lives.check_next_start()


@pytest.mark.timeout(60 + 2 * PAIRS)
def test_two_crashes():
    """At a place, and at another one while the next process recovers or goes on."""
    faulthandler.cancel_dump_traceback_later()  # all of them take minutes
    chance = random.Random(SEED)
    pairs = [(first, second) for first in POINTS for second in POINTS]
    for first, second in sorted(chance.sample(pairs, min(PAIRS, len(pairs)))):
        lives = first_crash(first).copy()
        if chance.random() < 0.5:
            lives.cut_power(SEED)
        lives.live(CrashAt(second, chance.choice([1, 1, 2])))
        if chance.random() < 0.5:
            lives.cut_power(SEED)
        lives.check_next_start()


def cut_at(point: CrashPoint) -> None:
    lives = crashed(point, 1)
    lives.cut_power(SEED)
    lives.check_next_start()


def test_syncs_that_do_nothing_are_caught(monkeypatch):
    """The test of the test: a power cut at some place shows it."""
    monkeypatch.setattr(MemoryFile, "sync", lambda self: None)
    monkeypatch.setattr(MemoryFile, "rest", lambda self: None)
    with pytest.raises((AssertionError, GoutubeError)):
        list(map(cut_at, POINTS))
