"""Changing the keys of a whole cluster, in virtual time."""

import pytest

from goutube.membership import KeyAction, Keyring, Seal, Status
from goutube.membership.key_queries import key_fingerprint, read_key_answer
from goutube.membership.serf_messages import QueryResponse
from tests.support.gossip_world import GossipWorld

OLD, NEW = bytes(range(32)), bytes(range(100, 116))


def cluster(size, seed=1, **network):
    world = GossipWorld(seed, **network)
    nodes = [world.add(f"n{number}", seal=Seal(Keyring((OLD,)))) for number in range(size)]
    for node in nodes[1:]:
        world.join(node, nodes[0])
    world.run_until(lambda: world.agree(nodes), 60)
    return world, nodes


def ask(world, node, action, key=b"", seconds=10):
    """What all said, and how long that took."""
    told = []
    node.machine.ask_keys(action, key, told.append)
    world._perform(node)
    took = world.run_until(lambda: told, seconds)
    world.run(seconds)
    (answers,) = told
    return {answer.member: answer for answer in answers}, took


def test_a_key_is_installed_used_and_the_old_one_removed_and_nobody_is_lost():
    world, nodes = cluster(5)
    for action, key in [(KeyAction.INSTALL, NEW), (KeyAction.USE, NEW), (KeyAction.REMOVE, OLD)]:
        answers, took = ask(world, nodes[3], action, key)
        assert sorted(answers) == [f"n{number}" for number in range(5)]
        assert not any(answer.fault for answer in answers.values())
        assert took < 2
    answers, _ = ask(world, nodes[0], KeyAction.LIST)
    assert {(answer.keys, answer.primary) for answer in answers.values()} == {((NEW,), NEW)}
    world.run(60)
    assert all(set(node.statuses().values()) == {Status.ALIVE} for node in nodes)


def test_who_keeps_silent_is_named_when_the_time_is_over():
    world, nodes = cluster(3)
    nodes[2].paused = True
    answers, took = ask(world, nodes[0], KeyAction.LIST)
    assert not answers["n2"].answered
    assert answers["n2"].fault == "no answer"
    assert answers["n1"].keys == (OLD,)
    assert 2 < took < 5


def test_a_change_is_answered_for_once_a_restart_would_find_it():
    world, nodes = cluster(3)
    nodes[0].keep_ms, nodes[2].keep_ms = 700, 1_100
    nodes[1].keep_fault = "no room"
    answers, took = ask(world, nodes[0], KeyAction.INSTALL, NEW)
    assert {name: answer.fault for name, answer in answers.items()} == {
        "n0": "", "n1": "no room", "n2": "",
    }  # fmt: skip
    assert took >= 1.1


def test_our_own_disk_is_waited_for_however_slow_it_is():
    """The others' time is over by then; one of them keeps silent."""
    world, nodes = cluster(3)
    nodes[0].keep_ms, nodes[2].paused = 7_000, True
    answers, took = ask(world, nodes[0], KeyAction.INSTALL, NEW)
    assert {name: answer.fault for name, answer in answers.items()} == {
        "n0": "", "n1": "", "n2": "no answer",
    }  # fmt: skip
    assert 6.9 < took < 7.5


def test_nobody_answers_in_our_name():
    world, nodes = cluster(2)
    nodes[0].keep_ms = 500
    told = []
    world.do(nodes[0], lambda machine: machine.ask_keys(KeyAction.INSTALL, NEW, told.append))
    queries = nodes[0].machine._queries
    (number,) = queries._asked
    world.do(nodes[0], lambda _: queries.answered(QueryResponse(0, "n0", number, 1, b"forged")))
    world.run(3)
    assert [answer.fault for answer in told[0]] == ["", ""]


def test_a_refusal_is_told_with_its_reason():
    world, nodes = cluster(3)
    answers, _ = ask(world, nodes[0], KeyAction.USE, NEW)
    assert {answer.fault for answer in answers.values()} == {"Requested key is not in the keyring"}
    answers, _ = ask(world, nodes[0], KeyAction.REMOVE, OLD)
    assert all("primary" in answer.fault for answer in answers.values())


def test_a_node_alone_answers_itself_at_once_and_says_that_there_is_no_encryption():
    world = GossipWorld(1)
    node = world.add("n0")
    answers, took = ask(world, node, KeyAction.INSTALL, NEW)
    assert "encryption not enabled" in answers["n0"].fault
    assert took < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_answers_come_over_a_network_that_loses_a_tenth(seed):
    """Each goes three ways: straight, and by two members."""
    world, nodes = cluster(5, seed, loss=0.1)
    answers, _ = ask(world, nodes[0], KeyAction.LIST)
    assert all(answer.answered for answer in answers.values())


@pytest.mark.parametrize("payload", [b"", b"\x08", b"\x08\xc1", b"\x06\xc0"])
def test_an_answer_that_cannot_be_read_is_a_fault_of_its_sender(payload):
    answer = read_key_answer("n1", payload)
    assert (answer.answered, answer.fault) == (True, "its answer cannot be read")


def test_a_fingerprint_tells_keys_apart_and_not_what_they_are():
    assert key_fingerprint(OLD) == "630dcd2966c43366"
    assert key_fingerprint(NEW) != key_fingerprint(OLD)
