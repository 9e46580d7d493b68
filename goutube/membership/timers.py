"""Deadlines of a machine that has no clock: it is told the time and runs what has become due."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

Action = Callable[[], None]


class Timer:
    """One deadline; ``cancel`` makes it never come."""

    __slots__ = ("action",)

    def __init__(self, action: Action) -> None:
        self.action: Action | None = action

    def cancel(self) -> None:
        """Forget it; once it has run this does nothing."""
        self.action = None


class Timers:
    """A heap of deadlines in milliseconds of a time that stands still between calls.

    Attributes:
        now_ms: the machine's own time: what the caller told, less the time that it slept through.
        slept_ms: how much that was.
    """

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.slept_ms = 0
        self._heap: list[tuple[int, int, Timer]] = []
        self._count = 0

    def after(self, delay_ms: float, action: Action) -> Timer:
        """Run ``action`` when this much time has passed."""
        timer = Timer(action)
        self._count += 1
        heappush(self._heap, (self.now_ms + max(0, int(delay_ms)), self._count, timer))
        return timer

    @property
    def due_ms(self) -> int | None:
        """When the next one is due, in the caller's time."""
        while self._heap and self._heap[0][2].action is None:
            heappop(self._heap)
        return self._heap[0][0] + self.slept_ms if self._heap else None

    def lag_ms(self, now_ms: int) -> int:
        """How late the next one is."""
        due = self.due_ms
        return 0 if due is None else max(0, now_ms - due)

    def sleep(self, lag_ms: int) -> None:
        """Take this much of the time that has passed as if it had not."""
        self.slept_ms += lag_ms

    def run(self, now_ms: int) -> None:
        """Run all that is due, in its order; each sees the time at which it was due."""
        end = max(self.now_ms, now_ms - self.slept_ms)
        while self._heap and self._heap[0][0] <= end:
            due, _, timer = heappop(self._heap)
            action, timer.action = timer.action, None
            if action is not None:
                self.now_ms = max(self.now_ms, due)
                action()
        self.now_ms = end
