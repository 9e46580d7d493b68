"""What gossip tells reaches every watcher in order, and one that is slow is told what it misses."""

import asyncio
import threading

from goutube.membership import (
    Change,
    Endpoint,
    EventSeen,
    HealthChanged,
    Member,
    MemberChanged,
    Status,
)
from goutube.runtime import GossipFeed
from goutube.runtime.gossip_feed import WATCH_EVENTS_MAX

MEMBER = Member("n2", Endpoint(bytes([127, 0, 0, 1]), 7946), {}, Status.ALIVE, b"")
JOINED = MemberChanged(Change.JOINED, MEMBER)


def user(number):
    return EventSeen("deploy", b"", number)


async def take(watch, count):
    return [await asyncio.wait_for(watch.next(), 5) for _ in range(count)]


def test_each_watcher_is_told_in_order_from_another_thread():
    feed = GossipFeed()
    events = [JOINED, HealthChanged(1), user(1), user(2)]

    async def watched():
        with feed.watch() as one, feed.watch() as other:
            waiting = asyncio.create_task(take(one, 3))
            await asyncio.sleep(0)  # it waits for the first event now
            teller = threading.Thread(target=lambda: [feed.tell(event) for event in events])
            teller.start()
            told = await waiting, await take(other, 3)
            teller.join()
            return told

    expected = [JOINED, user(1), user(2)]
    assert asyncio.run(watched()) == (expected, expected)


def test_a_slow_watcher_is_bounded_and_told_once_that_it_missed_something():
    feed = GossipFeed()

    async def watched():
        with feed.watch() as watch:
            for number in range(WATCH_EVENTS_MAX + 10):
                feed.tell(user(number))
            told = await take(watch, WATCH_EVENTS_MAX + 1)
            waiting = asyncio.create_task(watch.next())
            await asyncio.sleep(0)
            assert not waiting.done()
            feed.tell(JOINED)
            return told, await asyncio.wait_for(waiting, 5)

    told, after = asyncio.run(watched())
    assert told == [*map(user, range(WATCH_EVENTS_MAX)), None]
    assert after == JOINED


def test_a_watch_that_ended_is_told_nothing():
    feed = GossipFeed()

    async def watched():
        with feed.watch() as ended:
            pass
        with feed.watch() as watch:
            feed.tell(JOINED)
            assert await take(watch, 1) == [JOINED]
        feed.tell(JOINED)
        return [one._events for one in (ended, watch)]

    assert [len(events) for events in asyncio.run(watched())] == [0, 0]
