"""An agent as a child process that can be killed and started again at the same address."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from goutube.limits import MIB

_GOUTUBE = ("-m", "goutube")
SMALL_JOURNAL = ("--journal-bytes", str(4 * MIB))
"""Where its size is not the point: a founding writes all of the journal, and reads it."""


class RestartedAgent:
    """One data directory and one RPC port, and the processes that serve them one after another.

    Args:
        folder: the data directory.
        settings: further flags of ``goutube agent``.
        program: what Python runs in place of ``-m goutube``, with the same arguments.
        environ: further variables of its environment.
    """

    def __init__(self, folder, *settings, program=_GOUTUBE, environ=()):
        self._folder = folder
        self._settings = settings
        self._program = program
        self._environ = dict(environ)
        self._port = _held_port(self)
        self.address = ""
        self.child = None
        self.boots = []
        """The numbers of its openings that ended processes have told of."""
        self.recovery_ms = 0
        """How long the last start took to open the data directory."""

    def start(self):
        """Start it and return when it serves; the seconds from the start to its ready line."""
        began = time.perf_counter()
        self.launch()
        self._wait_until_ready()
        return time.perf_counter() - began

    def launch(self):
        """Start the process and do not wait for it to serve."""
        environ = {key: value for key, value in os.environ.items() if key[:8] != "GOUTUBE_"}
        environ |= self._environ
        self.child = subprocess.Popen(
            [sys.executable, *self._program, "agent", "--data-dir", str(self._folder),
             "--rpc-port", self._port, "--bind-addr", "127.0.0.1:0", "--node-name", "n1",
             "--http-port", "off", "--log-format", "json", *self._settings],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environ, text=True,
        )  # fmt: skip

        self._lines = SimpleQueue()
        self.log_lines = []
        """All that the process has told so far."""
        # All of its log is read, so that it never waits for room in the pipe.
        self._reader = threading.Thread(
            target=self._read, args=(self.child.stderr, self._lines, self.log_lines)
        )
        self._reader.start()

    def _read(self, stderr, lines, kept):
        with stderr:
            for line in stderr:
                kept.append(line)
                lines.put(line)
        lines.put(None)

    def _wait_until_ready(self):
        lines = []
        while (text := self._lines.get()) is not None:
            lines.append(text)
            if not text.startswith("{"):
                continue  # a refusal to start
            line = json.loads(text)
            if line["event"] in ("store_founded", "store_recovered"):
                self.recovery_ms = line["duration_ms"]
            if line["event"] == "agent_ready":
                self.address = line["rpc_address"]
                return
        raise AssertionError(f"the agent did not come up: {lines}")

    def end(self, number=signal.SIGKILL):
        """End the process, abruptly unless told otherwise; the exit status."""
        self.child.send_signal(number)
        self.child.wait(timeout=30)
        self._reader.join()
        whole = [line for line in self.log_lines if line.startswith("{") and line.endswith("}\n")]
        self.boots += [line["boot"] for line in map(json.loads, whole) if "boot" in line]
        return self.child.returncode

    def resident_bytes(self):
        """Memory of the process that is in use now."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024

    def cpu_seconds(self):
        """Processor time that the process has used so far, its own and the system's for it."""
        # Behind the name in parentheses, utime and stime are the 12th and 13th word.
        words = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _held_port(holder):
    """A port that nobody else is given while its agent is down, for as long as the holder lives.

    A socket that is bound and does not listen keeps the system from giving it out, and lets it be
    bound once more by whoever asks for that port, as gRPC does.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = held.getsockname()[1]
    weakref.finalize(holder, os.close, held.detach())
    return str(port)


@contextmanager
def restarted_agent(folder, *settings, **options):
    """An agent that serves, and is killed at the end."""
    with started(RestartedAgent(folder, *settings, **options)) as agent:
        yield agent


@contextmanager
def started(agent):
    """Start an agent; kill it at the end."""
    try:
        agent.start()
        yield agent
    finally:
        if agent.child is not None and agent.child.poll() is None:
            agent.end()
