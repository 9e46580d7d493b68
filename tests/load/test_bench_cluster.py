"""``python -m bench.cluster`` tells what it saw, judges it, and distrusts a machine that stalls."""

import json
import sys
from contextlib import contextmanager

import pytest

from bench import cluster
from bench.canary import Canary
from bench.end_to_end import Found, Goal
from tests.support.gossiping import wait_until

pytestmark = pytest.mark.net


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the program; its status and its JSON."""

    def run_it(*words):
        output = tmp_path / "found.json"
        line = ["bench.cluster", *words, "--folder", str(tmp_path), "--output", str(output)]
        monkeypatch.setattr(sys, "argv", line)
        status = cluster.main()
        return status, json.loads(output.read_text())

    return run_it


@pytest.fixture
def servers(monkeypatch):
    """No servers: what they would serve is replaced."""

    @contextmanager
    def nothing(*_):
        yield type("Agent", (), {"address": ""})

    monkeypatch.setattr(cluster, "restarted_agent", nothing)
    monkeypatch.setattr(cluster, "echo_server", nothing)


def found(value):
    return Found({"count": 1}, {"seen": value}, [Goal("seen", value, 2.0, at_most=True)])


def test_a_real_scenario_runs(run):
    _, told = run("follow", "--quick")
    assert told["versions"].keys() == set(cluster.PACKAGES)
    (name,) = told["scenarios"]
    scenario = told["scenarios"][name]
    assert (name, scenario["settings"]["appends"]) == ("follow", 50)
    assert scenario["figures"]["delay_ms"]["max"] >= scenario["goals"][0]["value"] >= 0


@pytest.mark.parametrize(("value", "status"), [(1.5, 0), (2.5, 1)])
def test_a_missed_goal_is_told_by_the_status(run, servers, monkeypatch, capsys, value, status):
    monkeypatch.setattr(cluster, "SCENARIOS", {"one": lambda _place: found(value)})
    monkeypatch.setattr(Canary, "stalled", False)
    got, told = run()
    assert (got, told["scenarios"]["one"]["goals"][0]["met"]) == (status, status == 0)
    assert ("MISSED" in capsys.readouterr().out) is bool(status)


@pytest.mark.parametrize(("stalls", "status", "voided"), [(1, 0, 1), (9, 1, 2)])
def test_a_stalled_run_is_void_and_run_again(run, servers, monkeypatch, stalls, status, voided):
    values = iter([9.0] * stalls + [1.0])
    left = iter([True] * stalls + [False] * 9)
    monkeypatch.setattr(cluster, "SCENARIOS", {"one": lambda _place: found(next(values))})
    monkeypatch.setattr(Canary, "_watch", lambda canary: _stand_still(canary, next(left)))
    got, told = run()
    assert (got, told["scenarios"]["one"]["void"]) == (status, status == 1)
    assert len(told["scenarios"]["one"]["voided_before"]) == voided


def _stand_still(canary, really):
    canary._path.touch()
    canary.longest_sleep_s = 0.3 if really else 0.1


@pytest.mark.parametrize(
    ("sleep_s", "sync_s", "disk_filled", "stalled"),
    [(0.1, 0.1, False, False), (0.3, 0.1, True, True), (0.1, 0.3, False, True),
     (0.1, 0.3, True, False)],
)  # fmt: skip
def test_a_filled_disk_excuses_slow_syncs_alone(tmp_path, sleep_s, sync_s, disk_filled, stalled):
    canary = Canary(tmp_path, disk_filled=disk_filled)
    canary.longest_sleep_s, canary.longest_sync_s = sleep_s, sync_s
    assert canary.stalled is stalled


def test_a_canary_that_runs_sees_both(tmp_path):
    with Canary(tmp_path) as canary:
        wait_until(lambda: canary.longest_sync_s > 0, 10)
    assert canary.longest_sync_s > 0
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_there_is_not_is_refused(run, capsys):
    with pytest.raises(SystemExit):
        run("nothing")
    assert "no scenario nothing" in capsys.readouterr().err
