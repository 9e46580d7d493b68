"""Real agents that find, lose and refuse each other."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time

import pytest

from tests.support.gossiping import wait_until
from tests.support.members import Member, members

pytestmark = pytest.mark.net
KILLS = int(os.environ.get("GOUTUBE_GOSSIP_KILLS", "10"))
IDLE_S = 20
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def start(tmp_path):
    with members(tmp_path) as starter:
        yield starter


def test_two_agents_list_each_other(start):
    first = start("n1", "--tags", "rack=r1")
    second = start("n2", seeds=[first])
    wait_until(lambda: first.alive() == second.alive() == {"n1", "n2"}, 5)
    told = {member.name: member for member in second.client.members()}
    assert told["n1"].address == f"127.0.0.1:{first.port}"
    assert told["n1"].rpc_address == first.agent.address
    assert (told["n1"].type, told["n1"].tags["rack"]) == ("shard", "r1")
    cluster_id = first.client.status().cluster_id
    wait_until(lambda: {m.tags.get("cluster") for m in first.client.members()} == {cluster_id}, 5)
    command = [sys.executable, "-m", "goutube", "cluster", "members", "--server",
               first.agent.address]  # fmt: skip
    listed = json.loads(subprocess.check_output([*command, "--json"]))
    assert [set(one) for one in listed] == [
        {"name", "address", "rpc_address", "type", "status", "tags"}
    ] * 2
    text = subprocess.check_output(command, text=True)
    assert text.splitlines()[0].split("\t")[:3] == ["n1", "alive", "shard"]
    with subprocess.Popen([*command, "--watch"], stdout=subprocess.PIPE, text=True) as watch:
        try:
            assert [watch.stdout.readline().split("\t")[0] for _ in "12"] == ["n1", "n2"]
            assert second.agent.end(signal.SIGTERM) == 0
            wait_until(lambda: first.statuses()["n2"] == "left", 5)
            while (seen := watch.stdout.readline().split("\t")[:2]) == ["n2", "leaving"]:
                pass
            assert seen == ["n2", "left"]
        finally:
            watch.kill()


def test_a_second_live_node_of_a_name_ends_and_says_where_the_holder_is(start, tmp_path):
    first = start("n1")
    start("n2", seeds=[first])
    twin = Member(tmp_path, "n2", seeds=[first])
    twin.agent.launch()
    assert twin.agent.child.wait(20) == 1
    twin.agent._reader.join()
    assert "another live node has the name 'n2', at 127.0.0.1:" in twin.log()
    time.sleep(1)
    assert first.alive() == {"n1", "n2"}


def test_a_killed_node_comes_back_at_another_address_at_once(start):
    first = start("n1")
    second = start("n2", seeds=[first])
    wait_until(lambda: first.alive() == {"n1", "n2"}, 5)
    second.agent.end()
    again = start("n2", seeds=[first])
    seconds = wait_until(
        lambda: any(m.name == "n2" and m.address.endswith(f":{again.port}") and m.status == "alive"
                    for m in first.client.members()), 10
    )  # fmt: skip
    assert seconds < 5


@pytest.mark.parametrize(
    ("settings", "text"),
    [(["--hash-function", "md5"], "hash_function must be the same everywhere"),
     (["--encrypt-keys", KEY], "cannot be read")],
)  # fmt: skip
def test_who_does_not_fit_is_refused_by_name(start, settings, text):
    first = start("n1")
    second = start("n2", *settings, seeds=[first])
    wait_until(lambda: text in second.log(), 15)
    assert first.alive() == {"n1"}
    assert second.alive() == {"n2"}


def test_two_clusters_do_not_merge(start):
    first, other = start("n1"), start("m1")
    third = start("m2", seeds=[other])
    wait_until(lambda: other.alive() == third.alive() == {"m1", "m2"}, 10)
    both = start("n2", seeds=[first, other])
    wait_until(lambda: both.alive() == first.alive() == {"n1", "n2"}, 10)
    wait_until(lambda: "belongs to the cluster" in both.log(), 10)
    time.sleep(1)
    assert both.alive() == first.alive() == {"n1", "n2"}
    assert other.alive() == third.alive() == {"m1", "m2"}


def test_a_taken_gossip_port_ends_the_start_where_it_was_set(start, tmp_path):
    first = start("n1")
    second = Member(tmp_path, "n2")
    second.agent._settings += ("--bind-addr", f"127.0.0.1:{first.port}")
    second.agent.launch()
    assert second.agent.child.wait(20) == 1
    second.agent._reader.join()
    assert "bind_addr = " in second.log()


@pytest.mark.cluster
def test_nine_idle_agents_hardly_use_the_processor(start):
    """Under 1 % of a core each, and that is all of the agent, not gossip alone."""
    first = start("n1")
    nodes = [first, *(start(f"n{number}", seeds=[first]) for number in range(2, 10))]
    wait_until(lambda: all(len(node.alive()) == 9 for node in nodes), 10)
    time.sleep(2)  # what follows a start is over
    used = [-node.agent.cpu_seconds() for node in nodes]
    time.sleep(IDLE_S)
    used = [before + node.agent.cpu_seconds() for before, node in zip(used, nodes, strict=True)]
    shares = [seconds / IDLE_S for seconds in used]
    print("idle agents used", " ".join(f"{share:.2%}" for share in sorted(shares)), "of a core")
    assert statistics.mean(shares) < 0.01


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_nine_agents(start):
    """All alive soon, a kill is seen soon, a stop of two seconds is nobody's death."""
    first = start("n1")
    others = [start(f"n{number}", seeds=[first]) for number in range(2, 10)]
    nodes = [first, *others]
    names = {node.name for node in nodes}
    assert wait_until(lambda: all(node.alive() == names for node in nodes), 5) < 5
    stopped = nodes[4]
    stopped.agent.child.send_signal(signal.SIGSTOP)
    time.sleep(2)
    stopped.agent.child.send_signal(signal.SIGCONT)
    watching = [node for node in nodes if node is not stopped]
    end = time.monotonic() + 15
    while time.monotonic() < end:
        believers = sum(node.statuses()[stopped.name] == "failed" for node in watching)
        assert believers <= len(watching) // 2
        time.sleep(0.5)
    seconds = []
    for _ in range(KILLS):
        dead, *rest = nodes
        dead.agent.end()
        seconds.append(wait_until(lambda rest=rest, name=dead.name: all(
            node.statuses()[name] == "failed" for node in rest), 20))  # fmt: skip
        dead.agent.start()
        wait_until(lambda now=(*rest, dead): all(node.alive() == names for node in now), 10)
        nodes = [*rest, dead]
    print("a kill was seen everywhere after", sorted(round(one, 1) for one in seconds))
    assert statistics.median(seconds) < 8
    assert max(seconds) < 13
    polite, *rest = nodes
    for _ in range(3):
        assert polite.agent.end(signal.SIGTERM) == 0
        wait_until(lambda: all(node.statuses()[polite.name] == "left" for node in rest), 5)
        polite.agent.start()
        wait_until(lambda: all(node.alive() == names for node in nodes), 5)
