"""Lamport clocks: what is told later carries a greater number."""

from __future__ import annotations


class Clock:
    """A counter that is ahead of every number that was seen."""

    __slots__ = ("time",)

    def __init__(self) -> None:
        self.time = 1

    def witness(self, seen: int) -> None:
        """Get ahead of a number that came from elsewhere."""
        self.time = max(self.time, seen + 1)

    def take(self) -> int:
        """The number for what we tell now; the next one is greater."""
        self.time += 1
        return self.time - 1
