"""Log lines on their way out: whoever does not read them never holds the server up."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Final

from goutube.observe import events
from goutube.observe.logs import get_log

LINES_MAX: Final = 10_000
"""Lines that may wait for their reader; beyond them new ones are dropped and counted."""


class LineWriter:
    """A text stream that never blocks: a thread of its own writes to a descriptor.

    A pipe that nobody empties takes 64 KiB and then holds up whoever writes to it; here that is the
    thread alone. Once lines get through again, one tells how many were dropped. A descriptor that
    fails takes no more lines.

    Args:
        fd: where lines go. No buffered file: its lock would outlive a blocked thread, and keep the
            interpreter from ending.
        lines_max: how many lines may wait.
    """

    def __init__(self, fd: int, lines_max: int = LINES_MAX) -> None:
        self._fd = fd
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
        """Whether the lines go to a terminal."""
        return os.isatty(self._fd)

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
                self._writing = True
            self._write(text)
            self._tell_dropped()

    def _tell_dropped(self) -> None:
        with self._changed:
            if self._failed or not self._dropped or len(self._lines) >= self._lines_max:
                return  # in the second case there is room for it next time
            dropped, self._dropped = self._dropped, 0
        get_log().warning(events.LOG_LINES_DROPPED, count=dropped)

    def _write(self, text: str) -> None:
        rest = text.encode("utf-8", "backslashreplace")
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:  # the pipe's reader has gone, or the descriptor was closed
            with self._changed:
                self._failed = True
                self._lines.clear()
                self._changed.notify_all()
