"""Gossip in this process, and Debian's Serf beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from contextlib import contextmanager

from goutube.membership import Keyring, KeysChanged, Options, Status
from goutube.runtime import Gossip, GossipOptions, SystemClock
from goutube.runtime.gossip_sockets import bind_sockets, endpoint_of

SERF = shutil.which("serf")


def wait_until(true, seconds, what=""):
    """Wait for something that another thread or process does; how long that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - began


class Node:
    """One membership with real sockets, and the events that it told."""

    def __init__(
        self,
        name,
        seeds=(),
        keys=(),
        tags=None,
        port=0,
        directory=None,
        host="127.0.0.1",
        local_only=False,
        **options,
    ):
        self.name = name
        self.events = []
        self.gossip = Gossip(
            GossipOptions(
                host=host,
                port=port,
                advertise=lambda bound: endpoint_of(host.replace("0.0.0.0", "127.0.0.1"), bound),
                options=lambda endpoint, _kept: Options(
                    name, endpoint, tags or {}, SystemClock().wall_ms() // 1000, **options
                ),
                seeds=tuple((host, seed) for seed in seeds),
                keyring=Keyring(tuple(keys)),
                directory=directory,
                local_only=local_only,
            ),
            self._told,
        )
        self.port = self.gossip.start().port
        self._stopped = False

    def _told(self, event):
        self.events.append(event)
        if isinstance(event, KeysChanged):
            self.gossip.keys_kept(event.number, "")

    def statuses(self):
        """Whom it knows, and how they are."""
        return {member.name: member.status for member in self.gossip.members}

    def tags_of(self, name):
        """What it was told of a member."""
        return next(m.tags for m in self.gossip.members if m.name == name)

    def alive(self):
        """The names that it holds for alive."""
        return {name for name, status in self.statuses().items() if status == Status.ALIVE}

    def stop(self, *, leave=False):
        """End it once."""
        if not self._stopped:
            self._stopped = True
            self.gossip.stop(leave=leave)


@contextmanager
def gossiping():
    """Starts nodes, and ends all of them."""
    nodes = []

    def start(*args, **kwargs):
        nodes.append(Node(*args, **kwargs))
        return nodes[-1]

    try:
        yield start
    finally:
        for node in nodes:
            node.stop()


class Serf:
    """One ``serf agent`` of Debian's package."""

    def __init__(self, name, port, folder, *, key=None, tags=()):
        self.name, self.port = name, port
        self._rpc = f"127.0.0.1:{port + 1}"
        self._command = [
            SERF, "agent", f"-node={name}", f"-bind=127.0.0.1:{port}", f"-rpc-addr={self._rpc}",
            f"-snapshot={folder / name}.snapshot",
            *(f"-tag={tag}" for tag in tags), *([f"-encrypt={key}"] if key else []),
        ]  # fmt: skip
        self.start()

    def start(self):
        """Start it, and wait until it answers."""
        self._log = subprocess.DEVNULL
        self.child = subprocess.Popen(self._command, stdout=self._log, stderr=subprocess.STDOUT)
        wait_until(lambda: self._run("info").returncode == 0, 10, "serf agent starts")

    def _run(self, *words):
        command = [SERF, words[0], f"-rpc-addr={self._rpc}", *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def run(self, *words):
        """Run a command of Serf against this agent."""
        done = self._run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def members(self):
        """Names, and (status, tags) of each."""
        listed = json.loads(self.run("members", "-format=json"))["members"]
        return {member["name"]: (member["status"], member["tags"]) for member in listed}

    def places(self):
        """Names, and (address, status) of each."""
        listed = json.loads(self.run("members", "-format=json"))["members"]
        return {member["name"]: (member["addr"], member["status"]) for member in listed}

    def status(self, name):
        """How it holds a member, or None."""
        return self.members().get(name, (None, None))[0]

    def kill(self):
        """End it without a word."""
        self.child.kill()
        self.child.wait()


def free_port():
    """A port that is free for both protocols, and so is the next one."""
    while True:
        sockets = bind_sockets("127.0.0.1", 0)
        port = sockets[0].getsockname()[1]
        try:
            if port < 65000:
                more = bind_sockets("127.0.0.1", port + 1)
                for one in more:
                    one.close()
                return port
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
