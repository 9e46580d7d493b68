"""Agents as child processes: they serve, are restarted and killed, and never outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import tomllib
from pathlib import Path

import psutil
import pytest

import goutube
from goutube import errors
from tests.house.tree import ROOT

pytestmark = [pytest.mark.net, pytest.mark.crash]


def folders():
    return set(Path(os.environ.get("TMPDIR", "/tmp")).glob("goutube-*"))


def test_one_node_in_one_line():
    """It serves, survives a restart and a kill at one address, and leaves nothing behind."""
    before = folders()
    with goutube.LocalCluster() as cluster, goutube.connect(cluster.address) as client:
        assert client.append("a", b"one").next_offset == 3
        address = cluster.address
        cluster.restart()
        assert client.append("a", b"two").next_offset == 6
        cluster.kill()
        assert not cluster.running
        assert cluster.start() is cluster
        assert cluster.start() is cluster
        assert cluster.address == address
        assert b"".join(client.read("a")) == b"onetwo"
        assert any("agent_ready" in line for line in cluster.log)
        (child,) = psutil.Process().children()
    assert not cluster.running
    assert not child.is_running()
    assert folders() == before
    cluster.close()


def test_a_directory_of_the_users_is_kept(tmp_path):
    """The data are there when it is started anew."""
    for number in range(2):
        with (
            goutube.LocalCluster(directory=tmp_path / "new" / "place") as cluster,
            goutube.connect(cluster.address) as client,
        ):
            assert client.append("a", b"x").offset == number


def test_what_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(errors.NotBuiltError, match="nodes=3"):
        goutube.LocalCluster(nodes=3)
    with pytest.raises(errors.InvalidArgumentError, match="0"):
        goutube.LocalCluster(0)
    with pytest.raises(errors.UnavailableError, match="with statement"):
        goutube.LocalCluster().address  # noqa: B018 - the access is the test
    with pytest.raises(errors.ConfigError, match="no_such_setting"):
        goutube.LocalCluster(settings={"no_such_setting": "1"}).start()
    (tmp_path / "n1").write_text("a file")
    with pytest.raises(errors.UnavailableError, match="n1"):
        goutube.LocalCluster(directory=tmp_path).start()


def test_the_environment_of_the_user_changes_nothing(monkeypatch):
    monkeypatch.setenv("GOUTUBE_DATA_DIR", "/nonexistent")
    monkeypatch.setenv("GOUTUBE_RPC_PORT", "1.2.3.4:5")
    with goutube.LocalCluster() as cluster:
        assert cluster.address.startswith("127.0.0.1:")


def test_it_outlives_the_thread_that_started_it():
    made = []
    thread = threading.Thread(target=lambda: made.append(goutube.LocalCluster().start()))
    thread.start()
    thread.join()
    with goutube.connect(made[0].address) as client:
        assert client.status().settled
    made[0].close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_parent(tmp_path, number):
    """However that ends: the agent goes, and its temporary directory too."""
    program = """
        import goutube, time
        cluster = goutube.LocalCluster().start()
        print(cluster._child.pid, flush=True)
        time.sleep(60)
    """
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, env=environ
    )
    with parent:
        child = psutil.Process(int(parent.stdout.readline()))
        assert len(list(tmp_path.iterdir())) == 1
        parent.send_signal(number)
    child.wait(30)
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_forgets_it_leaves_nothing(tmp_path):
    """No with statement, no close."""
    program = "import goutube; c = goutube.LocalCluster().start(); print(c._child.pid)"
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=environ, check=True, timeout=60
    )
    if psutil.pid_exists(int(done.stdout)):
        psutil.Process(int(done.stdout)).wait(30)
    assert list(tmp_path.iterdir()) == []


def pytest_run(folder, *words):
    """Run the tests of a folder as a user would, with our plugin as its entry point names it."""
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    plugin = entry["pytest11"]["goutube"]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            plugin,
            "-p",
            "no:cacheprovider",
            *words,
            str(folder),
        ],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_users_have_a_fixture(tmp_path):
    """One cluster for all tests that ask for it, and none for those that do not."""
    (tmp_path / "test_user.py").write_text(
        textwrap.dedent("""
        import sys
        import goutube

        def test_nothing_is_loaded_before():
            heavy = {"grpc", "numpy", "goutube.client", "goutube.local_cluster"}
            assert not heavy & set(sys.modules)

        def test_it_serves(goutube_cluster):
            with goutube.connect(goutube_cluster.address) as client:
                client.append("a", b"x")

        def test_it_is_the_same(goutube_cluster):
            with goutube.connect(goutube_cluster.address) as client:
                assert client.stat("a").end_offset == 1
        """)
    )
    done = pytest_run(tmp_path, "-q", "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    listed = pytest_run(tmp_path, "--fixtures")
    assert "goutube_cluster" in listed.stdout
