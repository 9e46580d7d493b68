"""The queue of messages that ride on others until each was sent often enough."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Final

from msgspec import Struct

QUEUE_MAX: Final = 4096
"""Messages of one queue; beyond it the one that was sent most often makes room."""
PART_BYTES: Final = 2
"""What a part of a compound costs besides its own bytes."""
_SHORTEST_BYTES: Final = 16


_Rank = tuple[int, int, int]
"""How often it was sent, its length and its number, both negated: rarely sent before often, long
before short, new before old. No two are equal."""


class _Broadcast(Struct, eq=False):
    key: object
    command: bytes
    rank: _Rank
    finished: Callable[[], None] | None


class Broadcasts:
    """Commands to send on; a new one under the same key takes the place of the old."""

    def __init__(self) -> None:
        self._by_key: dict[object, _Broadcast] = {}
        self._ordered: list[tuple[_Rank, _Broadcast]] = []
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
            old = self._ordered[-1][1]
        if old is not None:
            self._remove(old)
        fresh = _Broadcast(key, command, (0, -len(command), -self._number), finished)
        self._by_key[key] = fresh
        insort(self._ordered, (fresh.rank, fresh))

    def _remove(self, item: _Broadcast) -> None:
        del self._ordered[bisect_left(self._ordered, (item.rank,))]
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
        at = 0
        while at < len(self._ordered) and len(chosen) < parts and room_bytes >= _SHORTEST_BYTES:
            (transmits, *_), item = self._ordered[at]
            cost = len(item.command) + PART_BYTES
            if cost <= room_bytes:
                chosen.append(item)
                room_bytes -= cost
                at += 1
            else:  # on to the first that is short enough, or was sent once more
                at = bisect_left(self._ordered, ((transmits, PART_BYTES - room_bytes),), at + 1)
        for item in chosen:
            transmits, length, number = item.rank
            if transmits + 1 >= limit:
                self._remove(item)
            else:
                del self._ordered[bisect_left(self._ordered, (item.rank,))]
                item.rank = transmits + 1, length, number
                insort(self._ordered, (item.rank, item))
        return [item.command for item in chosen]
