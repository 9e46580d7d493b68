"""Members' changes and users' events, as clients of real agents are told of them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from queue import SimpleQueue

import pytest

from goutube import aio
from goutube.client import MemberChange, MembersListed, UserEvent
from goutube.errors import UnavailableError
from tests.support.gossiping import SERF, Serf, free_port, wait_until
from tests.support.members import members

pytestmark = [pytest.mark.net, pytest.mark.cluster]


@pytest.fixture
def start(tmp_path):
    with members(tmp_path) as starter:
        yield starter


class Watching:
    """A thread that watches through a client, and what it was told."""

    def __init__(self, client):
        self._events = SimpleQueue()
        self._client = client
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with suppress(UnavailableError):  # the client is closed at the end
            for event in self._client.watch_members():
                self._events.put(event)

    def until(self, wanted):
        """The first event that is wanted."""
        while not wanted(event := self._events.get(timeout=20)):
            pass
        return event


def changed(name, change):
    """Tells this change of that member."""
    return lambda event: (
        isinstance(event, MemberChange) and (event.member.name, event.change) == (name, change)
    )


def test_a_client_is_told_of_members_and_begins_anew_after_a_break(start):
    first = start("n1")
    watching = Watching(first.client)
    listed = watching.until(lambda event: isinstance(event, MembersListed))
    assert [one.name for one in listed.members] == ["n1"]
    second = start("n2", seeds=[first])
    joined = watching.until(changed("n2", "joined"))
    assert joined.member.address == f"127.0.0.1:{second.port}"
    second.agent.end()
    assert watching.until(changed("n2", "failed")).member.status == "failed"
    second.agent.start()
    watching.until(changed("n2", "joined"))
    assert second.agent.end(signal.SIGTERM) == 0
    assert watching.until(changed("n2", "left")).member.status == "left"
    assert first.agent.end(signal.SIGTERM) == 0, "a watcher does not hold up the end"
    first.agent.start()
    again = watching.until(lambda event: isinstance(event, MembersListed))
    assert "n1" in {one.name for one in again.members}


def test_a_wait_that_is_cancelled_does_not_end_an_asyncio_watch(start):
    first = start("n1")

    async def watch():
        async with aio.connect(first.agent.address) as client:
            events = client.watch_members()
            seen = [await anext(events)]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(events), 0.2)
            seen.append(await asyncio.wait_for(anext(events), 10))
            await events.aclose()
            return seen

    told, again = asyncio.run(watch())
    assert [one.name for one in told.members] == ["n1"]
    assert again == told


@pytest.mark.skipif(SERF is None, reason="needs Debian's serf: apt-get install serf")
def test_a_user_event_of_serf_reaches_clients_and_the_command_line(start, tmp_path):
    first = start("n1")
    stock = Serf("stock", free_port(), tmp_path)
    command = [sys.executable, "-m", "goutube", "cluster", "events", "--json", "--server",
               first.agent.address]  # fmt: skip
    try:
        stock.run("join", f"127.0.0.1:{first.port}")
        wait_until(lambda: first.alive() == {"n1", "stock"}, 10)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as shown:
            try:
                watching = Watching(first.client)
                watching.until(lambda event: isinstance(event, MembersListed))
                assert json.loads(shown.stdout.readline())["event"] == "listed"
                stock.run("event", "deploy", "v2")
                event = watching.until(lambda event: isinstance(event, UserEvent))
                assert (event.name, event.payload) == ("deploy", b"v2")
                lines = (json.loads(line) for line in shown.stdout)
                told = next(line for line in lines if line["event"] == "user")
                assert (told["name"], told["payload"]) == ("deploy", "djI=")
            finally:
                shown.kill()
    finally:
        stock.kill()
