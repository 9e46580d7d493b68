"""Debian's ``serf`` and ours in one cluster, plain and encrypted."""

from __future__ import annotations

import base64
import os
import time

import pytest

from goutube.membership import (
    Change,
    EventSeen,
    KeyAction,
    KeysChanged,
    MemberChanged,
    NameInUse,
    Status,
)
from tests.support.gossiping import SERF, Serf, free_port, gossiping, wait_until

pytestmark = [
    pytest.mark.net,
    pytest.mark.cluster,
    pytest.mark.skipif(SERF is None, reason="needs Debian's serf: apt-get install serf"),
]
KEY = bytes(range(32))
WATCHED_S = int(os.environ.get("GOUTUBE_WATCHED_SECONDS", "60"))
OTHER = bytes(range(1, 33))
BASE64 = base64.b64encode(KEY).decode()


@pytest.fixture(params=["plain", "encrypted"])
def keys(request):
    return (KEY,) if request.param == "encrypted" else ()


@pytest.fixture
def nodes():
    with gossiping() as start:
        yield start


@pytest.fixture
def serf(tmp_path, keys):
    started = []

    def start(name="stock", *tags):
        agent = Serf(name, free_port(), tmp_path, key=BASE64 if keys else None, tags=tags)
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.kill()


def test_join_in_both_directions_with_tags(nodes, serf, keys):
    stock = serf("stock", "role=db", "dc=eu1")
    ours = nodes("ours", seeds=[stock.port], keys=keys, tags={"rpc": "127.0.0.1:7373"})
    wait_until(lambda: ours.alive() == {"ours", "stock"}, 5)
    invited = nodes("invited", keys=keys)
    stock.run("join", f"127.0.0.1:{invited.port}")
    everybody = {"ours", "stock", "invited"}
    wait_until(lambda: ours.alive() == invited.alive() == everybody, 5)
    assert invited.tags_of("stock") == {"role": "db", "dc": "eu1"}
    assert stock.members()["ours"] == ("alive", {"rpc": "127.0.0.1:7373"})
    ours.gossip.set_tags({"rpc": "127.0.0.1:9"})
    wait_until(lambda: stock.members()["ours"][1] == {"rpc": "127.0.0.1:9"}, 5)
    stock.run("tags", "-set", "role=web")
    wait_until(lambda: invited.tags_of("stock").get("role") == "web", 5)
    assert "Successfully contacted all live nodes" in stock.run("reachability")


def test_failure_leaving_and_coming_back_are_seen(nodes, serf, keys):
    stock = serf()
    a, b = (nodes(name, seeds=[stock.port], keys=keys) for name in "ab")
    wait_until(lambda: a.alive() == b.alive() == {"a", "b", "stock"}, 5)
    a.stop(leave=True)
    wait_until(lambda: stock.status("a") == "left", 5)
    assert a.port
    again = nodes("a", seeds=[stock.port], keys=keys, port=a.port)
    wait_until(lambda: stock.status("a") == "alive", 5)
    again.stop()
    wait_until(lambda: stock.status("a") == "failed", 15)
    wait_until(lambda: b.statuses()["a"] == Status.FAILED, 15)
    back = nodes("a", seeds=[stock.port], keys=keys, port=a.port)
    wait_until(lambda: stock.status("a") == "alive" and back.alive() == {"a", "b", "stock"}, 5)
    stock.kill()
    wait_until(lambda: b.statuses()["stock"] == Status.FAILED, 15)
    stock.start()
    wait_until(lambda: b.statuses()["stock"] == Status.ALIVE, 15)
    stock.run("leave")
    wait_until(lambda: b.statuses()["stock"] == Status.LEFT, 10)


def test_a_user_event_reaches_our_events_once(nodes, serf, keys):
    stock = serf()
    ours = nodes("ours", seeds=[stock.port], keys=keys)
    wait_until(lambda: stock.status("ours") == "alive", 5)
    stock.run("event", "deploy", "v2")
    wait_until(lambda: any(isinstance(event, EventSeen) for event in ours.events), 5)
    (seen,) = [event for event in ours.events if isinstance(event, EventSeen)]
    assert (seen.name, seen.payload) == ("deploy", b"v2")


def test_a_crashed_node_is_taken_at_its_new_address_at_once(nodes, serf, keys):
    """Between stock agents this takes half a minute and more."""
    stock = serf()
    first = nodes("a", seeds=[stock.port], keys=keys)
    wait_until(lambda: stock.status("a") == "alive", 5)
    first.stop()
    again = nodes("a", seeds=[stock.port], keys=keys)
    place = f"127.0.0.1:{again.port}"
    wait_until(lambda: stock.places()["a"] == (place, "alive"), 8)
    assert again.alive() == {"a", "stock"}


def test_a_name_that_a_stock_agent_has_is_left_to_it(nodes, serf, keys):
    stock = serf()
    other = nodes("other", seeds=[stock.port], keys=keys)
    wait_until(lambda: stock.status("other") == "alive", 5)
    twin = nodes("stock", seeds=[other.port], keys=keys)
    wait_until(lambda: any(isinstance(e, NameInUse) and e.own for e in twin.events), 8)
    twin.stop()
    wait_until(lambda: other.statuses()["stock"] == Status.ALIVE, 5)
    assert stock.status("other") == "alive"


def test_keys_are_rotated_by_serf(nodes, serf, keys):
    if not keys:
        pytest.skip("only where gossip is encrypted")
    stock = serf()
    ours = nodes("ours", seeds=[stock.port], keys=keys)
    wait_until(lambda: stock.status("ours") == "alive", 5)
    other = base64.b64encode(OTHER).decode()
    stock.run("keys", f"-install={other}")
    stock.run("keys", f"-use={other}")
    stock.run("keys", f"-remove={BASE64}")
    assert f"{other}  [2/2]" in stock.run("keys", "-list")
    assert [e.keys for e in ours.events if isinstance(e, KeysChanged)][-1] == (OTHER,)
    late = nodes("late", seeds=[ours.port], keys=(OTHER,))
    wait_until(lambda: late.alive() == {"ours", "stock", "late"}, 5)


def test_serf_obeys_when_we_rotate_the_keys(nodes, serf, keys):
    stock = serf()
    ours = nodes("ours", seeds=[stock.port], keys=keys)
    wait_until(lambda: ours.alive() == {"ours", "stock"}, 5)

    def ask(action, key=b""):
        return {told.member: told for told in ours.gossip.ask_keys(action, key).result(10)}

    if not keys:
        told = ask(KeyAction.INSTALL, OTHER)
        assert all("encryption not enabled" in answer.fault for answer in told.values())
        return
    for action, key in [
        (KeyAction.INSTALL, OTHER),
        (KeyAction.USE, OTHER),
        (KeyAction.REMOVE, KEY),
    ]:
        told = ask(action, key)
        assert {name: (one.answered, one.fault) for name, one in told.items()} == {
            "ours": (True, ""),
            "stock": (True, ""),
        }
    assert all(one.keys == (OTHER,) for one in ask(KeyAction.LIST).values())
    assert f"{base64.b64encode(OTHER).decode()}  [2/2]" in stock.run("keys", "-list")
    told = ask(KeyAction.REMOVE, OTHER)
    assert "primary key" in told["stock"].fault


@pytest.mark.slow
def test_a_minute_without_a_flap(nodes, serf, keys):
    stock = serf()
    ours = [nodes(f"n{number}", seeds=[stock.port], keys=keys) for number in range(3)]
    wait_until(lambda: all(len(node.alive()) == 4 for node in ours), 5)
    time.sleep(WATCHED_S)
    troubles = [
        event
        for node in ours
        for event in node.events
        if isinstance(event, MemberChanged) and event.change in (Change.FAILED, Change.LEFT)
    ]
    assert troubles == []
    assert all(len(node.alive()) == 4 for node in ours)
