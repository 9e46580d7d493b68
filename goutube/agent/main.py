"""Runs an agent from its settings to its exit status."""

from __future__ import annotations

import errno
import os
import resource
import sys
from typing import Final

from goutube.agent.assembly import Agent
from goutube.config import Loaded
from goutube.errors import ConfigError
from goutube.observe import LineWriter, set_up_logs
from goutube.runtime import keep_freed_buffers
from goutube.runtime import run as run_loop

_LAST_LINES_S: Final = 1.0


def run(loaded: Loaded) -> int:
    """Serve until SIGTERM or SIGINT; a second signal ends the process at once with status 1.

    Returns:
        0 after a clean end; 1 when the node stopped for a fault of its own, which the log tells.

    Raises:
        StorageError: the data directory cannot be used.
        OSError: an address cannot be bound.
    """
    config = loaded.config
    lines = LineWriter(sys.stderr.fileno())
    set_up_logs(config.log_level, config.log_format, lines, {"node": config.node_name})
    _allow_many_files()
    _ask_for_no_algebra_threads()
    keep_freed_buffers()
    agent = Agent(loaded, lambda: lines.drain(_LAST_LINES_S))
    try:
        return run_loop(agent.run)
    except ConfigError as error:
        # The settings are well-formed; that this machine has the port in use is no wrong usage.
        raise OSError(errno.EADDRNOTAVAIL, error.message) from error
    finally:
        lines.drain(_LAST_LINES_S)


def _allow_many_files() -> None:
    # Every shard keeps files and maps open; the soft limit of 1024 is for programs with select().
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _ask_for_no_algebra_threads() -> None:
    # numpy sorts tokens and index rows here. The pool that its linear algebra would start with the
    # first import costs memory and time for nothing.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
