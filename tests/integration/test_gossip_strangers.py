"""Who comes from another machine and is not as we are: real packets between hosts of their own."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager

import pytest

from tests.integration.test_gossip_network import Member
from tests.support.agents import RestartedAgent
from tests.support.faulty_network import faulty_network, is_possible
from tests.support.gossiping import SERF, wait_until

pytestmark = [pytest.mark.net, pytest.mark.cluster]


@pytest.fixture
def hosts():
    if not is_possible():
        pytest.skip("needs root and /dev/net/tun")
    with faulty_network(2, seed=7) as (hosts, _switch):
        yield hosts


@contextmanager
def running(*agents):
    try:
        for agent in agents:
            agent.start()
        yield
    finally:
        for agent in agents:
            if agent.child and agent.child.poll() is None:
                agent.end()


def told(agent, event):
    """The lines of an event in an agent's log."""
    lines = [json.loads(line) for line in tuple(agent.log_lines)]
    return [line for line in lines if line["event"] == event]


def test_without_a_key_a_node_for_this_machine_alone_reads_nothing_from_another(tmp_path, hosts):
    """With the defaults: gossip on every address, RPC on loopback. It is scanned, and stays alone."""
    shut = RestartedAgent(
        tmp_path / "shut", "--shard-count", "1", "--node-name", "shut", "--bind-addr",
        "0.0.0.0:7946", "--rpc-port", "127.0.0.1:7373", program=hosts[0].program,
    )  # fmt: skip
    knocking = Member(
        tmp_path, "n2", hosts[1], "--seed-addresses", f"{hosts[0].address}:7946"
    )  # fmt: skip
    with running(shut, knocking.agent):
        wait_until(lambda: told(knocking.agent, "gossip_join_failed"), 20)
        time.sleep(3)  # time for rumours that must not come
        assert told(shut, "member_changed") == []
        assert knocking.changes() == []


def test_a_member_that_says_it_lives_on_loopback_is_refused_by_another_machine(tmp_path, hosts):
    first = Member(tmp_path, "n1", hosts[0])
    lost = Member(
        tmp_path, "n2", hosts[1], "--seed-addresses", f"{hosts[0].address}:7946",
        "--advertise-addr", "127.0.0.1:7946",
    )  # fmt: skip
    with running(first.agent, lost.agent):
        wait_until(lambda: told(first.agent, "member_refused"), 20)
        (line, *_) = told(first.agent, "member_refused")
        assert line["about"] == "n2"
        assert "advertises a loopback address" in line["reason"]
        assert first.changes() == []


@pytest.mark.skipif(SERF is None, reason="needs Debian's serf: apt-get install serf")
def test_a_serf_agent_of_another_machine_is_let_in_and_called_foreign(tmp_path, hosts):
    first = Member(tmp_path, "n1", hosts[0])
    namespace = hosts[1].program[-1]
    place = f"{hosts[1].address}:7946"
    words = ["nsenter", f"--net={namespace}", SERF, "agent", "-node=stock", f"-bind={place}",
             "-rpc-addr=127.0.0.1:7373", f"-join={hosts[0].address}:7946"]  # fmt: skip
    with (
        running(first.agent),
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as stock,
    ):
        try:
            wait_until(lambda: told(first.agent, "member_changed"), 20)
        finally:
            stock.kill()
        (line, *_) = told(first.agent, "member_changed")
        assert (line["member"], line["address"], line["foreign"]) == ("stock", place, True)
        assert told(first.agent, "member_refused") == []
