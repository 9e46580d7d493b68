"""The queue of messages that ride on others until each was sent often enough."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import Final

from msgspec import Struct

QUEUE_MAX: Final = 4096
"""Messages of one queue; beyond it the one that was sent most often makes room."""
PART_BYTES: Final = 2
"""What a part of a compound costs besides its own bytes."""
_SHORTEST_BYTES: Final = 16


class _Broadcast(Struct, eq=False):
    key: object
    command: bytes
    number: int
    finished: Callable[[], None] | None
    transmits: int = 0

    @property
    def rank(self) -> tuple[int, int, int]:
        """Rarely sent before often, long before short, new before old."""
        return self.transmits, -len(self.command), -self.number


class Broadcasts:
    """Commands to send on; a new one under the same key takes the place of the old."""

    def __init__(self) -> None:
        self._by_key: dict[object, _Broadcast] = {}
        self._ordered: list[_Broadcast] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._ordered)

    def put(self, key: object, command: bytes, finished: Callable[[], None] | None = None) -> None:
        """Queue a command.

        Args:
            key: what it is about.
            command: a message with its type byte.
            finished: called once it was sent often enough, or its place was taken.
        """
        self._number += 1
        old = self._by_key.get(key)
        if old is None and len(self._ordered) >= QUEUE_MAX:
            old = self._ordered[-1]
        if old is not None:
            self._remove(old)
        fresh = _Broadcast(key, command, self._number, finished)
        self._by_key[key] = fresh
        insort(self._ordered, fresh, key=lambda item: item.rank)

    def _remove(self, item: _Broadcast) -> None:
        self._ordered.remove(item)
        del self._by_key[item.key]
        if item.finished is not None:
            item.finished()

    def take(self, room_bytes: int, parts: int, limit: int) -> list[bytes]:
        """Commands that fit, to be sent once.

        Args:
            room_bytes: for all of them with what each costs in a compound.
            parts: how many at most.
            limit: after how many sendings one is finished.
        """
        chosen: list[_Broadcast] = []
        for item in self._ordered:
            cost = len(item.command) + PART_BYTES
            if cost <= room_bytes:
                chosen.append(item)
                room_bytes -= cost
            if len(chosen) == parts or room_bytes < _SHORTEST_BYTES:
                break
        for item in chosen:
            item_is_done = item.transmits + 1 >= limit
            if item_is_done:
                self._remove(item)
            else:
                self._ordered.remove(item)
                item.transmits += 1
                insort(self._ordered, item, key=lambda one: one.rank)
        return [item.command for item in chosen]
