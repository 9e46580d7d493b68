"""Everything at once on one node, for as long as one likes: memory and open files stay flat.

Appends, reads, followers, trims, deletes and new streams under old names, on an agent in a process
of its own. What a byte must be follows from its stream's key and its place, so all that is read is
compared, byte by byte, and nothing need be kept. ``GOUTUBE_MIXED_SECONDS`` says how long: 30 by
default, 1800 for the full run.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import time
from dataclasses import dataclass

import numpy as np
import psutil
import pytest

import goutube.aio
from goutube.errors import OffsetOutOfRangeError, StreamNotFoundError
from goutube.limits import KIB, MIB
from tests.support.agents import restarted_agent

pytestmark = [pytest.mark.net, pytest.mark.slow]
SECONDS = float(os.environ.get("GOUTUBE_MIXED_SECONDS", "30"))
LONG_STREAMS = 6
KEPT_BYTES = 4 * MIB
"""A long stream that holds more is trimmed to half of it."""
SHORT_NAMES = 16
WARM_UP = 1 / 3
"""Share of the run that may still fill caches."""
GROWTH_MAX = 1 * MIB
"""Of resident memory, in a minute; judged in runs of at least LONG_RUN_SECONDS."""
LONG_RUN_SECONDS = 300
STEP_MAX = 48 * MIB
"""Of resident memory beyond what it was in the middle third, however short the run."""
FILES_MAX = 16
"""By how many open files the last third may differ from the one before."""


def content(key, offset, count):
    """What stands at a place of the stream of a key: SplitMix64 of the place, eight bytes each."""
    words = np.arange(offset // 8, (offset + count + 7) // 8, dtype=np.uint64)
    words = words * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words.tobytes()[offset % 8 : offset % 8 + count]


@dataclass
class Stream:
    """What is known of a stream: its bytes lie from ``start`` to ``end``."""

    name: str
    key: int
    start: int = 0
    end: int = 0


@dataclass
class Counts:
    """What was done."""

    appends: int = 0
    appended_bytes: int = 0
    reads: int = 0
    read_bytes: int = 0
    followed_bytes: int = 0
    trims: int = 0
    deletes: int = 0


class MixedLoad:
    """The clients of one agent, and what they know."""

    def __init__(self, client, seed=1):
        self.client = client
        self.chance = random.Random(seed)
        self.long = [self.fresh(f"long/{number}") for number in range(LONG_STREAMS)]
        self.short = {}
        self.counts = Counts()
        self._end = 0.0

    def fresh(self, name):
        return Stream(name, self.chance.getrandbits(64))

    async def append(self, stream):
        """A few bytes mostly, now and then half a megabyte."""
        most = self.chance.choices((2 * KIB, 64 * KIB, 512 * KIB), (70, 25, 5))[0]
        data = content(stream.key, stream.end, self.chance.randrange(1, most))
        result = await self.client.append(stream.name, data)
        assert (result.offset, result.next_offset) == (stream.end, stream.end + len(data))
        stream.end = result.next_offset
        self.counts.appends += 1
        self.counts.appended_bytes += len(data)

    async def read(self, stream, offset, limit):
        """All between two places is there and right, unless a trim overtakes the read."""
        place = offset
        try:
            async for chunk in self.client.read(stream.name, offset, limit=limit):
                assert chunk == content(stream.key, place, len(chunk)), (stream, place)
                place += len(chunk)
        except OffsetOutOfRangeError:
            assert place < stream.start
            return
        assert place == limit
        self.counts.reads += 1
        self.counts.read_bytes += limit - offset

    async def appender(self, stream):
        while self.goes_on():
            await self.append(stream)
            await self.pause(0.2)

    async def reader(self):
        while self.goes_on():
            stream = self.chance.choice(self.long)
            if stream.start < stream.end:
                offset = self.chance.randrange(stream.start, stream.end)
                most = self.chance.choice((4 * KIB, 256 * KIB, 2 * MIB))
                await self.read(stream, offset, min(stream.end, offset + most))
            await self.pause(0.2)

    async def follower(self, stream):
        """Hears all of a stream from where it begins; starts anew where it was trimmed away."""
        while True:
            await self.pause(0.5)
            place = stream.start
            try:
                async for chunk in self.client.read(stream.name, place, follow=True):
                    assert chunk == content(stream.key, place, len(chunk)), (stream, place)
                    place += len(chunk)
                    self.counts.followed_bytes += len(chunk)
            except StreamNotFoundError:
                assert stream.end == 0
            except OffsetOutOfRangeError:
                assert place < stream.start

    async def trimmer(self):
        while self.goes_on():
            await self.pause(1.0)
            for stream in self.long:
                if stream.end - stream.start > KEPT_BYTES:
                    stream.start = stream.end - KEPT_BYTES // 2
                    info = await self.client.trim(stream.name, stream.start)
                    assert info.start_offset == stream.start
                    self.counts.trims += 1

    async def visitor(self, names):
        """Short streams come and go; one that comes again begins at 0 with other bytes."""
        while self.goes_on():
            await self.pause(0.3)
            name = self.chance.choice(names)
            stream = self.short.pop(name, None)
            if stream is None:
                stream = self.fresh(name)
                for _ in range(self.chance.randrange(1, 5)):
                    await self.append(stream)
                self.short[name] = stream
                continue
            await self.read(stream, 0, stream.end)
            await self.client.delete(name)
            self.counts.deletes += 1
            with pytest.raises(StreamNotFoundError):
                await self.client.stat(name)

    async def pause(self, most_s):
        await asyncio.sleep(self.chance.random() * most_s)

    def goes_on(self):
        return time.monotonic() < self._end

    async def run(self, seconds):
        """All of them at once; an error of any ends the run."""
        self._end = time.monotonic() + seconds
        names = [f"short/{number}" for number in range(SHORT_NAMES)]
        actors = [*map(self.appender, self.long), *(self.reader() for _ in range(4)),
                  self.trimmer(), self.visitor(names[::2]), self.visitor(names[1::2])]  # fmt: skip
        followers = [asyncio.ensure_future(self.follower(stream)) for stream in self.long[:3]]
        tasks = [asyncio.ensure_future(actor) for actor in actors]
        ended, _ = await asyncio.wait(
            [*tasks, *followers], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        self._end = 0
        for task in ended:
            task.result()
        await asyncio.gather(*tasks)
        for follower in followers:
            follower.cancel()
        await asyncio.wait(followers)

    async def verify(self):
        """The node holds exactly what is known, and every byte of it is right."""
        known = {stream.name: stream for stream in (*self.long, *self.short.values())}
        found = {info.name: info async for info in self.client.list()}
        assert found.keys() == known.keys()
        for name, info in found.items():
            stream = known[name]
            assert (info.start_offset, info.end_offset) == (stream.start, stream.end)
            await self.read(stream, stream.start, stream.end)


@dataclass(frozen=True)
class Sample:
    """An agent, seen from outside."""

    second: float
    resident_bytes: int
    open_files: int


async def watch(agent, samples):
    """Look at an agent, some hundred times a run."""
    process, began = psutil.Process(agent.child.pid), time.monotonic()
    while True:
        resident = process.memory_info().rss
        samples.append(Sample(time.monotonic() - began, resident, process.num_fds()))
        await asyncio.sleep(max(0.2, SECONDS / 600))


async def loaded(agent, samples):
    """Run the load, and verify."""
    async with goutube.aio.connect(agent.address, timeout_s=60) as client:
        load = MixedLoad(client)
        watching = asyncio.ensure_future(watch(agent, samples))
        await load.run(SECONDS)
        watching.cancel()
        await load.verify()
    return load


async def verified(agent, load):
    """Verify, as another client."""
    async with goutube.aio.connect(agent.address, timeout_s=60) as client:
        load.client = client
        await load.verify()


def growth_a_minute(samples):
    """Bytes of resident memory a minute: the slope of a line through the samples."""
    times = [sample.second / 60 for sample in samples]
    return statistics.linear_regression(times, [s.resident_bytes for s in samples]).slope


@pytest.mark.timeout(120 + 1.5 * SECONDS)
def test_memory_and_open_files_stay_flat_under_everything_at_once(tmp_path, capsys):
    """And all is there afterwards, and after the next start."""
    samples = []
    with restarted_agent(tmp_path / "data", "--shard-count", "4") as agent:
        load = asyncio.run(loaded(agent, samples))
        assert agent.end(signal.SIGTERM) == 0
        agent.start()
        asyncio.run(verified(agent, load))
    warm = [sample for sample in samples if sample.second > SECONDS * WARM_UP]
    half = len(warm) // 2
    growth = growth_a_minute(warm)
    step = max(s.resident_bytes for s in warm) - statistics.median(
        s.resident_bytes for s in warm[:half]
    )
    files = [statistics.median(s.open_files for s in part) for part in (warm[:half], warm[half:])]
    with capsys.disabled():
        print(
            f"\n{SECONDS:.0f} s: {load.counts}; resident {warm[0].resident_bytes / MIB:.1f} to "
            f"{warm[-1].resident_bytes / MIB:.1f} MiB, {growth / MIB:+.2f} MiB a minute after "
            f"warm-up; open files {files[0]:.0f}, then {files[1]:.0f}"
        )
    assert load.counts.trims
    assert load.counts.deletes
    assert load.counts.followed_bytes
    assert step < STEP_MAX
    assert SECONDS < LONG_RUN_SECONDS or growth < GROWTH_MAX
    assert abs(files[1] - files[0]) <= FILES_MAX
