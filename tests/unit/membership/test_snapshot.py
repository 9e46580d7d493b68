"""What is kept of members: written, read back, and read whatever a disk makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube.membership import Endpoint, Member, Snapshot, Status, parse_snapshot, render_snapshot
from goutube.membership.messages import VERSIONS

V4, V6 = Endpoint(bytes((10, 0, 0, 1)), 7946), Endpoint(bytes(15) + b"\x01", 1)


def member(name, endpoint, status=Status.ALIVE):
    return Member(name, endpoint, {}, status, VERSIONS)


def test_members_clocks_and_cluster_come_back():
    members = [
        member("failed one", V6, Status.FAILED),
        member("me", V4),
        member("n 1", V4),
        member("gone", V4, Status.LEFT),
    ]
    raw = render_snapshot(members, "me", (5, 6, 7), "c1")
    assert parse_snapshot(raw) == Snapshot((("n 1", V4), ("failed one", V6)), (4, 5, 6), "c1")
    assert raw.startswith(b"alive: n 1 10.0.0.1:7946\nfailed: failed one [::1]:1\n")


def test_a_snapshot_of_serf_itself_is_read():
    raw = b"# comment\nalive: a 10.0.0.1:7946\nnot-alive: b\nclock: 9\ncoordinate: x\nleave\n"
    assert parse_snapshot(raw) == Snapshot((("a", V4),), (9, 0, 0))


@given(st.binary(max_size=200))
def test_damage_is_skipped(raw):
    parse_snapshot(b"alive: " + raw + b"\nclock: " + raw + b"\n" + raw)
    assert parse_snapshot(raw + b"\nalive: a 10.0.0.1:7946\n").members[-1:] == (("a", V4),)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "9" * 5000, "\u0663", ""])
def test_a_port_that_is_none_is_skipped(port):
    assert parse_snapshot(f"alive: n1 10.0.0.1:{port}\n".encode()).members == ()
