"""An agent is killed and started again under every public call of both clients.

Each call below begins before the kill and ends after the restart. The asyncio client's are awaited,
those of the synchronous one run on threads; what they must bring stands here once for both.
"""

from __future__ import annotations

import asyncio
import base64
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice

import pytest

import goutube
from goutube import errors
from goutube.client import AsyncClient, Client, MembersListed
from tests.support.agents import SMALL_JOURNAL, restarted_agent

pytestmark = [pytest.mark.net, pytest.mark.crash]

CONTENT = random.Random(11).randbytes(6 << 20)
VALUES = [b"record %d" % number for number in range(50_000)]
NOT_A_CALL = {"close"}
OLD_KEY, NEW_KEY = (base64.b64encode(bytes([number] * 32)).decode() for number in range(2))


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agent") / "data"
    with restarted_agent(folder, *SMALL_JOURNAL, "--encrypt-keys", OLD_KEY) as agent:
        yield agent


class Outage:
    """When the server goes, and when it is back; it goes once every call has begun."""

    def __init__(self, call_count):
        self._awaited = call_count
        self.all_begun = asyncio.Event()
        self.over = asyncio.Event()

    def begun(self):
        self._awaited -= 1
        if not self._awaited:
            self.all_begun.set()


class OnThreads:
    """The synchronous client with the asyncio client's face."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if name in ("read", "records", "record_batches", "list", "watch_members"):
            many = 1000 if name == "records" else 1  # one hop for each record would take minutes
            return lambda *arguments, **options: self._iterate(method(*arguments, **options), many)
        return lambda *arguments, **options: asyncio.to_thread(method, *arguments, **options)

    async def _iterate(self, values, many):
        while taken := await asyncio.to_thread(lambda: list(islice(values, many))):
            for value in taken:
                yield value
        values.close()


async def repeat(outage, call):
    """Make a call again and again, over the outage and beyond it; all results."""
    results = [await call(0)]
    outage.begun()
    while not outage.over.is_set():
        results.append(await call(len(results)))
        await asyncio.sleep(0.01)
    results.append(await call(len(results)))
    return results


async def iterate(outage, values):
    """Take one value, let the server go, take the rest."""
    taken = [await anext(values)]
    outage.begun()
    await outage.over.wait()
    return taken + [value async for value in values]


async def append(client, outage, name, folder):
    """Conditional: a second copy of one of them would refuse the next."""
    await client.append(name, b"0;")
    end = 2

    async def call(number):
        nonlocal end
        result = await client.append(name, b"%d;" % (number + 1), expected_offset=end)
        assert result.offset == end
        end = result.next_offset

    count = len(await repeat(outage, call))
    text = b"".join([chunk async for chunk in client.read(name)])
    assert text == b"".join(b"%d;" % number for number in range(count + 1))


async def read(client, outage, name, folder):
    await client.append(name, CONTENT)
    assert b"".join(await iterate(outage, client.read(name))) == CONTENT


async def follow(client, outage, name, folder):
    """Part of ``read``: it waits at the end while the server goes and comes."""
    await client.append(name, b"before")
    follower = client.read(name, follow=True)
    assert await anext(follower) == b"before"
    waiting = asyncio.ensure_future(anext(follower))
    outage.begun()
    await outage.over.wait()
    await client.append(name, b"after", seal=True)
    assert await waiting == b"after"
    assert [chunk async for chunk in follower] == []


async def records(client, outage, name, folder):
    await client.append(name, records=VALUES)
    taken = await iterate(outage, client.records(name))
    assert [record.value for record in taken] == VALUES


async def record_batches(client, outage, name, folder):
    await client.append(name, records=VALUES)
    batches = await iterate(outage, client.record_batches(name))
    assert [batch[place] for batch in batches for place in range(len(batch))] == VALUES


async def producer(client, outage, name, folder):
    """Records that are sent all the while are there once and in order."""

    async def asynchronous():
        async with client.producer(name) as made:
            return len(await repeat(outage, lambda number: made.send(b"%d" % number)))

    async def synchronous():
        with await client.producer(name) as made:
            send = made.send
            count = await repeat(outage, lambda number: asyncio.to_thread(send, b"%d" % number))
            await asyncio.to_thread(made.flush)
            return len(count)

    count = await (synchronous() if isinstance(client, OnThreads) else asynchronous())
    values = [record.value async for record in client.records(name)]
    assert values == [b"%d" % number for number in range(count)]


async def open_(client, outage, name, folder):
    await client.append(name, CONTENT)
    file = await client.open(name)
    first = await asyncio.to_thread(file.read, 1_000_003)
    outage.begun()
    await outage.over.wait()
    rest = await asyncio.to_thread(file.read)
    assert first + rest == CONTENT
    assert await asyncio.to_thread(file.seek, 5) == 5
    assert await asyncio.to_thread(file.read, 100) == CONTENT[5:105]
    file.close()


async def download(client, outage, name, folder):
    """One that runs when the server goes, and one after the other until it is back."""
    await client.append(name, CONTENT)

    async def call(number):
        path = folder / f"{name.replace('/', '-')}{number}"
        await client.download(name, path, streams=3)
        assert path.read_bytes() == CONTENT
        path.unlink()

    await repeat(outage, call)
    assert list(folder.glob(f"{name.replace('/', '-')}*")) == []


async def stat(client, outage, name, folder):
    await client.append(name, b"12345")
    infos = await repeat(outage, lambda number: client.stat(name))
    assert len(set(map(repr, infos))) == 1
    assert infos[0].end_offset == 5


async def list_(client, outage, name, folder):
    names = [f"{name}/{number}" for number in range(5)]
    for one in names:
        await client.append(one, b"x")

    async def call(number):
        assert [info.name async for info in client.list(f"{name}/")] == names

    await repeat(outage, call)


async def create(client, outage, name, folder):
    """A lost answer is told as such, and the stream is there."""

    async def call(number):
        with suppress(errors.OutcomeUnknownError):
            assert (await client.create(f"{name}/{number}")).end_offset == 0
        assert (await client.stat(f"{name}/{number}")).end_offset == 0

    await repeat(outage, call)


async def change(client, outage, name, folder):
    await client.append(name, b"x")

    async def call(number):
        info = await client.change(name, content_type=f"text/{number}")
        assert info.properties.content_type == f"text/{number}"

    await repeat(outage, call)


async def seal(client, outage, name, folder):
    await client.append(name, b"12345")
    assert all(info.sealed for info in await repeat(outage, lambda number: client.seal(name)))


async def trim(client, outage, name, folder):
    await client.append(name, CONTENT)
    infos = await repeat(outage, lambda number: client.trim(name, number))
    assert [info.start_offset for info in infos] == [*range(len(infos))]


async def delete(client, outage, name, folder):
    async def call(number):
        await client.append(f"{name}/{number}", b"x")
        assert await client.delete(f"{name}/{number}") is None
        with pytest.raises(errors.StreamNotFoundError):
            await client.stat(f"{name}/{number}")

    await repeat(outage, call)


async def status(client, outage, name, folder):
    answers = await repeat(outage, lambda number: client.status())
    assert all(answer.settled for answer in answers)
    assert answers[0].nodes[0].boot != answers[-1].nodes[0].boot


async def members(client, outage, name, folder):
    answers = await repeat(outage, lambda number: client.members())
    assert {member.name for answer in answers for member in answer} == {"n1"}


async def topology(client, outage, name, folder):
    answers = await repeat(outage, lambda number: client.topology())
    assert {answer.shards[answer.shard_of(name)].leader for answer in answers} == {"n1"}


async def gossip_keys(client, outage, name, folder):
    answers = await repeat(outage, lambda number: client.gossip_keys())
    assert {len(holder.keys) for answer in answers for holder in answer} <= {1, 2}


async def change_gossip_keys(client, outage, name, folder):
    """A key is installed and removed again; what was said to be done lasts over the outage."""

    async def call(number):
        change = ("install", "remove")[number % 2]
        (holder,) = await client.change_gossip_keys(change, NEW_KEY)
        assert (holder.name, holder.silent, holder.fault) == ("n1", False, "")
        (held,) = await client.gossip_keys()
        assert len(held.keys) == 2 - number % 2

    await repeat(outage, call)


async def watch_members(client, outage, name, folder):
    """It begins anew with the members as they are then."""
    watch = client.watch_members()
    first = await anext(watch)
    outage.begun()
    await outage.over.wait()
    found = await anext(watch)
    while not isinstance(found, MembersListed):
        found = await anext(watch)
    assert {member.name for told in (first, found) for member in told.members} == {"n1"}
    await watch.aclose()


CALLS = [
    append, read, follow, records, record_batches, producer, open_, download, stat, list_, create,
    change, seal, trim, delete, status, topology, members, watch_members, gossip_keys,
    change_gossip_keys,
]  # fmt: skip
NAMES = {call.__name__.rstrip("_") for call in CALLS}


async def every_call(agent, kind, number, folder):
    """Run all calls over one outage; the error of each, or None."""
    prefix = f"{kind}{number}"
    calls = [call for call in CALLS if kind == "sync" or call is not open_]
    outage = Outage(len(calls))
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(40))

    async def run(client):
        running = asyncio.gather(
            *(call(client, outage, f"{prefix}/{call.__name__}", folder) for call in calls),
            return_exceptions=True,
        )
        begun = asyncio.ensure_future(outage.all_begun.wait())
        await asyncio.wait([begun, running], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(agent.end, number)
        await asyncio.to_thread(agent.start)
        outage.over.set()
        return await asyncio.wait_for(running, 90)

    if kind == "sync":
        with goutube.connect(agent.address, timeout_s=30) as client:
            results = await run(OnThreads(client))
    else:
        async with goutube.aio.connect(agent.address, timeout_s=30) as client:
            results = await run(client)
    return dict(zip((call.__name__.rstrip("_") for call in calls), results, strict=True))


@pytest.fixture(scope="module", params=["sync", "aio"])
def outcomes(request, agent, tmp_path_factory):
    """What became of each call when the agent was killed, and when it was stopped."""
    folder = tmp_path_factory.mktemp("files")
    signals = (signal.SIGKILL, signal.SIGTERM)
    return [asyncio.run(every_call(agent, request.param, one, folder)) for one in signals]


@pytest.mark.parametrize("call", sorted(NAMES))
def test_a_restart_under_a_call(outcomes, call):
    """It goes on at the exact byte, or raises the error that its documentation names."""
    for outcome in outcomes:
        error = outcome.get(call)
        if error is not None:
            raise error


@pytest.mark.parametrize(("client", "absent"), [(Client, set()), (AsyncClient, {"open"})])
def test_no_call_is_left_out(client, absent):
    """A new public method has to be added here."""
    public = {name for name in dir(client) if not name.startswith("_")} - NOT_A_CALL
    assert public == NAMES - {"follow"} - absent


def test_appends_over_restarts_are_there_exactly_once(agent):
    """Two threads append while the agent is killed, and stopped: nothing lost, doubled or reordered."""
    name = "exactly/once"
    killed = threading.Event()
    done = [0, 0]

    def append(client, worker):
        while not killed.is_set() or done[worker] < 100:
            client.append(name, b"%d:%d;" % (worker, done[worker]))
            done[worker] += 1

    with goutube.connect(agent.address, timeout_s=30) as client:
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(append, client, worker) for worker in range(2)]
            for number in (signal.SIGKILL, signal.SIGTERM):
                before = sum(done)
                while sum(done) < before + 50:
                    assert not any(one.done() for one in running)
                agent.end(number)
                agent.start()
            killed.set()
            for one in running:
                one.result(60)
        parts = b"".join(client.read(name)).split(b";")[:-1]
    for worker in range(2):
        mine = [part for part in parts if part.startswith(b"%d:" % worker)]
        assert mine == [b"%d:%d" % (worker, number) for number in range(done[worker])]
