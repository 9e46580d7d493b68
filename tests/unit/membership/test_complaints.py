"""What users of gossip complain about elsewhere, and what happens here instead.

Each test is named after the complaint; the numbers are of the trackers where it was reported.
"""

from __future__ import annotations

import pytest

from goutube.membership.broadcasts import QUEUE_MAX
from goutube.membership.effects import (
    Change,
    Joined,
    JoinFailed,
    MemberChanged,
    NameInUse,
    Refused,
    Status,
)
from goutube.membership.messages import Dead, User, encode_message
from goutube.membership.roster import INTENTS_MAX
from goutube.membership.serf_messages import JoinIntent, LeaveIntent, encode_serf
from tests.support.gossip_world import GossipWorld, place


def failed_of(node):
    return {e.member.name for e in node.events
            if isinstance(e, MemberChanged) and e.change == Change.FAILED}  # fmt: skip


@pytest.mark.parametrize("down_s", [0.5, 15, 60])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_restart_at_a_new_address_is_not_refused(down_s, seed):
    """consul 733, 4806, 6897; memberlist 157: stock nodes refuse it for half a minute."""
    world = GossipWorld(seed)
    nodes = world.cluster(5)
    world.run(5)
    world.kill(nodes[4])
    world.run(down_s)
    back = world.add("n4", place(500))
    world.join(back, nodes[0])
    seconds = world.run_until(
        lambda: all(n.machine.members["n4"].endpoint == place(500)
                    and n.statuses()["n4"] == Status.ALIVE for n in nodes[:4]), 10
    )  # fmt: skip
    assert seconds < 5
    assert not any(isinstance(event, NameInUse) and event.own for event in back.events)
    if down_s < 1:
        assert "n4" not in failed_of(nodes[0])  # it said itself that its old process is gone


def test_a_mass_restart_with_old_incarnations_leaves_nobody_invisible():
    """memberlist 311, 4500 nodes: a dead record with a greater number outlives the restart."""
    world = GossipWorld(2)
    nodes = world.cluster(10)
    world.run(5)
    survivor, rest = nodes[0], nodes[1:]
    for node in rest:
        world.kill(node)
    world.run(40)  # alone with nine dead, the survivor takes its time over the last of them
    assert len(failed_of(survivor)) >= 3
    back = [world.add(node.name, node.endpoint, incarnation=1) for node in rest]
    for node in back:
        world.join(node, survivor)
    assert world.run_until(lambda: world.agree([survivor, *back]), 30) < 10


def test_who_comes_back_with_an_older_number_is_told_and_speaks_up():
    """The same without a join: one rumour about it is enough."""
    world = GossipWorld(3)
    nodes = world.cluster(3)
    world.run(2)
    accused = nodes[2]
    dead = encode_message(Dead("x", nodes[0].machine.incarnation + 1000, "n2"))
    world.do(nodes[0], lambda machine: machine.receive([dead], place(1)))
    world.run_until(lambda: nodes[0].statuses()["n2"] == Status.ALIVE, 10)
    assert accused.machine.incarnation > nodes[0].machine.incarnation


def test_a_partition_longer_than_memory_heals():
    """serf 605, 333; memberlist 222; metallb 589: both sides have forgotten each other."""
    world = GossipWorld(4)
    nodes = world.cluster(5)
    left = {node.endpoint for node in nodes[:2]}
    world.cut = lambda source, target: (source in left) != (target in left)
    world.run(300)
    world.cut = lambda source, target: False
    world.run_until(lambda: world.agree(nodes), 120)


def test_slow_nodes_are_no_reason_to_accuse_the_others():
    """consul 916, 1212, 3141; restate 5156: a node that was stopped judges by unread answers."""
    world = GossipWorld(5)
    nodes = world.cluster(20)
    world.run(10)
    slow = nodes[:2]
    for _ in range(6):
        for node in slow:
            world.pause(node, 4)
        world.run(10)
    healthy = {node.name for node in nodes[2:]}
    assert not any(failed_of(node) & healthy for node in nodes)


def test_a_storm_of_intents_is_bounded():
    """consul 1062, 3705, 5567: queues of 160,000 messages."""
    world = GossipWorld(6)
    (node,) = world.cluster(1)
    for number in range(2 * INTENTS_MAX):
        intent = JoinIntent(number + 1, f"ghost-{number}")
        raw = encode_message(User(encode_serf(intent)))
        world.do(node, lambda machine, raw=raw: machine.receive([raw], place(9)))
    assert node.machine.queued() <= QUEUE_MAX + 8
    assert len(node.machine._roster._early) == INTENTS_MAX
    world.run(700)
    assert len(node.machine._roster._early) == 0


def test_many_intents_about_one_node_are_one_message():
    """serf PR 606: two leave messages that echo for ever."""
    world = GossipWorld(7)
    nodes = world.cluster(4)
    world.run(5)
    world.kill(nodes[3])
    world.run(15)
    for ltime in range(50, 90):
        raw = encode_message(User(encode_serf(LeaveIntent(ltime, "n3"))))
        world.do(nodes[0], lambda machine, raw=raw: machine.receive([raw], place(9)))
    assert nodes[0].machine.queued() <= 1
    world.run(10)
    assert [node.machine.queued() for node in nodes[:3]] == [0, 0, 0]
    assert nodes[1].statuses()["n3"] == Status.LEFT


def test_nodes_that_left_do_not_pile_up():
    """consul 11970: push/pull beyond 20 MiB, and nobody can join."""
    world = GossipWorld(8)
    nodes = world.cluster(3)
    for number in range(12):
        guest = world.add(f"guest-{number}")
        world.join(guest, nodes[0])
        world.run(2)
        world.leave(guest)
    world.run(60)
    for node in nodes:
        assert len(node.machine._swim.view.states()) == 3
        assert node.statuses()["guest-0"] == Status.LEFT


def test_two_clusters_do_not_merge_by_accident():
    """consul 260, 843, 1939, 4074: an address is used again, or a join is mistyped."""

    def judge(cluster):
        return lambda _name, _endpoint, tags: (
            None if tags.get("cluster") in (None, cluster) else "another cluster"
        )

    world = GossipWorld(9)
    red = [world.add(f"r{n}", tags={"cluster": "red"}, admission=judge("red")) for n in range(3)]
    blue = [world.add(f"b{n}", tags={"cluster": "blue"}, admission=judge("blue")) for n in range(3)]
    for group in (red, blue):
        for node in group[1:]:
            world.join(node, group[0])
    world.run(10)
    world.join(blue[0], red[0])
    world.run(60)
    assert world.agree(red)
    assert world.agree(blue)
    assert any(isinstance(e, Refused) and e.reason == "another cluster" for e in red[0].events)


def test_joining_reports_no_success_that_is_none():
    """A peer that refuses us answers the exchange all the same."""
    world = GossipWorld(10)
    strict = world.add("strict", admission=lambda *_: "nobody is let in")
    guest = world.add("guest")
    world.do(guest, lambda machine: machine.join(strict.endpoint))
    world.run(10)
    assert not any(isinstance(event, Joined) for event in guest.events)
    (failure,) = [event for event in guest.events if isinstance(event, JoinFailed)]
    assert "does not list us" in failure.reason


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_goodbye_gets_through_a_bad_network(seed):
    """serf 638: a leave that is lost makes a failure of it."""
    world = GossipWorld(seed, loss=0.3)
    nodes = world.cluster(9)
    world.leave(nodes[5])
    world.run(20)
    rest = [node for node in nodes if node is not nodes[5]]
    assert {node.statuses()["n5"] for node in rest} == {Status.LEFT}


def test_a_member_that_only_said_it_leaves_is_here_after_all():
    """consul 13379: members that stay in "leaving" for ever."""
    world = GossipWorld(11)
    nodes = world.cluster(3)
    world.run(2)
    # A forged farewell that its subject never hears of: the only rumour that nobody refutes.
    forged = LeaveIntent(500, "n2")
    for node in nodes[:2]:
        node.machine._roster.leave_intent(forged)
        node.machine._roster.queue.take(1400, 127, 1)
    assert nodes[0].statuses()["n2"] == Status.LEAVING
    world.run(75)
    assert [node.statuses()["n2"] for node in nodes] == [Status.ALIVE] * 3
