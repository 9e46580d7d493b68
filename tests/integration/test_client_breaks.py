"""Both clients over connections that break: exact bytes, exactly once, or the error that is named."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import goutube
from goutube import errors
from tests.support.cutter import cutter
from tests.support.serving import serving_node

pytestmark = pytest.mark.net


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node") / "data") as server:
        yield server.address


@pytest.fixture
def proxy(address):
    with cutter(address) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    with goutube.connect(proxy.address, timeout_s=20) as client:
        yield client


@pytest.fixture
def name(request):
    return request.node.name


def run(proxy, coroutine):
    """Run a coroutine function of an asyncio client."""

    async def main():
        async with goutube.aio.connect(proxy.address, timeout_s=20) as client:
            return await coroutine(client)

    return asyncio.run(main())


def until_committed(direct, name, end):
    """Wait until the server has it, whatever the client knows."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if direct.stat(name).end_offset >= end:
                return
        except errors.StreamNotFoundError:
            continue
    raise AssertionError(f"{name} never reached {end}")


def cut_once_committed(proxy, address, name, end):
    with goutube.connect(address) as direct:
        until_committed(direct, name, end)
    proxy.cut()


def test_a_lost_answer_is_asked_for_again(proxy, client, address, name):
    """The append was committed, its answer lost: the retry is known, nothing is there twice."""
    client.append(name, b"first")
    proxy.hold()
    with ThreadPoolExecutor(1) as pool:
        cutting = pool.submit(cut_once_committed, proxy, address, name, 11)
        result = client.append(name, b"second")
        cutting.result()
    assert (result.offset, result.next_offset, result.duplicate) == (5, 11, True)
    assert b"".join(client.read(name)) == b"firstsecond"


def test_a_lost_answer_is_asked_for_again_by_asyncio(proxy, address, name):
    """The same for a conditional append that seals."""

    async def appends(client):
        await client.append(name, b"first")
        proxy.hold()
        cutting = asyncio.to_thread(cut_once_committed, proxy, address, name, 11)
        result, _ = await asyncio.gather(
            client.append(name, b"second", expected_offset=5, seal=True), cutting
        )
        return result

    result = run(proxy, appends)
    assert (result.offset, result.next_offset, result.duplicate) == (5, 11, True)


def test_an_answer_that_never_comes_is_an_unknown_outcome(proxy, client, name):
    """It was sent; what became of it nobody can say, and the next append does not repeat it."""
    client.append(name, b"first")
    proxy.hold()
    with pytest.raises(errors.OutcomeUnknownError, match="may have happened"):
        client.append(name, b"second", timeout_s=0.3)
    proxy.cut()
    end = client.stat(name).end_offset
    assert client.append(name, b"third").offset == end


def test_an_answer_that_never_comes_to_asyncio(proxy, name):
    """The same; a cancelled append leaves the client in order too."""

    async def appends(client):
        await client.append(name, b"first")
        proxy.hold()
        with pytest.raises(errors.OutcomeUnknownError):
            await client.append(name, b"second", timeout_s=0.3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.append(name, b"third")
        await asyncio.to_thread(proxy.cut)
        end = (await client.stat(name)).end_offset
        return end, await client.append(name, b"fourth")

    end, result = run(proxy, appends)
    assert result.offset == end


def test_a_silent_server_is_a_deadline(proxy, client, name):
    """Reads and descriptions are given up after the timeout, and only then."""
    client.append(name, b"x")
    proxy.hold()
    with pytest.raises(errors.DeadlineExceededError):
        next(client.read(name, timeout_s=0.2))
    with goutube.connect(proxy.address, timeout_s=0.2) as hasty:
        with pytest.raises((errors.DeadlineExceededError, errors.UnavailableError)):
            hasty.stat(name)
        with pytest.raises((errors.DeadlineExceededError, errors.UnavailableError)):
            hasty.status()


CALLS = [
    lambda c: c.append("s", b"x"),
    lambda c: c.append("s", records=[b"x"]),
    lambda c: next(c.read("s")),
    lambda c: next(c.records("s", follow=True)),
    lambda c: c.stat("s"),
    lambda c: next(c.list()),
    lambda c: c.create("s"),
    lambda c: c.change("s"),
    lambda c: c.seal("s"),
    lambda c: c.trim("s", 1),
    lambda c: c.delete("s"),
    lambda c: c.status(),
]


@pytest.mark.parametrize("call", CALLS, ids=[str(number) for number in range(len(CALLS))])
def test_nobody_there(proxy, call):
    """No server at the address: plainly unavailable, and the address is named."""
    proxy.down()
    client = goutube.connect(proxy.address, timeout_s=1 if call in CALLS[:2] else 0.2)
    with client, pytest.raises(errors.UnavailableError, match=proxy.address):
        call(client)
    proxy.up()


@pytest.mark.parametrize("call", CALLS, ids=[str(number) for number in range(len(CALLS))])
def test_nobody_there_for_asyncio(proxy, call):
    """The same."""
    proxy.down()

    async def main():
        timeout_s = 1 if call in CALLS[:2] else 0.2
        async with goutube.aio.connect(proxy.address, timeout_s=timeout_s) as client:
            with pytest.raises(errors.UnavailableError, match=proxy.address):
                await call(_Awaited(client))

    asyncio.run(main())
    proxy.up()


class _Awaited:
    """An asyncio client whose generators can be asked with ``next``, as CALLS does."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        function = getattr(self._client, name)
        if name in ("read", "records", "list"):
            return lambda *arguments, **options: _Next(function(*arguments, **options))
        return function


class _Next:
    def __init__(self, generator):
        self._generator = generator

    def __next__(self):
        return anext(self._generator)


def test_another_address_is_asked(proxy, address, name):
    """The first server is gone: the second one answers, and keeps answering."""
    proxy.down()
    with goutube.connect(proxy.address, address, timeout_s=10) as client:
        assert client.append(name, b"x").next_offset == 1
        assert client.stat(name).end_offset == 1
    proxy.up()


def test_a_read_goes_on_at_the_exact_byte(proxy, client, name):
    """Eight breaks in 32 MiB: every byte once, in order."""
    # Far more than what windows and buffers hold, so that most breaks meet bytes still to come.
    content = os.urandom(32 << 20)
    client.append(name, content)
    got, breaks = [], 0
    for chunk in client.read(name):
        got.append(chunk)
        if sum(map(len, got)) > breaks * (len(content) // 8):
            breaks += 1
            proxy.cut()
    assert b"".join(got) == content
    assert proxy.connections >= 3


def test_records_go_on_at_the_next_record(proxy, name):
    """The same for records, asynchronously."""
    values = [os.urandom(random.randrange(1, 3000)) for _ in range(1500)]

    async def read(client):
        await client.append(name, records=values)
        got = []
        async for record in client.records(name):
            got.append(record.value)
            if len(got) % 300 == 0:
                await asyncio.to_thread(proxy.cut)
        return got

    assert run(proxy, read) == values


@pytest.mark.parametrize("start", ["latest", "earliest"])
def test_a_follower_outlives_the_connection(proxy, client, address, name, start):
    """Bytes that are appended while it is cut off are there when it is back."""
    client.append(name, b"old")
    follower = client.read(name, start, follow=True)
    with goutube.connect(address) as direct, ThreadPoolExecutor(1) as pool:
        content = b"" if start == "latest" else b"old"
        reading = pool.submit(lambda: b"".join(follower))
        time.sleep(0.3)  # it has begun; nothing tells from outside
        for number in range(5):
            proxy.cut()
            direct.append(name, b"+%d" % number)
            content += b"+%d" % number
        direct.seal(name)
        assert reading.result(20) == content


@contextmanager
def cuts(proxy):
    """Cut the connection every 50 ms."""
    done = threading.Event()

    def cut():
        while not done.wait(0.05):
            proxy.cut()

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_threads_append_exactly_once_over_breaking_connections(proxy, client, name):
    """Two threads on one stream, a cut every 50 ms: all there once, each thread's in its order."""

    def append(worker):
        for number in range(150):
            client.append(name, b"%d:%d;" % (worker, number))

    with cuts(proxy), ThreadPoolExecutor(2) as pool:
        list(pool.map(append, range(2)))
    parts = b"".join(client.read(name)).split(b";")[:-1]
    for worker in range(2):
        mine = [part for part in parts if part.startswith(b"%d:" % worker)]
        assert mine == [b"%d:%d" % (worker, number) for number in range(150)]
    assert len(parts) == 300
    assert proxy.connections > 2


def test_tasks_append_exactly_once_over_breaking_connections(proxy, name):
    """Eight tasks, two streams, and one long append of records, the same cuts."""
    values = [b"%d," % number for number in range(5000)]

    async def appends(client):
        async def one(worker):
            for number in range(40):
                await client.append(f"{name}/{worker % 2}", b"%d:%d;" % (worker, number))

        long = client.append(f"{name}/long", records=values, expected_offset=0, seal=True)
        await asyncio.gather(*(one(worker) for worker in range(8)), long)
        whole = [b"".join([part async for part in client.read(f"{name}/{n}")]) for n in range(2)]
        return whole, b"".join([part async for part in client.read(f"{name}/long")])

    with cuts(proxy):
        whole, long = run(proxy, appends)
    assert long == b"".join(values)
    parts = sorted(part for one in whole for part in one.split(b";")[:-1])
    assert parts == sorted(b"%d:%d" % (w, n) for w in range(8) for n in range(40))


def test_create_and_delete_over_a_lost_answer(proxy, client, address, name):
    """What was done unheard: a delete is done, a create cannot tell whose stream it is."""
    client.append(name, b"x")
    with goutube.connect(address) as direct, ThreadPoolExecutor(1) as pool:
        proxy.hold()
        creating = pool.submit(client.create, f"{name}/new")
        until_committed(direct, f"{name}/new", 0)
        proxy.cut()
        with pytest.raises(errors.OutcomeUnknownError):
            creating.result(20)


def test_garbage_in_place_of_a_server(name):
    """Something answers that speaks no gRPC: unavailable, not a crash."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        done = threading.Event()

        def answer():
            while not done.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with goutube.connect(address, timeout_s=0.5) as client:
            with pytest.raises(errors.UnavailableError):
                client.stat(name)
            with pytest.raises((errors.UnavailableError, errors.OutcomeUnknownError)):
                client.append(name, b"x")
        done.set()
        thread.join()
