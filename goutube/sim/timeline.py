"""Virtual time: what is to happen, in order, and what the clocks of the node say meanwhile."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

MS: Final = 1_000
"""Microseconds of a millisecond: time is counted in microseconds."""
SECOND: Final = 1_000 * MS

Action = Callable[[], None]


class Timeline:
    """Everything that will happen; nothing happens between two events, however far apart.

    Attributes:
        now_us: since the beginning.
        count: events so far.
    """

    def __init__(self) -> None:
        self.now_us = 0
        self.count = 0
        self._events: list[tuple[int, int, Action]] = []
        self._last = 0

    @property
    def now_ms(self) -> int:
        """The time in milliseconds."""
        return self.now_us // MS

    def after(self, delay_us: int, action: Action) -> None:
        """Let something happen ``delay_us`` from now; at one time what came first goes first."""
        self._last += 1
        heapq.heappush(self._events, (self.now_us + delay_us, self._last, action))

    def step(self) -> None:
        """Go to the next event and let it happen."""
        self.now_us, _, action = heapq.heappop(self._events)
        self.count += 1
        action()


class VirtualClock:
    """What a node sees of the timeline: fulfils ``ports.Clock``.

    Attributes:
        wall_offset_ms: how far the time of day is from the timeline's; it may jump.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.wall_offset_ms = 1_700_000_000_000

    def wall_ms(self) -> int:
        """The time of day as the machine has it."""
        return self._timeline.now_ms + self.wall_offset_ms

    def monotonic_ms(self) -> int:
        """The time since the beginning."""
        return self._timeline.now_ms
