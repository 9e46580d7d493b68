"""A bound on what one call may have under way; who is at the bound stops reading."""

from __future__ import annotations

import asyncio


class Window:
    """Counts items and their bytes; one task waits at most.

    Args:
        count_max: items.
        bytes_max: of all items together; a larger one passes alone.
    """

    __slots__ = ("_bytes", "_bytes_max", "_count_max", "_waiter", "count")

    def __init__(self, count_max: int, bytes_max: int) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self.count = 0

    def take(self, cost: int) -> bool:
        """Add an item of ``cost`` bytes if there is room; False: ``enter`` waits for it."""
        if self.count and (self.count >= self._count_max or self._bytes + cost > self._bytes_max):
            return False
        self.count += 1
        self._bytes += cost
        return True

    async def enter(self, cost: int) -> None:
        """Add an item of ``cost`` bytes as soon as there is room."""
        while not self.take(cost):
            await self._change()

    def leave(self, cost: int) -> None:
        """Take an item of ``cost`` bytes out."""
        self.count -= 1
        self._bytes -= cost
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def empty(self) -> None:
        """Wait until no item is left."""
        while self.count:
            await self._change()

    async def _change(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
