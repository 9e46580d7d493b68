"""How much appended data may be under way at once; the rest waits its turn, then is refused."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from goutube.errors import OverloadedError, ShuttingDownError
from goutube.limits import INFLIGHT_BYTES_MAX, MIB

ADMISSION_WAIT_MS: Final = 5_000
RETRY_AFTER_MS: Final = 1_000


class Admission:
    """A budget of bytes, given out in the order of asking.

    Args:
        bytes_max: of all that is under way together; one that is larger alone still passes.
        wait_ms: how long to wait for room.
    """

    __slots__ = ("_bytes_max", "_queue", "_wait_ms", "bytes_now")

    def __init__(
        self, bytes_max: int = INFLIGHT_BYTES_MAX, wait_ms: int = ADMISSION_WAIT_MS
    ) -> None:
        self._bytes_max = bytes_max
        self._wait_ms = wait_ms
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.bytes_now = 0

    def take(self, count: int) -> bool:
        """Take ``count`` bytes now, if there is room and nobody waits; False: ``wait`` for them."""
        if self._queue or not self._fits(count):
            return False
        self.bytes_now += count
        return True

    async def wait(self, count: int) -> None:
        """Take ``count`` bytes as soon as there is room.

        Raises:
            OverloadedError: there was none in time.
            ShuttingDownError: ``refuse`` was called meanwhile.
        """
        grant: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((count, grant))
        took = False
        try:
            async with asyncio.timeout(self._wait_ms / 1000):
                await grant
            took = True
        except TimeoutError:
            raise OverloadedError(
                f"{self.bytes_now // MIB} MiB of appended data wait for the disk, the limit is "
                f"{self._bytes_max // MIB} MiB; send again in {RETRY_AFTER_MS} ms",
                retry_after_ms=RETRY_AFTER_MS,
            ) from None
        finally:
            if not took and grant.done() and not grant.cancelled() and grant.exception() is None:
                # Room was granted in the same moment in which the caller gave up.
                self.give_back(count)

    def give_back(self, count: int) -> None:
        """Return what was taken, and let in who waits."""
        self.bytes_now -= count
        while self._queue:
            wanted, grant = self._queue[0]
            if not grant.done():
                if not self._fits(wanted):
                    return
                self.bytes_now += wanted
                grant.set_result(None)
            self._queue.popleft()

    def refuse(self, message: str) -> None:
        """Send away who waits."""
        while self._queue:
            _, grant = self._queue.popleft()
            if not grant.done():
                grant.set_exception(ShuttingDownError(message))

    def _fits(self, count: int) -> bool:
        return self.bytes_now + count <= self._bytes_max or self.bytes_now == 0
