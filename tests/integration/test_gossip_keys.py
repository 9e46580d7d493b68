"""``goutube cluster keys`` against real agents: rotated while they run, and after a restart."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import goutube
from goutube import aio
from goutube.errors import UsageError
from goutube.membership import key_fingerprint
from tests.integration.test_gossip_agents import members
from tests.support.gossiping import wait_until

pytestmark = [pytest.mark.net, pytest.mark.cluster]
OLD, NEW = bytes(range(32)), os.urandom(32)


def text(key):
    return base64.b64encode(key).decode()


@pytest.fixture
def start(tmp_path):
    with members(tmp_path) as starter:
        yield starter


def keys(member, *words, given=None):
    command = [sys.executable, "-m", "goutube", "cluster", "keys", *words,
               "--server", member.agent.address]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False, input=given)


def listed(member):
    done = keys(member, "list", "--json")
    assert done.returncode == 0, done.stderr
    return {one["name"]: one["keys"] for one in json.loads(done.stdout)}


def test_keys_are_rotated_under_load_and_no_member_is_lost(start):
    first = start("n1", "--encrypt-keys", text(OLD))
    others = [start(name, "--encrypt-keys", text(OLD), seeds=(first,)) for name in ("n2", "n3")]
    everybody = [first, *others]
    names = {member.name for member in everybody}
    wait_until(lambda: all(member.alive() == names for member in everybody), 10)
    ending, appended = threading.Event(), []

    def load():
        with goutube.connect(first.agent.address) as client:
            while not ending.is_set():
                appended.append(client.append("load", bytes(100)).next_offset)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for words, given in [
            (("install", "-"), text(NEW)),
            (("use", key_fingerprint(NEW)), None),
            (("remove", key_fingerprint(OLD)), None),
        ]:
            done = keys(others[0], *words, given=given)
            assert (done.returncode, done.stderr) == (0, "")
            assert [line.split()[:2] for line in done.stdout.splitlines()] == [
                [name, "ok"] for name in sorted(names)
            ]
    finally:
        ending.set()
        thread.join()
    assert appended
    assert listed(first) == {name: [key_fingerprint(NEW)] for name in names}
    assert not any('"failed"' in member.log() for member in everybody)
    # Its setting still names the old key; what the operator did since counts.
    assert others[0].agent.end(signal.SIGTERM) == 0
    others[0].client.close()
    others[0].start()
    wait_until(lambda: all(member.alive() == names for member in everybody), 15)
    assert listed(others[0]) == {name: [key_fingerprint(NEW)] for name in names}


def test_a_member_that_stands_still_is_named_and_not_cut_off(start):
    first = start("n1", "--encrypt-keys", text(OLD))
    second = start("n2", "--encrypt-keys", text(OLD), seeds=(first,))
    wait_until(lambda: first.alive() == second.alive() == {"n1", "n2"}, 10)
    assert keys(first, "install", text(NEW)).returncode == 0
    second.agent.child.send_signal(signal.SIGSTOP)
    with pytest.raises(UsageError, match="n2 does not tell") as caught:
        first.client.change_gossip_keys("use", text(NEW))
    assert text(NEW) not in str(caught.value)
    second.agent.child.send_signal(signal.SIGCONT)
    wait_until(lambda: first.alive() == {"n1", "n2"}, 15)
    assert keys(first, "use", text(NEW)).returncode == 0
    assert set(listed(first)) == {"n1", "n2"}


def test_asked_from_python_and_where_there_is_no_encryption(start):
    member = start("n1")
    (told,) = member.client.change_gossip_keys("install", text(NEW))
    assert (told.name, told.silent) == ("n1", False)
    assert "encryption not enabled" in told.fault

    async def ask():
        async with aio.connect(member.agent.address) as client:
            (told,) = await client.gossip_keys()
            assert told.keys == ()
            with pytest.raises(UsageError, match="does not tell"):
                await client.change_gossip_keys("use", text(NEW))

    asyncio.run(ask())
