"""What the command line makes of the events of a cluster."""

import json

import pytest

from goutube.cli import cluster_events
from goutube.cli.cluster_events import news
from goutube.client import MemberChange, MemberInfo, MembersListed, UserEvent


def member(name, status="alive"):
    return MemberInfo(name, "127.0.0.1:7946", "", "shard", status, {})


A, B = member("a"), member("b")


class Watched:
    """A client that is told these events."""

    def __init__(self, *events):
        self._events = events

    def watch_members(self):
        yield from self._events


EVENTS = (
    MembersListed((A, B)),
    MemberChange("failed", member("b", "failed")),
    UserEvent("dep\x1bloy", b"v\n2\xff", 7),
)


def show(**options):
    """The command, without its connection."""
    cluster_events.events.callback.__wrapped__(Watched(*EVENTS), **options)


def test_events_are_lines_that_steer_no_terminal(capsys):
    show(as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "listed\ta b\t",
        "failed\tb\t127.0.0.1:7946",
        "user\tdep\ufffdloy\tv\ufffd2\ufffd",
    ]


def test_events_are_documents(capsys):
    show(as_json=True)
    listed, failed, user = map(json.loads, capsys.readouterr().out.splitlines())
    assert (listed["event"], [one["name"] for one in listed["members"]]) == ("listed", ["a", "b"])
    assert (failed["event"], failed["member"]["status"]) == ("failed", "failed")
    assert user == {"event": "user", "name": "dep\x1bloy", "payload": "dgoy/w==", "ltime": 7}


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (MembersListed((A, B)), []),
        (MembersListed((A,)), [member("b", "forgotten")]),
        (MemberChange("joined", B), []),
        (MemberChange("left", member("b", "left")), [member("b", "left")]),
        (MemberChange("reaped", B), [member("b", "forgotten")]),
        (MemberChange("reaped", member("c")), []),
        (UserEvent("deploy", b"", 1), []),
    ],
)
def test_a_watch_of_members_tells_what_was_not_known(event, told):
    known = {"a": A, "b": B}
    assert news(event, known) == told
    assert news(event, known) == []
