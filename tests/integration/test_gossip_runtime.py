"""Gossip on real sockets, without agents around it."""

from __future__ import annotations

import ctypes
import time

import pytest

from goutube.membership import Change, JoinFailed, MemberChanged, Status, parse_snapshot
from goutube.runtime.gossip import SNAPSHOT_NAME
from tests.support.gossiping import gossiping, wait_until

pytestmark = pytest.mark.net


@pytest.fixture
def nodes():
    with gossiping() as start:
        yield start


def test_members_are_found_again_without_seeds(nodes, tmp_path):
    first = nodes("a")
    second = nodes("b", seeds=[first.port], directory=tmp_path)
    wait_until(lambda: first.alive() == second.alive() == {"a", "b"}, 5)
    second.stop()
    kept = parse_snapshot((tmp_path / SNAPSHOT_NAME).read_bytes())
    assert [name for name, _ in kept.members] == ["a"]
    again = nodes("b", directory=tmp_path, port=second.port)
    wait_until(lambda: again.alive() == {"a", "b"}, 5)


def test_ipv6(nodes):
    try:
        first = nodes("a", host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    second = nodes("b", host="::1", seeds=[first.port])
    wait_until(lambda: first.alive() == second.alive() == {"a", "b"}, 5)
    assert len(first.gossip.endpoint.addr) == 16


def test_a_seed_that_comes_later_is_joined(nodes):
    patient = nodes("a", seeds=[1])
    wait_until(lambda: any(isinstance(event, JoinFailed) for event in patient.events), 5)
    late = nodes("b", seeds=[patient.port])
    wait_until(lambda: patient.alive() == late.alive() == {"a", "b"}, 5)


def test_a_wrong_key_is_told(nodes):
    first = nodes("a", keys=[bytes(16)])
    second = nodes("b", keys=[bytes(range(16))], seeds=[first.port])
    third = nodes("c", seeds=[first.port])
    for node, text in ((second, "no key of ours"), (third, "encryption is not configured")):
        wait_until(lambda node=node: any(isinstance(e, JoinFailed) for e in node.events), 8)
        reasons = [event.reason for event in node.events if isinstance(event, JoinFailed)]
        assert text in reasons[0]
    assert first.alive() == {"a"}
    assert first.gossip.faults.by_reason["no-key"] > 0
    assert first.gossip.faults.by_reason["not-encrypted"] > 0


def test_other_machines_are_not_heard_where_gossip_is_local(nodes):
    node = nodes("a", local_only=True)
    assert node.gossip._is_admitted("127.0.0.9")
    assert node.gossip._is_admitted("::1")
    assert not node.gossip._is_admitted("10.0.0.1")
    secret = nodes("b", local_only=True, keys=[bytes(16)])
    assert secret.gossip._is_admitted("10.0.0.1")


def test_a_fault_of_one_step_does_not_stop_the_next(nodes):
    first = nodes("a")
    first.gossip._ask(lambda machine: machine.fire("too long", bytes(10_000)))
    second = nodes("b", seeds=[first.port])
    wait_until(lambda: first.alive() == second.alive() == {"a", "b"}, 5)


def test_a_port_in_use_is_an_error(nodes):
    first = nodes("a")
    with pytest.raises(OSError, match="in use"):
        nodes("b", port=first.port)


@pytest.mark.slow
def test_a_busy_main_thread_is_not_death(nodes):
    """The main thread computes for 10 s without a pause; gossip has its own."""
    first = nodes("a")
    second = nodes("b", seeds=[first.port])
    third = nodes("c", seeds=[first.port])
    wait_until(lambda: len(first.alive()) == 3, 5)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        sum(range(100_000))
    changes = [event.change for node in (first, second, third) for event in node.events
               if isinstance(event, MemberChanged)]  # fmt: skip
    assert Change.FAILED not in changes


@pytest.mark.slow
def test_a_process_that_stood_still_accuses_nobody(nodes):
    """All of the process stands: no node of it may take the others for dead afterwards."""
    first = nodes("a")
    second = nodes("b", seeds=[first.port])
    wait_until(lambda: len(second.alive()) == 2, 5)
    ctypes.PyDLL(None).sleep(12)  # holds the interpreter's lock
    time.sleep(10)
    assert first.statuses()["b"] == second.statuses()["a"] == Status.ALIVE
    assert not [e for e in (*first.events, *second.events)
                if isinstance(e, MemberChanged) and e.change == Change.FAILED]  # fmt: skip
