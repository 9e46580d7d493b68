"""An agent as a child process that can be killed and started again at the same address."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager


class RestartedAgent:
    """One data directory and one RPC port, and the processes that serve them one after another."""

    def __init__(self, folder):
        self._folder = folder
        self._port = "0"
        self.address = ""
        self.child = None

    def start(self):
        """Start it and return when it serves."""
        environ = {key: value for key, value in os.environ.items() if key[:8] != "GOUTUBE_"}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "goutube", "agent", "--data-dir", str(self._folder),
             "--rpc-port", self._port, "--bind-addr", "127.0.0.1:0", "--node-name", "n1",
             "--log-format", "json"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environ, text=True,
        )  # fmt: skip
        lines = []
        for text in self.child.stderr:
            lines.append(text)
            line = json.loads(text)
            if line["event"] == "agent_ready":
                self.address = line["rpc_address"]
                self._port = self.address.rpartition(":")[2]
                return
        raise AssertionError(f"the agent did not come up: {lines}")

    def end(self, number=signal.SIGKILL):
        """End the process, abruptly unless told otherwise; the exit status."""
        self.child.send_signal(number)
        self.child.communicate(timeout=30)
        return self.child.returncode


@contextmanager
def restarted_agent(folder):
    """An agent that serves, and is killed at the end."""
    agent = RestartedAgent(folder)
    try:
        agent.start()
        yield agent
    finally:
        if agent.child.poll() is None:
            agent.end()
