"""The parent's side: start an agent, learn its address, end it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Final, Self

from goutube.errors import ConfigError, InvalidArgumentError, NotBuiltError, UnavailableError

STOP_S: Final = 30.0
"""How long an agent may take to end in good order before it is killed."""
EXIT_BAD_SETTINGS: Final = 2
_LAST_LINES: Final = 50
_CHILD: Final = "goutube.local_cluster.child"


class LocalCluster:
    """Agents on this machine, each a process of its own: real servers for tests and notebooks.

    ``with goutube.LocalCluster() as cluster: goutube.connect(cluster.address)``. The agent serves
    on a free port of 127.0.0.1, and keeps it when it is started again. Ctrl-C does not reach it; it
    ends with this process at the latest.

    Args:
        nodes: how many; only 1 is built.
        directory: where the data lie, made if it is not there and kept at the end; None means a
            temporary directory that is removed.
        settings: further settings of the agent, by the names of docs/CONFIGURATION.md.
            ``GOUTUBE_...`` variables of the environment are not looked at.
        start_timeout_s: how long a start may take.

    Raises:
        NotBuiltError: ``nodes`` is more than 1.
        InvalidArgumentError: ``nodes`` is less than 1.
    """

    def __init__(
        self,
        nodes: int = 1,
        *,
        directory: str | os.PathLike[str] | None = None,
        settings: Mapping[str, str] | None = None,
        start_timeout_s: float = 60.0,
    ) -> None:
        if nodes < 1:
            raise InvalidArgumentError(f"nodes is {nodes!r}; a cluster has at least 1")
        if nodes > 1:
            raise NotBuiltError(f"nodes={nodes} is not built yet; a LocalCluster has 1 node")
        self._directory = None if directory is None else Path(directory).absolute()
        self._temporary: Path | None = None
        self._settings = dict(settings or {})
        self._start_timeout_s = start_timeout_s
        self._child: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._address = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """``HOST:PORT`` for ``goutube.connect``.

        Raises:
            UnavailableError: it was never started.
        """
        if not self._address:
            raise UnavailableError("the cluster is not started; use it in a with statement")
        return self._address

    @property
    def running(self) -> bool:
        """Whether the agent's process lives."""
        return self._child is not None and self._child.poll() is None

    @property
    def log(self) -> list[str]:
        """The agent's last lines of log, as JSON, oldest first."""
        return list(self._lines)

    def start(self) -> Self:
        """Start the agent, at its old address if it had one; return when it serves.

        Raises:
            ConfigError: a setting is not allowed.
            UnavailableError: the agent did not come up; the message has its last words.
        """
        if self.running:
            return self
        self._reap()
        ready = self._launch()
        try:
            address = ready.get(timeout=self._start_timeout_s)
        except Empty:
            self.kill()
            raise UnavailableError(
                f"the agent did not serve within {self._start_timeout_s} s: {self._last_words()}"
            ) from None
        if address is None:
            status = self._reap()
            failure = ConfigError if status == EXIT_BAD_SETTINGS else UnavailableError
            raise failure(f"the agent ended at once: {self._last_words()}")
        self._address = address
        return self

    def stop(self) -> None:
        """End the agent in good order, as SIGTERM does; nothing happens if it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the agent abruptly, as a crash does: what it had acknowledged is there afterwards."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the agent in good order and start it again, at the same address.

        Raises:
            UnavailableError: it did not come up again.
        """
        self.stop()
        self.start()

    def close(self) -> None:
        """End the agent and remove a temporary directory; closing twice is fine."""
        self.stop()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def _launch(self) -> SimpleQueue[str | None]:
        if self._directory is None and self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="goutube-"))
        folder = self._temporary or self._directory
        assert folder is not None
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "node_name": "n1",
            "bind_addr": "127.0.0.1:0",
            "http_port": "off",
            **self._settings,
            "data_dir": str(folder / "n1"),
            "rpc_port": self._address or "127.0.0.1:0",
            "log_format": "json",
        }
        removed = str(self._temporary or "")
        ready: SimpleQueue[str | None] = SimpleQueue()
        # Its input is a pipe that nobody writes: when this process ends, the child reads the end.
        # A session of its own, so that Ctrl-C and a notebook's interrupt do not end it.
        child = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-P", "-m", _CHILD, json.dumps(settings), removed],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert child.stderr is not None
        self._child = child
        self._lines = deque(maxlen=_LAST_LINES)
        self._reader = threading.Thread(
            target=_read, args=(child.stderr, self._lines, ready), name="goutube-log", daemon=True
        )
        self._reader.start()
        return ready

    def _end(self, number: signal.Signals) -> None:
        if self._child is None:
            return
        with suppress(ProcessLookupError):
            self._child.send_signal(number)
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
        self._reap()

    def _reap(self) -> int:
        """Forget a child that has ended, or is about to."""
        if self._child is None or self._reader is None:
            return 0
        status = self._child.wait()
        self._reader.join()
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child = None
        return status

    def _last_words(self) -> str:
        return " | ".join(list(self._lines)[-3:]) or "it said nothing"


def _read(stderr: IO[bytes], lines: deque[str], ready: SimpleQueue[str | None]) -> None:
    """Read the agent's log as it comes; tell its address once it serves, None when it has ended."""
    with stderr:
        for raw in stderr:
            line = raw.decode(errors="replace").rstrip("\n")
            lines.append(line)
            if '"agent_ready"' in line:
                ready.put(str(json.loads(line)["rpc_address"]))
    ready.put(None)
