"""Whole clusters of machines in virtual time: finding, losing and leaving one another."""

from __future__ import annotations

import hashlib

import pytest

from goutube.membership.effects import (
    Change,
    EventSeen,
    HealthChanged,
    JoinFailed,
    MemberChanged,
    NameInUse,
    QuerySeen,
    Status,
)
from goutube.membership.messages import User, encode_message
from goutube.membership.packet import PACKET_BYTES
from goutube.membership.profile import LAN, Profile
from goutube.membership.queries import _found
from goutube.membership.serf_messages import Query, encode_serf
from tests.support.gossip_world import GossipWorld, place

BAD = (Change.FAILED, Change.LEFT, Change.REAPED)


def mishaps(nodes):
    return [(n.name, e) for n in nodes for e in n.events
            if isinstance(e, MemberChanged) and e.change in BAD]  # fmt: skip


@pytest.mark.parametrize("size", [2, 3, 9, 30])
def test_nodes_find_each_other_and_stay(size):
    world = GossipWorld(size)
    nodes = world.cluster(size, seconds=5)
    world.run(120)
    assert world.agree(nodes)
    assert mishaps(nodes) == []
    assert world.largest_packet <= PACKET_BYTES + 5
    assert all(node.machine.queued() == 0 for node in nodes)


@pytest.mark.parametrize("size", [2, 3, 9, 30])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_dead_node_is_known_everywhere(size, seed):
    world = GossipWorld(seed)
    nodes = world.cluster(size)
    world.run(5)
    *rest, dead = nodes
    world.kill(dead)
    seconds = world.run_until(
        lambda: all(n.statuses()[dead.name] == Status.FAILED for n in rest), 30
    )
    assert seconds > 3.5
    assert {name for name, _ in [(e.member.name, 0) for _, e in mishaps(rest)]} == {dead.name}


def test_every_node_hears_of_every_death():
    """Nobody is left to find out alone, which takes three times as long."""
    for seed in range(12):
        world = GossipWorld(seed)
        *rest, dead = world.settled_cluster(9)
        world.run(3 + seed % 7 / 3)
        world.kill(dead)
        seconds = world.run_until(
            lambda dead=dead, rest=rest: all(
                node.statuses()[dead.name] == Status.FAILED for node in rest
            ),
            13,
        )
        assert seconds < 13


def test_a_death_makes_nobody_doubt_himself():
    """Helpers own up in time: a probe that failed for all of them is not one's own slowness."""
    world = GossipWorld(30)
    nodes = world.settled_cluster(9)
    world.kill(nodes[8])
    for _ in range(100):
        world.run(0.1)
        assert all(node.machine.health == 0 for node in nodes[:8])


def test_a_node_that_leaves_is_not_taken_for_dead():
    world = GossipWorld(3)
    nodes = world.cluster(9)
    world.leave(nodes[4])
    world.run(3)
    rest = [node for node in nodes if node is not nodes[4]]
    assert {node.statuses()["n4"] for node in rest} == {Status.LEFT}
    assert all(node.changes("n4") == [Change.JOINED, Change.LEFT] for node in rest)


def test_three_rounds_of_leave_and_rejoin():
    world = GossipWorld(4)
    nodes = world.cluster(5)
    for _ in range(3):
        gone = nodes.pop()
        world.leave(gone)
        world.run(2)
        back = world.add(gone.name, gone.endpoint)
        world.join(back, nodes[0])
        nodes.append(back)
        world.run_until(lambda: world.agree(nodes), 5)
    world.run(60)
    assert world.agree(nodes)
    assert nodes[0].changes("n4") == [Change.JOINED, Change.LEFT] * 3 + [Change.JOINED]


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_lost_packets_accuse_nobody_for_good(loss):
    world = GossipWorld(11, loss=loss)
    nodes = world.cluster(12)
    world.run(120)
    assert world.agree(nodes)
    assert [e for _, e in mishaps(nodes) if e.change == Change.FAILED] == []


def test_streams_keep_a_node_alive_whose_packets_are_all_lost():
    world = GossipWorld(12)
    nodes = world.cluster(3)
    deaf = nodes[2]
    arrive = world._arrive
    world._arrive = lambda source, send: (
        None if deaf.endpoint in (source, send.to) else arrive(source, send)
    )
    world.run(60)
    assert mishaps(nodes) == []


def test_a_stopped_node_refutes_when_it_goes_on():
    world = GossipWorld(13)
    nodes = world.cluster(9)
    world.run(10)
    world.pause(nodes[3], 3)
    world.run(60)
    assert mishaps(nodes) == []
    assert world.agree(nodes)


def test_a_healed_partition_becomes_one_cluster():
    world = GossipWorld(14)
    nodes = world.cluster(5)
    left = {node.endpoint for node in nodes[:2]}
    world.cut = lambda source, target: (source in left) != (target in left)
    world.run(20)
    assert nodes[0].statuses()["n4"] == Status.FAILED
    assert nodes[4].statuses()["n0"] == Status.FAILED
    world.cut = lambda source, target: False
    assert world.run_until(lambda: world.agree(nodes), 60) <= 30


def test_tags_change_everywhere():
    world = GossipWorld(15)
    nodes = world.cluster(5)
    world.do(nodes[1], lambda machine: machine.set_tags({"zone": "b"}))
    world.run(3)
    assert all(node.machine.members["n1"].tags == {"zone": "b"} for node in nodes)
    assert all(node.changes("n1") == [Change.JOINED, Change.UPDATED] for node in nodes)


def test_a_user_event_reaches_each_node_once():
    world = GossipWorld(16, loss=0.1)
    nodes = world.cluster(12)
    world.do(nodes[7], lambda machine: machine.fire("deploy", b"v2"))
    world.run(40)
    for node in nodes:
        seen = [event for event in node.events if isinstance(event, EventSeen)]
        assert [(event.name, event.payload) for event in seen] == [("deploy", b"v2")]


def test_one_seed_one_course():
    def course(seed):
        world = GossipWorld(seed, loss=0.1)
        nodes = world.cluster(6)
        world.kill(nodes[2])
        world.run(30)
        log = repr([[str(event) for event in node.events] for node in nodes])
        return hashlib.sha256(log.encode()).hexdigest(), world.bytes_sent

    assert course(5) == course(5)
    assert course(5) != course(6)


def test_a_live_holder_of_the_name_keeps_it():
    world = GossipWorld(17)
    nodes = world.cluster(3)
    world.run(5)
    twin = world.add("n2", place(900))
    world.nodes["n2"] = nodes[2]
    world.join(twin, nodes[0])
    world.run(5)
    (conflict,) = [e for e in twin.events if isinstance(e, NameInUse) and e.own][:1]
    assert conflict.holder == nodes[2].endpoint
    world.kill(twin)
    world.run(30)
    assert not any(isinstance(e, NameInUse) and e.own for e in nodes[2].events)
    assert all(node.machine.members["n2"].endpoint == nodes[2].endpoint for node in nodes)


def test_a_machine_that_slept_judges_nobody():
    world = GossipWorld(18)
    nodes = world.cluster(4)
    world.run(5)
    world.pause(nodes[0], 120)
    world.run(122)
    assert not [e for name, e in mishaps(nodes) if name == "n0"]
    assert any(isinstance(event, HealthChanged) for event in nodes[0].events)
    world.run_until(lambda: world.agree(nodes), 60)


def test_a_dead_member_is_reaped_in_the_end():
    assert LAN.reconnect_timeout_ms == 24 * 3600 * 1000
    world = GossipWorld(19)
    nodes = world.settled_cluster(2, profile=Profile(reconnect_timeout_ms=600_000))
    world.kill(nodes[1])
    world.run(500)
    assert nodes[0].changes("n1") == [Change.FAILED]
    world.run(200)
    assert nodes[0].changes("n1") == [Change.FAILED, Change.REAPED]
    assert list(nodes[0].machine.members) == ["n0"]


def test_joining_through_nobody_is_told():
    world = GossipWorld(20)
    node = world.add("a")
    world.do(node, lambda machine: machine.join(place(77)))
    world.run(1)
    (failure,) = [event for event in node.events if isinstance(event, JoinFailed)]
    assert failure.peer == place(77)


@pytest.mark.parametrize("pattern", ["(a+)+b", "a*a*a*b", "x" * 200, "(?:a)", "["])
def test_a_pattern_that_may_take_for_ever_matches_nothing(pattern):
    assert not _found(pattern, "a" * 500)
    assert _found("y[02]+", "y02")


def test_a_query_is_told_to_the_node_it_is_for():
    world = GossipWorld(21)
    nodes = world.cluster(3)
    for number, filters in enumerate([None, (b"\x00\x91\xa2n1",)]):
        query = Query(nodes[0].endpoint.addr, filters, 1, number, 5, "q", b"x",
                      nodes[0].endpoint.port, 0, "n0", 10**9)  # fmt: skip
        raw = encode_message(User(encode_serf(query)))
        world.do(nodes[0], lambda machine, raw=raw: machine.receive([raw], place(1)))
    world.run(3)
    seen = [sum(isinstance(e, QuerySeen) for e in node.events) for node in nodes]
    assert seen == [1, 2, 1]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_thousand_nodes():
    world = GossipWorld(22, loss=0.05)
    nodes = world.settled_cluster(1000)
    world.run(10)
    assert mishaps(nodes) == []
    *rest, dead = nodes
    world.kill(dead)
    world.run_until(lambda: all(n.statuses()[dead.name] == Status.FAILED for n in rest), 90)
    assert {e.member.name for _, e in mishaps(rest)} == {dead.name}
