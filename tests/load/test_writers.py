"""A real agent under many clients: everything is there once, in bounded memory, and idle is idle.

The default sizes are a share of the full ones, which the environment sets: GOUTUBE_LOAD_APPENDS=1000
GOUTUBE_LOAD_STREAMS=10000 GOUTUBE_LOAD_CLIENTS=100 GOUTUBE_IDLE_SECONDS=10.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

import goutube
import goutube.aio
from goutube.api import methods, streaming_pb2
from goutube.limits import MIB
from tests.support.agents import restarted_agent
from tests.support.pieces import StreamChecker, Told, piece_of
from tests.support.wire_client import WireClient, append_request

pytestmark = pytest.mark.net

WRITERS = 64
APPENDS = int(os.environ.get("GOUTUBE_LOAD_APPENDS", "100"))
STREAMS = int(os.environ.get("GOUTUBE_LOAD_STREAMS", "1000"))
CLIENTS = int(os.environ.get("GOUTUBE_LOAD_CLIENTS", "20"))
IDLE_SECONDS = float(os.environ.get("GOUTUBE_IDLE_SECONDS", "2"))
IDLE_SHARE_MAX = 0.01
RESIDENT_BYTES_MAX = 512 * MIB
"""Of the agent, under 10,000 streams, 100 appenders and 100 readers; and with less."""
LOAD_SECONDS = 5.0
CALL_S = 300


def channel_to(address):
    """A connection of its own; gRPC would let all channels of a process share one."""
    return grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


def append_batches(address, writer):
    """``goutube.v1``: one call, each append a batch of it."""
    with channel_to(address) as channel:
        requests = [
            append_request("all", piece_of(writer, number, number % 300), request=number)
            for number in range(APPENDS)
        ]
        call = WireClient(channel).append_call(iter(requests), timeout=CALL_S)
        return Told({answer.request: answer.offset for answer in call})


def append_frames(address, writer):
    """``streaming.v1``: calls of up to ten frames, each append a frame."""
    told = Told()
    with channel_to(address) as channel:
        produce = channel.stream_unary(
            methods.PRODUCE_STREAM,
            streaming_pb2.ProduceRequest.SerializeToString,
            streaming_pb2.ProduceResponse.FromString,
        )
        for first in range(0, APPENDS, 10):
            numbers = range(first, min(APPENDS, first + 10))
            frames = [
                streaming_pb2.ProduceRequest(point="all", frame=piece_of(writer, n, n % 300))
                for n in numbers
            ]
            (record,) = produce(iter(frames), timeout=CALL_S).records
            told.acknowledged.update(dict.fromkeys(numbers))
            told.acknowledged[numbers[-1]] = record.offset
    return told


@pytest.mark.timeout(60 + APPENDS)
def test_all_there_exactly_once(tmp_path, capsys):
    """64 writers on one stream, half through each wire API."""

    def write(writer):
        return (append_frames if writer % 2 else append_batches)(agent.address, writer)

    with restarted_agent(tmp_path / "data") as agent, ThreadPoolExecutor(WRITERS) as pool:
        began = time.perf_counter()
        told = dict(enumerate(pool.map(write, range(WRITERS))))
        seconds = time.perf_counter() - began
        with goutube.connect(agent.address) as client:
            checker = StreamChecker("all").read(b"".join(client.read("all")))
    assert all(len(one.acknowledged) == APPENDS for one in told.values())
    assert all(len(found) == APPENDS for found in checker.found.values())
    checker.compare(told, final=True)
    with capsys.disabled():
        rate = WRITERS * APPENDS / seconds
        print(f"\n{WRITERS} writers x {APPENDS} appends: all there once; {rate:.0f} a second")


class ManyStreams:
    """Appenders and readers of many streams; each stream has one appender."""

    def __init__(self, address):
        self.address = address
        self.told = {name: Told() for name in (f"many/{number}" for number in range(STREAMS))}
        self.ends = dict.fromkeys(self.told, 0)
        self.read_count = 0

    async def append(self, client, number, name):
        told = self.told[name].acknowledged
        piece = piece_of(number, len(told), 100 + len(told) % 1000)
        result = await client.append(name, piece)
        assert result.offset == self.ends[name]
        told[len(told)] = result.offset
        self.ends[name] = result.next_offset

    async def appender(self, number, until):
        """Create its streams, then append to them at random."""
        mine, chance = list(self.told)[number::CLIENTS], random.Random(number)
        async with goutube.aio.connect(self.address, timeout_s=60) as client:
            for name in mine:
                await self.append(client, number, name)
            while time.perf_counter() < until:
                await self.append(client, number, chance.choice(mine))

    async def reader(self, number, until):
        """Read any stream whole and hold it against what was acknowledged before."""
        chance, names = random.Random(-number), list(self.told)
        async with goutube.aio.connect(self.address, timeout_s=60) as client:
            while time.perf_counter() < until:
                name = chance.choice(names)
                if not (end := self.ends[name]):
                    await asyncio.sleep(0)
                    continue
                await self.check(client, name)
                assert end <= self.ends[name]
                self.read_count += 1

    async def check(self, client, name):
        known = Told(dict(self.told[name].acknowledged))
        content = b"".join([chunk async for chunk in client.read(name)])
        StreamChecker(name).read(content).compare({list(self.told).index(name) % CLIENTS: known})

    async def run(self):
        """All of them at once."""
        until = time.perf_counter() + LOAD_SECONDS
        tasks = [self.appender(number, until) for number in range(CLIENTS)]
        tasks += [self.reader(number, until) for number in range(CLIENTS)]
        await asyncio.gather(*tasks)


@pytest.fixture
def watched(tmp_path):
    """An agent and the largest memory that it had, looked up all the time."""
    stop, seen = threading.Event(), [0]

    def watch():
        while not stop.wait(0.05):
            seen.append(agent.resident_bytes())

    with restarted_agent(tmp_path / "data") as agent:
        thread = threading.Thread(target=watch)
        thread.start()
        yield agent, seen
        stop.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_many_streams_in_bounded_memory(watched, capsys):
    """Appenders and readers at once on many streams; afterwards the node comes to rest."""
    agent, resident = watched
    began = agent.resident_bytes()
    load = ManyStreams(agent.address)
    asyncio.run(load.run())
    appended = sum(len(told.acknowledged) for told in load.told.values())
    assert all(load.ends.values())
    assert load.read_count > CLIENTS
    share = idle_share(agent)
    with capsys.disabled():
        print(
            f"\n{STREAMS} streams, {CLIENTS} appenders and readers: {appended} appends, "
            f"{load.read_count} reads; resident {began >> 20} MiB at first, at most "
            f"{max(resident) >> 20} MiB; idle {share:.2%} of a core"
        )
    assert max(resident) < RESIDENT_BYTES_MAX
    assert share < IDLE_SHARE_MAX


def idle_share(agent):
    """The share of a core that the agent takes, once the load's last checkpoint is over."""
    share = 1.0
    for _ in range(6):
        began, used = time.perf_counter(), agent.cpu_seconds()
        threading.Event().wait(IDLE_SECONDS)
        share = (agent.cpu_seconds() - used) / (time.perf_counter() - began)
        if share < IDLE_SHARE_MAX:
            break
    return share
