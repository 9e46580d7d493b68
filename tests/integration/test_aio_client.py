"""The asyncio client against a real node: results, errors and cancellation."""

from __future__ import annotations

import asyncio
import io
import os
import random
import socket

import pytest

import goutube
from goutube import errors
from goutube.routing import BATCH_BYTES
from tests.support.serving import serving_node

pytestmark = pytest.mark.net


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node") / "data") as server:
        yield server.address


@pytest.fixture
def run(address):
    """Run a coroutine function with a client."""

    def run(coroutine):
        async def main():
            async with goutube.aio.connect(address, timeout_s=10) as client:
                async with asyncio.timeout(60):
                    return await coroutine(client)

        return asyncio.run(main())

    return run


async def whole(client, name, *arguments, **options):
    return b"".join([chunk async for chunk in client.read(name, *arguments, **options)])


def test_a_life_of_a_stream(run):
    """Made, filled, read, changed, listed, trimmed, sealed, removed."""

    async def life(client):
        made = await client.create("life", content_type="text/plain", metadata={"k": "v"})
        first = await client.append("life", b"hello ", expected_offset=0, stream_id=made.stream_id)
        await client.append("life", memoryview(b"world"), expected_offset=first.next_offset)
        assert await whole(client, "life", 3, limit=8) == b"lo wo"
        assert [record.value async for record in client.records("life")] == [b"hello ", b"world"]
        changed = await client.change("life", content_type="")
        assert (changed.properties.content_type, changed.properties.metadata["k"]) == ("", "v")
        assert (await client.trim("life", 6)).start_offset == 6
        assert (await client.seal("life")).sealed
        assert [info.name async for info in client.list("life")] == ["life"]
        assert (await client.status()).settled
        await client.delete("life")
        with pytest.raises(errors.StreamNotFoundError):
            await client.stat("life")

    run(life)


def test_long_contents_of_every_kind(run):
    """Bytes, files, iterables and asynchronous iterables."""
    content = os.urandom(3 * BATCH_BYTES + 99)
    values = [os.urandom(1 + number % 700) for number in range(3000)]

    async def appends(client):
        async def produced():
            for value in values:
                yield value

        await asyncio.gather(
            client.append("bytes", content),
            client.append("file", io.BytesIO(content), seal=True),
            client.append("list", records=values),
            client.append("async", records=produced(), expected_offset=0),
        )
        for name in ("bytes", "file"):
            assert await whole(client, name) == content
        for name in ("list", "async"):
            assert [record.value async for record in client.records(name)] == values

    run(appends)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        pytest.param(lambda c: c.append("e", b""), errors.InvalidArgumentError, id="empty"),
        pytest.param(lambda c: c.append("e", records=[b""]), errors.InvalidArgumentError, id="rec"),
        pytest.param(lambda c: c.append("a/../b", b"x"), errors.InvalidArgumentError, id="name"),
        pytest.param(
            lambda c: c.append("no", b"x", expected_offset=1), errors.OffsetMismatchError, id="end"
        ),
        pytest.param(lambda c: c.stat("no"), errors.StreamNotFoundError, id="stat"),
        pytest.param(lambda c: anext(c.read("no")), errors.StreamNotFoundError, id="read"),
        pytest.param(lambda c: anext(c.records("no")), errors.StreamNotFoundError, id="records"),
    ],
)
def test_mistakes_are_named(run, call, error):
    """The same classes as the synchronous client's."""

    async def mistake(client):
        with pytest.raises(error):
            await call(client)

    run(mistake)


def test_many_tasks_share_a_client(run):
    """A hundred tasks on ten streams: all there once, and the calls stay bounded."""

    async def appends(client):
        await asyncio.gather(*(client.append(f"many/{n % 10}", b"%d;" % n) for n in range(100)))
        parts = b"".join([await whole(client, f"many/{n}") for n in range(10)]).split(b";")[:-1]
        assert sorted(map(int, parts)) == list(range(100))
        for number in range(70):
            await client.append(f"more/{number}", b"x")
        assert len(client._lanes) == 64

    run(appends)


def test_a_follower_sees_bytes_and_the_end(run):
    """From the first byte on, until the seal."""

    async def follow(client):
        await client.append("live", b"a")
        follower = client.read("live", follow=True)
        assert await anext(follower) == b"a"
        waiting = asyncio.ensure_future(anext(follower))
        await client.append("live", b"b")
        assert await waiting == b"b"
        await client.seal("live")
        with pytest.raises(StopAsyncIteration):
            await anext(follower)

    run(follow)


def test_a_follower_is_told_that_its_stream_is_gone(run):
    """Deleted while it waits."""

    async def follow(client):
        await client.append("gone", b"a")
        follower = client.read("gone", follow=True)
        assert await anext(follower) == b"a"
        await client.delete("gone")
        with pytest.raises(errors.StreamNotFoundError):
            await anext(follower)

    run(follow)


def test_a_cancelled_wait_is_cancelled(run):
    """Cancelling a read or a call ends it, and the client goes on."""

    async def cancel(client):
        await client.append("wait", b"a")
        follower = client.read("wait", follow=True)
        assert await anext(follower) == b"a"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(follower), 0.2)
        assert await whole(client, "wait") == b"a"

    run(cancel)


def test_a_closed_client_says_so(address):
    """A follower that waits is ended, further calls are refused."""

    async def main():
        client = goutube.aio.connect(address)
        await client.append("closing", b"a")
        follower = client.read("closing", follow=True)
        assert await anext(follower) == b"a"
        waiting = asyncio.ensure_future(anext(follower))
        await asyncio.sleep(0)
        await client.close()
        await client.close()
        with pytest.raises(errors.UnavailableError, match="closed"):
            await waiting
        for call in (client.stat("closing"), client.append("closing", b"b")):
            with pytest.raises(errors.UnavailableError, match="closed"):
                await call

    asyncio.run(main())


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("read", bytes),
        ("records", lambda record: record.value),
        ("record_batches", lambda batch: bytes(batch.data)),
    ],
)
def test_a_cancelled_read_loses_nothing(run, kind, content):
    """A wait that is given up, at whatever moment, is gone on with by the next one."""
    values = [b"%06d" % number for number in range(3000)]

    async def interrupted(client):
        read = getattr(client, kind)(f"cancelled/{kind}", follow=True)
        taken, given_up = [], 0
        while sum(map(len, taken)) < 6 * len(values):
            try:
                async with asyncio.timeout(random.random() / 50):
                    item = await anext(read)
            except TimeoutError:
                given_up += 1
                continue
            taken.append(content(item))
        await read.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(read)
        assert given_up
        return b"".join(taken)

    async def main(client):
        await client.append(f"cancelled/{kind}", values[0])

        async def feed():
            for start in range(1, len(values), 100):
                await client.append(f"cancelled/{kind}", records=values[start : start + 100])
                await asyncio.sleep(0.002)

        _, taken = await asyncio.gather(feed(), interrupted(client))
        assert taken == b"".join(values)

    run(main)


def test_a_cancelled_wait_for_the_latest_loses_nothing(run):
    """It stays where the end was when it began, not where it is when one waits again."""

    async def main(client):
        await client.append("latest", b"before")
        read = client.read("latest", "latest", follow=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(read)
        await client.append("latest", b"meanwhile")
        assert await anext(read) == b"meanwhile"
        await read.aclose()

    run(main)


def test_a_read_that_failed_stays_ended(run):
    """Only a cancelled wait is gone on with."""

    async def main(client):
        read = client.read("no/such")
        with pytest.raises(errors.StreamNotFoundError):
            await anext(read)
        with pytest.raises(StopAsyncIteration):
            await anext(read)

    run(main)


def test_appends_of_one_stream_give_up_each_in_its_own_time():
    """One timer serves all who wait: the shortest wait sets it, and the others wait on."""

    async def scenario():
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            async with goutube.aio.connect(address) as client:
                patient = asyncio.create_task(client.append("s", b"x", timeout_s=60))
                await asyncio.sleep(0)
                async with asyncio.timeout(10):
                    for _ in range(2):
                        with pytest.raises(errors.GoutubeError):
                            await client.append("s", b"y", timeout_s=0.1)
                assert not patient.done()
        with pytest.raises(errors.GoutubeError):
            await patient

    asyncio.run(scenario())
