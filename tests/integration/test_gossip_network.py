"""Real agents on hosts of their own, with a network between them that loses, delays and cuts."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

import pytest

from tests.support.agents import RestartedAgent
from tests.support.faulty_network import Link, faulty_network, is_possible
from tests.support.gossiping import wait_until

pytestmark = [pytest.mark.net, pytest.mark.cluster, pytest.mark.timeout(300)]
NAMES = [f"n{number}" for number in range(1, 6)]
BAD_ROAD = Link(loss=0.05, delay_s=0.01, jitter_s=0.03, duplication=0.1)


class Member:
    """An agent on a host; what it holds of the others is what its log says."""

    def __init__(self, folder, name, host, *settings, program=None):
        self.name = name
        self.host = host
        self.agent = RestartedAgent(
            folder / name, "--shard-count", "1", "--node-name", name, "--insecure",
            "--bind-addr", f"{host.address}:7946", "--rpc-port", f"{host.address}:7373",
            *settings, program=program or host.program,
        )  # fmt: skip

    def changes(self):
        """What it told of others, in order: (name, what became of it)."""
        lines = [json.loads(line) for line in tuple(self.agent.log_lines)]
        return [(line["member"], line["change"]) for line in lines
                if line["event"] == "member_changed"]  # fmt: skip

    def alive(self):
        """Whom it holds for alive, itself included."""
        last = dict(self.changes())
        here = ("joined", "updated")
        return {self.name} | {name for name, change in last.items() if change in here}

    def reaped(self):
        """Whom it has forgotten, and not met again."""
        return {name for name, change in dict(self.changes()).items() if change == "reaped"}

    def failed(self):
        """Whom it ever held for failed."""
        return {name for name, change in self.changes() if change == "failed"}


@contextmanager
def clustered(folder, module):
    """Five agents that know each other, each run by a module, and the switch between them."""
    if not is_possible():
        pytest.skip("needs root and /dev/net/tun")
    with faulty_network(5, seed=6) as (hosts, switch):
        nodes = []
        seeds = ",".join(f"{host.address}:7946" for host in hosts[:2])
        try:
            for name, host in zip(NAMES, hosts, strict=True):
                settings = ["--seed-addresses", seeds] if nodes else []
                nodes.append(Member(folder, name, host, *settings, program=host.running(module)))
                nodes[-1].agent.start()
            wait_until(lambda: agree(nodes), 10, "all find each other")
            yield nodes, switch
        finally:
            for node in nodes:
                if node.agent.child and node.agent.child.poll() is None:
                    node.agent.end()


@pytest.fixture
def cluster(tmp_path):
    """Five agents, and the switch."""
    with clustered(tmp_path, "tests.support.faulty_network") as made:
        yield made


@pytest.fixture
def forgetful_cluster(tmp_path):
    """The same, of agents that forget a failed member after 5 s."""
    with clustered(tmp_path, "tests.support.forgetful_agent") as made:
        yield made


def agree(nodes):
    names = {node.name for node in nodes}
    return all(node.alive() == names for node in nodes)


def accused(nodes):
    return {node.name: node.failed() for node in nodes if node.failed()}


def stay(nodes, seconds):
    """For so long nobody is held for failed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert accused(nodes) == {}
        time.sleep(0.5)


def test_a_bad_road_accuses_nobody_and_hides_no_death(cluster):
    """Loss, delay, reordering and duplication on each link at once."""
    nodes, switch = cluster
    switch.every = BAD_ROAD
    stay(nodes, 30)
    assert agree(nodes)
    assert switch.lost > 0
    *rest, dead = nodes
    dead.agent.end()
    seconds = wait_until(lambda: all(node.failed() == {dead.name} for node in rest), 20)
    print(f"a kill on a bad road was seen everywhere after {seconds:.1f} s")


def test_a_link_that_is_cut_in_one_direction_accuses_nobody(cluster):
    """The others ask on behalf of who cannot."""
    nodes, switch = cluster
    switch.cut([nodes[1].host], [nodes[3].host])
    stay(nodes, 25)
    assert switch.lost > 0


def test_who_hears_nothing_is_held_for_failed_and_comes_back(cluster):
    """All that others send to one host is lost; what it sends arrives."""
    nodes, switch = cluster
    *rest, deaf = nodes
    switch.cut([node.host for node in rest], [deaf.host])
    wait_until(lambda: all(node.failed() == {deaf.name} for node in rest), 30)
    switch.heal()
    seconds = wait_until(lambda: agree(nodes), 30)
    print(f"a deaf host was heard again everywhere after {seconds:.1f} s")


def part(nodes, switch):
    """Cut 2 from 3, both ways; the two sides."""
    few, many = nodes[:2], nodes[2:]
    for one, other in ((few, many), (many, few)):
        switch.cut([node.host for node in one], [node.host for node in other])
    return few, many


def test_a_partition_heals(cluster):
    """2 | 3, until each side holds the other for failed; then one cluster again within 30 s."""
    nodes, switch = cluster
    few, many = part(nodes, switch)
    for one, other in ((few, many), (many, few)):
        names = {node.name for node in one}
        wait_until(lambda at=other, names=names: all(n.failed() >= names for n in at), 40)
        assert all(node.alive() == {n.name for n in other} for node in other)
    switch.heal()
    seconds = wait_until(lambda: agree(nodes), 30)
    print(f"a partition of 2 | 3 was one cluster after {seconds:.1f} s")


def test_a_partition_that_outlasts_memory_heals_through_seeds(forgetful_cluster):
    """2 | 3, until each side has forgotten the other: only who has a seed beyond the cut asks."""
    nodes, switch = forgetful_cluster
    few, many = part(nodes, switch)
    for one, other in ((few, many), (many, few)):
        names = {node.name for node in one}
        wait_until(lambda at=other, names=names: all(n.reaped() == names for n in at), 60)
    switch.heal()
    # A seed is tried again after at most 30 s, half as long again by chance, and a round of 4 s.
    seconds = wait_until(lambda: agree(nodes), 60)
    print(f"two sides that had forgotten each other were one cluster after {seconds:.1f} s")
