"""Log lines on their way out: whoever does not read them never holds the server up."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from goutube.observe import events
from goutube.observe.logs import LogStream, get_log

LINES_MAX: Final = 10_000
"""Lines that may wait for their reader; beyond them new ones are dropped and counted."""


class LineWriter:
    """A text stream that never blocks: a thread of its own writes to ``target``.

    A pipe that nobody empties takes 64 KiB and then holds up whoever writes to it; here that is the
    thread alone. Once lines get through again, one tells how many were dropped. A target that fails
    takes no more lines.

    Args:
        lines_max: how many lines may wait.
    """

    def __init__(self, target: LogStream, lines_max: int = LINES_MAX) -> None:
        self._target = target
        self._lines_max = lines_max
        self._lines: deque[str] = deque()
        self._begun = ""
        self._dropped = 0
        self._writing = False
        self._failed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="goutube-log", daemon=True).start()

    def write(self, text: str) -> int:
        """Take text; a line goes out when its end has come."""
        with self._changed:
            *whole, self._begun = (self._begun + text).split("\n")
            for line in whole:
                if len(self._lines) < self._lines_max and not self._failed:
                    self._lines.append(line + "\n")
                else:
                    self._dropped += 1
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Nothing to do: lines go out by themselves."""

    def isatty(self) -> bool:
        """Whether the target is a terminal."""
        return self._target.isatty()

    def drain(self, timeout_s: float) -> bool:
        """Wait until every line is out, for so long at most; whether they are."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._failed or not (self._lines or self._writing), timeout_s
            )

    def _run(self) -> None:
        while not self._failed:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines)
                text = "".join(self._lines)
                self._lines.clear()
                dropped, self._dropped = self._dropped, 0
                self._writing = True
            self._write(text)
            if dropped and not self._failed:
                get_log().warning(events.LOG_LINES_DROPPED, count=dropped)

    def _write(self, text: str) -> None:
        try:
            self._target.write(text)
            self._target.flush()
        except (OSError, ValueError):  # the pipe's reader has gone, or the stream was closed
            with self._changed:
                self._failed = True
                self._lines.clear()
                self._changed.notify_all()
