"""An agent is killed and started again under every call of both clients."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import goutube
from tests.support.agents import restarted_agent

pytestmark = [pytest.mark.net, pytest.mark.crash]

CONTENT = os.urandom(6 << 20)
VALUES = [b"record %d" % number for number in range(3000)]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    with restarted_agent(tmp_path_factory.mktemp("agent") / "data") as agent:
        yield agent


def prepare(client, prefix):
    """Streams that the calls under the restart need."""
    client.append(f"{prefix}/bytes", CONTENT)
    client.append(f"{prefix}/records", records=VALUES)
    for name in ("append", "trim", "seal", "delete", "change", "follow"):
        client.append(f"{prefix}/{name}", b"0123456789")


def check(results):
    """What the calls must have brought, whichever client made them."""
    assert results["append"].offset == 10
    assert results["conditional"].offset == 0
    assert results["large"].next_offset == len(CONTENT)
    assert results["stat"].end_offset == len(CONTENT)
    assert results["create"].end_offset == 0
    assert results["change"].properties.content_type == "text/plain"
    assert results["trim"].start_offset == 5
    assert results["seal"].sealed
    assert results["delete"] is None
    assert results["status"].settled
    assert results["read"] == CONTENT
    assert results["records"] == VALUES


def test_a_restart_under_every_call(agent):
    """Readers go on at the exact byte; what is asked meanwhile is answered once it is back."""
    prefix = "sync"
    with goutube.connect(agent.address, timeout_s=30) as client, ThreadPoolExecutor(14) as pool:
        prepare(client, prefix)
        reader, records = client.read(f"{prefix}/bytes"), client.records(f"{prefix}/records")
        follower = client.read(f"{prefix}/follow", follow=True)
        first, first_record, followed = next(reader), next(records), next(follower)
        agent.end()
        calls = {
            "append": lambda: client.append(f"{prefix}/append", b"x"),
            "conditional": lambda: client.append(f"{prefix}/new", b"x", expected_offset=0),
            "large": lambda: client.append(f"{prefix}/large", CONTENT, seal=True),
            "stat": lambda: client.stat(f"{prefix}/bytes"),
            "list": lambda: [info.name for info in client.list(f"{prefix}/r")],
            "create": lambda: client.create(f"{prefix}/made"),
            "change": lambda: client.change(f"{prefix}/change", content_type="text/plain"),
            "trim": lambda: client.trim(f"{prefix}/trim", 5),
            "seal": lambda: client.seal(f"{prefix}/seal"),
            "delete": lambda: client.delete(f"{prefix}/delete"),
            "status": client.status,
            "read": lambda: first + b"".join(reader),
            "records": lambda: [r.value for r in (first_record, *records)],
            "follow": lambda: followed + next(follower),
        }
        running = {name: pool.submit(call) for name, call in calls.items()}
        agent.start()
        client.append(f"{prefix}/follow", b"more")
        results = {name: future.result(60) for name, future in running.items()}
        follower.close()
    check(results)
    assert results["list"] == [f"{prefix}/records"]
    assert results["follow"] == b"0123456789more"


def test_a_restart_under_every_asyncio_call(agent):
    """The same with coroutines."""
    prefix = "aio"
    with goutube.connect(agent.address) as client:
        prepare(client, prefix)

    async def main():
        async with goutube.aio.connect(agent.address, timeout_s=30) as client:
            reader, records = client.read(f"{prefix}/bytes"), client.records(f"{prefix}/records")
            first, first_record = await anext(reader), await anext(records)
            await asyncio.to_thread(agent.end)

            async def rest():
                return first + b"".join([chunk async for chunk in reader])

            async def rest_of_records():
                return [first_record.value, *[record.value async for record in records]]

            calls = {
                "append": client.append(f"{prefix}/append", b"x"),
                "conditional": client.append(f"{prefix}/new", b"x", expected_offset=0),
                "large": client.append(f"{prefix}/large", CONTENT, seal=True),
                "stat": client.stat(f"{prefix}/bytes"),
                "create": client.create(f"{prefix}/made"),
                "change": client.change(f"{prefix}/change", content_type="text/plain"),
                "trim": client.trim(f"{prefix}/trim", 5),
                "seal": client.seal(f"{prefix}/seal"),
                "delete": client.delete(f"{prefix}/delete"),
                "status": client.status(),
                "read": rest(),
                "records": rest_of_records(),
            }
            running = asyncio.gather(*calls.values())
            await asyncio.to_thread(agent.start)
            return dict(zip(calls, await running, strict=True))

    check(asyncio.run(main()))


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
