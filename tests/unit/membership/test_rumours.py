"""The rules one by one: what a rumour does to what is held, the queue, and the clocks of suspects."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube.membership.broadcasts import QUEUE_MAX, Broadcasts
from goutube.membership.context import Options
from goutube.membership.effects import Endpoint, Refused, Send
from goutube.membership.keyring import Keyring
from goutube.membership.machine import Membership
from goutube.membership.messages import (
    VERSIONS,
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Nack,
    Ping,
    State,
    Suspect,
    decode_message,
    encode_message,
)
from goutube.membership.packet import Seal
from goutube.membership.profile import LAN
from goutube.membership.suspicion import Suspicion
from goutube.membership.timers import Timers
from goutube.membership.view import version_fault

ME = Endpoint(bytes((10, 0, 0, 1)), 7946)
PEER = Endpoint(bytes((10, 0, 0, 2)), 7946)
STRANGER = Endpoint(bytes((9, 9, 9, 9)), 53)


def machine(**options):
    chosen = Options("me", ME, {}, 100, **options)
    one = Membership(chosen, Seal(Keyring(())), random.Random(1), 0)
    one.take()
    return one


def hear(one, *rumours, source=PEER):
    one.receive([encode_message(rumour) for rumour in rumours], source)


def alive(incarnation, place=PEER, meta=b"", versions=VERSIONS, name="peer"):
    return Alive(place.addr, incarnation, meta, name, place.port, versions)


def entry(one, name="peer"):
    return one._swim.view.entries[name]


HELD = {
    "alive": [alive(5)],
    "suspect": [alive(5), Suspect("x", 5, "peer")],
    "dead": [alive(5), Dead("x", 5, "peer")],
    "left": [alive(5), Dead("peer", 5, "peer")],
}
ALIVE, SUSPECT, DEAD, LEFT = State
TABLE = [
    # held, rumour, state and incarnation after it
    ("alive", alive(5), ALIVE, 5),
    ("alive", alive(6), ALIVE, 6),
    ("alive", alive(4), ALIVE, 5),
    ("alive", Suspect("x", 4, "peer"), ALIVE, 5),
    ("alive", Suspect("x", 5, "peer"), SUSPECT, 5),
    ("alive", Suspect("x", 9, "peer"), SUSPECT, 9),
    ("alive", Dead("x", 4, "peer"), ALIVE, 5),
    ("alive", Dead("x", 5, "peer"), DEAD, 5),
    ("alive", Dead("peer", 5, "peer"), LEFT, 5),
    ("suspect", alive(5), SUSPECT, 5),
    ("suspect", alive(6), ALIVE, 6),
    ("suspect", Suspect("y", 7, "peer"), SUSPECT, 5),
    ("suspect", Dead("x", 5, "peer"), DEAD, 5),
    ("suspect", Dead("peer", 6, "peer"), LEFT, 6),
    ("dead", alive(5), DEAD, 5),
    ("dead", alive(6), ALIVE, 6),
    ("dead", Suspect("x", 9, "peer"), DEAD, 5),
    ("dead", Dead("peer", 9, "peer"), DEAD, 5),
    ("left", alive(5), LEFT, 5),
    ("left", alive(6), ALIVE, 6),
    ("left", Suspect("x", 9, "peer"), LEFT, 5),
    ("left", Dead("x", 9, "peer"), LEFT, 5),
    ("left", alive(3, Endpoint(bytes((10, 0, 0, 9)), 1)), ALIVE, 3),  # it came back elsewhere
    ("dead", alive(3, Endpoint(bytes((10, 0, 0, 9)), 1)), DEAD, 5),
    ("dead", alive(6, Endpoint(bytes((10, 0, 0, 9)), 1)), ALIVE, 6),
    ("alive", alive(9, Endpoint(bytes((10, 0, 0, 9)), 1)), ALIVE, 5),
]


@pytest.mark.parametrize(("held", "rumour", "state", "incarnation"), TABLE)
def test_a_rumour_about_another(held, rumour, state, incarnation):
    one = machine()
    hear(one, *HELD[held], rumour)
    assert (entry(one).state, entry(one).incarnation) == (state, incarnation)


@pytest.mark.parametrize(
    ("rumour", "incarnation"),
    [
        (Suspect("x", 100, "me"), 101),
        (Suspect("x", 150, "me"), 151),
        (Suspect("x", 99, "me"), 100),
        (Dead("x", 100, "me"), 101),
        (Dead("me", 120, "me"), 121),
        (alive(100, ME, b"other", name="me"), 101),
        (alive(100, ME, b"\xff\x80", name="me"), 100),
        (alive(99, ME, b"other", name="me"), 100),
    ],
)
def test_a_rumour_about_ourselves_is_refuted(rumour, incarnation):
    one = machine()
    hear(one, rumour)
    assert one.incarnation == incarnation
    assert entry(one, "me").state == State.ALIVE


def test_nobody_is_held_for_dead_whom_we_never_knew():
    one = machine()
    hear(one, Dead("x", 5, "peer"), Suspect("x", 5, "peer"), alive(0))
    assert "peer" not in one._swim.view.entries


def test_an_address_is_kept_as_it_came():
    one, long = machine(), bytes(10) + b"\xff\xff" + PEER.addr
    hear(one, alive(5, Endpoint(long, PEER.port)), alive(6))
    assert entry(one).endpoint == PEER
    hear(one, alive(7, Endpoint(long, PEER.port)))
    assert entry(one).endpoint.addr == long
    assert one._swim.view.states()[-1].addr == long


@pytest.mark.parametrize(
    "versions", ["010102020505", "010502020509", "010502000000", "000502020505", "0105", ""]
)
def test_versions_that_would_break_the_cluster_are_refused(versions):
    one = machine()
    hear(one, alive(5, versions=bytes.fromhex(versions)))
    assert "peer" not in one._swim.view.entries
    assert isinstance(one.take().events[-1], Refused)
    assert version_fault(VERSIONS) is None


def answers(one):
    return [(send.to, decode_message(send.command)) for send in one.take().sends]


def test_a_ping_is_answered_to_who_sent_it():
    one = machine()
    hear(one, Ping("me", 7, STRANGER.addr, "x", STRANGER.port))
    hear(one, Ping("", 8), Ping("other", 9), Ping("me", 10))
    assert answers(one) == [(PEER, Ack(None, 7)), (PEER, Ack(None, 8)), (PEER, Ack(None, 10))]


def test_an_indirect_ping_goes_to_members_alone():
    one = machine()
    hear(one, alive(5, STRANGER, name="helper"), alive(5))
    one.take()
    asked = IndirectPing(True, "peer", PEER.port, 44, b"", "", 0, PEER.addr)
    hear(one, asked, source=STRANGER)
    ((to, ping),) = answers(one)
    assert (to, ping.node) == (PEER, "peer")
    hear(one, Ack(None, ping.seq_no))
    assert answers(one) == [(STRANGER, Ack(None, 44))]
    hear(one, asked, source=STRANGER)
    one.take()
    one.advance(399)
    nack = Send(STRANGER, encode_message(Nack(44)))
    assert nack not in one.take().sends
    one.advance(401)
    assert nack in one.take().sends
    elsewhere = IndirectPing(True, "peer", 53, 45, b"", "", 0, bytes((8, 8, 8, 8)))
    hear(one, elsewhere, source=STRANGER)
    assert answers(one) == []


# The clocks of suspects


@pytest.mark.parametrize(
    ("nodes", "confirmations", "seconds"),
    [(3, 0, 4), (3, 2, 4), (10, 0, 24), (10, 1, 11.38), (10, 2, 4), (10, 5, 4),
     (100, 0, 48), (100, 1, 22.76), (100, 2, 8), (1000, 0, 72), (1000, 2, 12)],
)  # fmt: skip
def test_the_more_accusers_the_sooner(nodes, confirmations, seconds):
    timers, fired = Timers(0), []
    suspicion = Suspicion("first", nodes, LAN, timers, lambda: fired.append(timers.now_ms))
    assert not suspicion.confirm("first")
    for number in range(confirmations):
        suspicion.confirm(f"n{number}")
    assert suspicion.total_ms / 1000 == pytest.approx(seconds, abs=0.01)
    timers.run(100_000)
    assert fired == [suspicion.total_ms]


def test_a_late_confirmation_ends_it_at_once():
    timers, fired = Timers(0), []
    suspicion = Suspicion("first", 10, LAN, timers, lambda: fired.append(timers.now_ms))
    timers.run(15_000)
    assert suspicion.confirm("second")
    timers.run(15_000)
    assert fired == [15_000]


# The queue


def test_a_newer_message_about_a_node_takes_the_place_of_the_older():
    queue, done = Broadcasts(), []
    queue.put("a", b"old", lambda: done.append("old"))
    queue.put("a", b"new", lambda: done.append("new"))
    assert done == ["old"]
    assert queue.take(100, 10, limit=2) == [b"new"]
    assert queue.take(100, 10, limit=2) == [b"new"]
    assert done == ["old", "new"]
    assert queue.take(100, 10, limit=2) == []


def test_the_order_is_rarest_then_longest_then_newest():
    queue = Broadcasts()
    for key in ("aa", "bb", "cccc"):
        queue.put(key, key.encode())
    assert queue.take(100, 1, limit=9) == [b"cccc"]
    assert queue.take(100, 9, limit=9) == [b"bb", b"aa", b"cccc"]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), max_size=30),
       st.integers(0, 150), st.integers(1, 6))  # fmt: skip
def test_what_is_taken_is_what_looking_at_each_in_order_finds(items, room, parts):
    """However many are too long are passed over at once."""
    queue = Broadcasts()
    for number, (length, times) in enumerate(items):
        queue.put(number, bytes((number,)) * length)
        for _ in range(times):
            queue.take(length + 2, 1, limit=99)
    found, left = [], room
    for _, item in queue._ordered:
        if len(found) == parts or left < 16:
            break
        if len(item.command) + 2 <= left:
            found.append(item.command)
            left -= len(item.command) + 2
    assert queue.take(room, parts, limit=99) == found


def test_the_queue_is_bounded_at_insertion():
    queue = Broadcasts()
    for number in range(QUEUE_MAX + 100):
        queue.put(number, b"x")
    assert len(queue) == QUEUE_MAX


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=40),
       st.integers(20, 200), st.integers(1, 5))  # fmt: skip
def test_each_message_is_sent_exactly_so_often(commands, room, limit):
    queue, sent = Broadcasts(), {}
    for number, command in enumerate(commands):
        queue.put(number, bytes((number,)) + command)
    while taken := queue.take(room, 127, limit):
        assert sum(len(command) + 2 for command in taken) <= room
        for command in taken:
            sent[command] = sent.get(command, 0) + 1
    fits = [bytes((n,)) + c for n, c in enumerate(commands) if len(c) + 3 <= room]
    assert sent == dict.fromkeys(fits, limit)


# Whom to ask


@pytest.mark.parametrize("fitting", [0, 2, 3, 150, 299])
def test_some_others_are_found_however_few_fit(fitting):
    """Different ones, not always the same, and never ourselves."""
    one = machine()
    for number in range(299):
        place = Endpoint(bytes((10, 1, number >> 8, number & 255)), 7946)
        hear(one, alive(5, place, name=f"n{number}"))
    names = {f"n{number}" for number in range(fitting)} | {"me"}
    view, seen = one._swim.view, set()
    for _ in range(20):
        found = [entry.name for entry in view.some(3, lambda entry: entry.name in names)]
        assert len(found) == len(set(found)) == min(3, fitting)
        seen.update(found)
    assert seen <= names - {"me"}
    assert len(seen) > 10 or seen == names - {"me"}
