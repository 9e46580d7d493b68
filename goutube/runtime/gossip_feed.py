"""What gossip tells, handed from its thread to whoever watches on an event loop of the node."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from goutube.membership import Event, EventSeen, MemberChanged

WATCH_EVENTS_MAX: Final = 256
"""Events that wait for one watcher; of a slower one the rest is dropped, and it is told so."""
FeedEvent = MemberChanged | EventSeen


class GossipWatch:
    """The events since a watch began, in order. Made by ``GossipFeed.watch``."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Lock()
        self._events: deque[FeedEvent] = deque()
        self._missed = False

    def tell(self, event: FeedEvent) -> None:
        """Take an event, on any thread; never waits for the watcher."""
        with self._lock:
            wakes = not self._events
            if len(self._events) < WATCH_EVENTS_MAX:
                self._events.append(event)
            else:
                self._missed = True
        if wakes:
            self._loop.call_soon_threadsafe(self._news.set)

    async def next(self) -> FeedEvent | None:
        """Wait for the next event; None: here some are missing, look at the members again."""
        while True:
            with self._lock:
                if self._events:
                    return self._events.popleft()
                if self._missed:
                    self._missed = False
                    return None
                self._news.clear()
            await self._news.wait()


class GossipFeed:
    """Hands the changes of members and the users' events to every watcher."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: tuple[GossipWatch, ...] = ()

    def tell(self, event: Event) -> None:
        """Hand an event on, on the gossip thread; other events than a feed's are for the log."""
        if isinstance(event, MemberChanged | EventSeen):
            for watch in self._watches:
                watch.tell(event)

    @contextmanager
    def watch(self) -> Iterator[GossipWatch]:
        """Watch within this block, on the event loop that runs.

        Who then looks at the members misses nothing; the first events may already show there.
        """
        watch = GossipWatch()
        with self._lock:
            self._watches = (*self._watches, watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches = tuple(one for one in self._watches if one is not watch)
