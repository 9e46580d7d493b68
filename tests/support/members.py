"""Agents of one cluster on this machine, each with a client, and a seed that the others name."""

from __future__ import annotations

import signal
from contextlib import ExitStack, contextmanager

import goutube
from tests.support.agents import SMALL_JOURNAL, RestartedAgent
from tests.support.gossiping import free_port


class Member:
    """An agent, and a client of it."""

    def __init__(self, folder, name, *settings, seeds=()):
        self.name = name
        self.port = free_port()
        flags = ["--node-name", name, "--bind-addr", f"127.0.0.1:{self.port}", "--shard-count", "1"]
        flags += [*SMALL_JOURNAL, *settings]
        if seeds:
            flags += ["--seed-addresses", ",".join(f"127.0.0.1:{seed.port}" for seed in seeds)]
        self.agent = RestartedAgent(folder / f"{name}-{self.port}", *flags)

    def start(self):
        self.agent.start()
        self.client = goutube.connect(self.agent.address)
        return self

    def statuses(self):
        return {member.name: member.status for member in self.client.members()}

    def alive(self):
        return {name for name, status in self.statuses().items() if status == "alive"}

    def log(self):
        """All that its process has told so far."""
        return "".join(self.agent.log_lines)


@contextmanager
def members(folder):
    with ExitStack() as ends:

        def start(name, *settings, seeds=()):
            member = Member(folder, name, *settings, seeds=seeds)

            def end():
                if member.agent.child and member.agent.child.poll() is None:
                    member.agent.child.send_signal(signal.SIGCONT)
                    member.agent.end()

            ends.callback(end)
            member.start()
            ends.callback(member.client.close)
            return member

        yield start
