"""A real agent's directory is damaged, repaired by the command, served, appended to and read."""

from __future__ import annotations

import json
import signal

import pytest

import goutube
from goutube.cli.root import main
from goutube.errors import CorruptionError
from tests.support.agents import SMALL_JOURNAL, RestartedAgent

pytestmark = pytest.mark.net


@pytest.fixture
def agent(tmp_path):
    agent = RestartedAgent(tmp_path / "data", "--shard-count", "1", *SMALL_JOURNAL)
    agent.folder = tmp_path / "data"
    yield agent
    if agent.child is not None and agent.child.poll() is None:
        agent.end()


def spoil_superblocks(folder):
    with (folder / "journal").open("r+b") as file:
        for slot in (0, 4096):
            file.seek(slot + 20)
            file.write(b"\xff\xff")


def held(folder):
    """Every file but the lock, which names the last process."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    return {path: path.read_bytes() for path in paths}


def test_a_directory_that_does_not_open_is_served_again(agent, capsys):
    """Refused by name; told what it costs; repaired once, and nothing the second time."""
    agent.start()
    with goutube.connect(agent.address) as client:
        for number in range(20):
            client.append("a", b"%02d" % number * 50)
    assert main(["log", "repair", str(agent.folder), "--accept-loss"]) == 1
    assert "is in use by another agent (process" in capsys.readouterr().err
    agent.end(signal.SIGTERM)
    assert main(["log", "repair", str(agent.folder)]) == 0
    assert "nothing to be given up" in capsys.readouterr().err
    spoil_superblocks(agent.folder)
    agent.launch()
    assert agent.child.wait(timeout=60) == 1
    agent.end()
    (refusal,) = [line for line in agent.log_lines if not line.startswith("{")]
    assert refusal.startswith("goutube: both superblocks of the journal are damaged.")
    assert "goutube log repair" in refusal
    before = held(agent.folder)
    assert main(["log", "repair", str(agent.folder)]) == 1
    told = capsys.readouterr().err
    assert "would be given up: what the stream 'a' may have held from 2000 on" in told
    assert "Add --accept-loss" in told
    assert held(agent.folder) == before
    assert main(["log", "repair", str(agent.folder), "--json"]) == 1
    plan = json.loads(capsys.readouterr().out)
    assert (plan["needed"], plan["changed"], plan["removed"]) == (True, False, "")
    assert held(agent.folder) == before
    assert main(["log", "repair", str(agent.folder), "--accept-loss", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done == plan | {"changed": True, "removed": "removed/1"}
    kept = (agent.folder / "removed/1/journal-0").read_bytes()
    assert kept == before[agent.folder / "journal"]
    assert main(["log", "repair", str(agent.folder), "--accept-loss"]) == 0
    assert main(["log", "verify", str(agent.folder)]) == 0
    capsys.readouterr()
    agent.start()
    with goutube.connect(agent.address) as client:
        ((lost,),) = [given["streams"] for given in done["given_up"]]
        assert client.append("a", b"more").offset == lost["after"] > 2000
        whole = b"".join(b"%02d" % number * 50 for number in range(20))
        assert b"".join(client.read("a", limit=len(whole))) == whole
        with pytest.raises(CorruptionError):
            list(client.read("a", len(whole), limit=len(whole) + 1))
        assert b"".join(client.read("a", lost["after"])) == b"more"


@pytest.mark.parametrize(
    ("make", "status", "message"),
    [
        (lambda path: path / "none", 1, "there is no directory"),
        (lambda path: path, 1, "has no format file: it is no data directory"),
    ],
)
def test_what_is_no_data_directory_is_refused(tmp_path, capsys, make, status, message):
    """By name, and nothing is made there."""
    (tmp_path / "holiday.jpg").write_bytes(b"")
    assert main(["log", "repair", str(make(tmp_path)), "--accept-loss"]) == status
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_wrong_usage_ends_with_2(capsys):
    """As of every command."""
    assert main(["log", "repair"]) == 2
    assert main(["log", "repair", "x", "--accept-losses"]) == 2
    assert "Traceback" not in capsys.readouterr().err
