"""Producers against a real node: handles, bounds, threads, names, errors; both clients."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref

import pytest

import goutube
from goutube import errors
from goutube.limits import RECORD_BYTES_MAX
from tests.support.serving import serving_node

pytestmark = pytest.mark.net
VALUES = [b"record %d" % number for number in range(2000)]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node") / "data") as server:
        yield server.address


@pytest.fixture
def client(address):
    with goutube.connect(address, timeout_s=10) as client:
        yield client


@pytest.fixture
def name(request):
    return request.node.name


def run(address, work):
    """Run an asyncio test with a client of its own."""

    async def main():
        async with goutube.aio.connect(address, timeout_s=10) as client:
            return await work(client)

    return asyncio.run(main())


def values(client, name):
    return [record.value for record in client.records(name)]


def places(results):
    return [(result.offset, result.next_offset) for result in results]


def test_every_record_is_there_once_and_in_order(client, name):
    """Handles tell where: the very offsets at which a reader finds the records."""
    with client.producer(name, batch_bytes=500) as producer:
        sent = [producer.send(value) for value in VALUES]
    records = list(client.records(name))
    assert [record.value for record in records] == VALUES
    assert places(handle.result(0) for handle in sent) == [
        (record.offset, record.offset + len(record.value)) for record in records
    ]
    assert all(handle.done() and handle.exception() is None for handle in sent)


def test_the_same_with_asyncio(address, client, name):
    """Handles are awaited."""

    async def work(aio):
        async with aio.producer(name, batch_bytes=500) as producer:
            sent = [await producer.send(value) for value in VALUES[:1000]]
            sent += await producer.send_many(VALUES[1000:])
            with pytest.raises(asyncio.InvalidStateError):
                sent[-1].result()
            results = [await handle for handle in sent]
            assert results == [handle.result() for handle in sent]
            assert sent[0].exception() is None
            return results

    results = run(address, work)
    records = list(client.records(name))
    assert [record.value for record in records] == VALUES
    assert [result.offset for result in results] == [record.offset for record in records]


def test_send_many(client, name):
    """One handle for each, in batches of any number of records."""
    with client.producer(name, batch_bytes=100) as producer:
        sent = producer.send_many(iter(VALUES))
        assert len(sent) == len(VALUES)
        assert sent[-1].result(10).next_offset == sum(map(len, VALUES))
    assert values(client, name) == VALUES


def test_a_record_goes_after_its_linger_time(client, name):
    """Without a flush, without a close."""
    with client.producer(name, linger_ms=20) as producer:
        assert producer.send(b"alone").result(10).next_offset == 5


def test_a_long_linger_waits_for_the_flush(client, name):
    """A wait with a limit tells that the record is still under way."""
    with client.producer(name, linger_ms=60_000) as producer:
        handle = producer.send(b"x")
        with pytest.raises(errors.DeadlineExceededError, match="still under way"):
            handle.result(0.05)
        with pytest.raises(errors.DeadlineExceededError):
            handle.exception(0.01)
        assert not handle.done()
        producer.flush()
        assert handle.done()


def test_callbacks(client, name):
    """With the handle, once; also when it is done already; one that raises hurts nobody."""
    called = []
    with client.producer(name) as producer:
        handle = producer.send(b"x")
        handle.add_done_callback(lambda _: 1 / 0)
        handle.add_done_callback(called.append)
        producer.flush()
        handle.add_done_callback(called.append)
    assert called == [handle, handle]


def test_inside_a_running_event_loop(client, name):
    """The synchronous producer works there, and its handles can be awaited."""

    async def work():
        with client.producer(name) as producer:
            result = await asyncio.wait_for(producer.send(b"x"), 10)
            handle = producer.send(b"y")
            await asyncio.to_thread(producer.flush)
            return result, await handle

    assert places(asyncio.run(work())) == [(0, 1), (1, 2)]


def test_to_cancel_the_wait_for_a_handle_cancels_no_record(address, client, name):
    """The record goes on; others of its batch can still be awaited."""

    async def work(aio):
        async with aio.producer(name, linger_ms=50) as producer:
            handles = [await producer.send(b"x"), await producer.send(b"y")]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await handles[0]
            return [await handle for handle in handles]

    assert places(run(address, work)) == [(0, 1), (1, 2)]
    assert values(client, name) == [b"x", b"y"]


def test_many_threads_on_one_producer(client, name):
    """Each one's records keep their order; none is lost, none is there twice."""
    handles = {}

    def work(number):
        handles[number] = [producer.send(b"%d %d" % (number, place)) for place in range(500)]

    with client.producer(name, batch_bytes=700, buffer_bytes=65536) as producer:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    found = {}
    for record in client.records(name):
        number, place = map(int, record.value.split())
        found.setdefault(number, []).append(place)
        assert handles[number][place].result().offset == record.offset
    assert found == {number: list(range(500)) for number in range(8)}


def test_memory_is_bounded(name):
    """While no server answers, send waits with the buffer full; at last it gives up by name."""
    with goutube.connect("127.0.0.1:1", timeout_s=0.5) as client:
        producer = client.producer(name, buffer_bytes=65536, batch_bytes=8192)
        sent = []

        def send_on():
            for _ in range(1000):
                sent.append(producer.send(bytes(1000)))

        with pytest.raises(errors.UnavailableError, match="the producer has ended"):
            send_on()
        assert 40 <= len(sent) <= 66
        assert all(isinstance(handle.exception(0), errors.UnavailableError) for handle in sent)
        with pytest.raises(errors.UnavailableError):
            producer.close()


def test_memory_is_bounded_with_asyncio(name):
    """The same; a send that is cancelled while it waits has not sent."""

    async def work():
        async with goutube.aio.connect("127.0.0.1:1", timeout_s=1) as client:
            producer = client.producer(name, buffer_bytes=65536, batch_bytes=8192)
            sent = []

            async def send_on():
                for _ in range(1000):
                    sent.append(await producer.send(bytes(1000)))

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(send_on(), 0.3)
            assert 40 <= len(sent) <= 66
            with pytest.raises(errors.UnavailableError, match="the producer has ended"):
                await producer.send_many([bytes(1000)] * 1000)
            for handle in sent:
                with pytest.raises(errors.UnavailableError):
                    await handle

    asyncio.run(work())


@pytest.mark.parametrize("record", [b"", "text", None, 5])
def test_what_is_no_record_is_refused(client, name, record):
    """At once and by name; the producer goes on."""
    with client.producer(name) as producer:
        with pytest.raises(errors.InvalidArgumentError, match="a record must"):
            producer.send(record)
        producer.send(b"good")
    assert values(client, name) == [b"good"]


def test_records_of_every_size(client, name):
    """Up to 16 MiB; one byte more is refused, and the producer goes on."""
    largest = bytes(RECORD_BYTES_MAX)
    with client.producer(name) as producer:
        with pytest.raises(errors.RecordTooLargeError, match="16777217"):
            producer.send(bytes(RECORD_BYTES_MAX + 1))
        sent = [producer.send(record) for record in (b"a", largest, b"z")]
    assert places(handle.result() for handle in sent)[2] == (len(largest) + 1, len(largest) + 2)


def test_kinds_of_bytes(client, name):
    """They are copied: who changes them afterwards changes nothing."""
    changed = bytearray(b"before")
    with client.producer(name, linger_ms=50) as producer:
        producer.send(changed)
        changed[:] = b"after!"
        producer.send(memoryview(b"a-b-c-")[::2])
    assert values(client, name) == [b"before", b"abc"]


def test_a_sealed_stream(client, name):
    """Every handle gets the error, and so does whoever uses the producer afterwards."""
    client.append(name, b"x", seal=True)
    with pytest.raises(errors.StreamSealedError), client.producer(name) as producer:  # noqa: PT012
        sent = producer.send_many([b"a", b"b"])
        for handle in sent:
            with pytest.raises(errors.StreamSealedError):
                handle.result(10)
        for use in (lambda: producer.send(b"c"), producer.flush):
            with pytest.raises(errors.StreamSealedError, match="the producer has ended"):
                use()
    assert values(client, name) == [b"x"]


def test_a_stream_made_anew_is_another_one(client, name):
    """Records for a stream that was deleted do not go into its successor."""
    producer = client.producer(name)
    producer.send(b"x").result(10)
    client.delete(name)
    client.append(name, b"new")
    with pytest.raises(errors.StreamNotFoundError):
        producer.send(b"y").result(10)
    with pytest.raises(errors.StreamNotFoundError):
        producer.close()
    assert values(client, name) == [b"new"]


def test_an_idle_producer_holds_no_thread(client, name, monkeypatch):
    """One that is dropped is gone with its call; one that is used again opens another call."""
    monkeypatch.setattr("goutube.client.producer._IDLE_MS", 20)
    producer = client.producer(name)
    for value in (b"1", b"2"):
        producer.send(value).result(10)
        (thread,) = [one for one in threading.enumerate() if one.name.endswith(name)]
        thread.join(10)
        assert not thread.is_alive()
    dropped = weakref.ref(producer)
    del producer
    gc.collect()
    assert dropped() is None
    assert values(client, name) == [b"1", b"2"]


def test_an_error_in_the_block_is_not_hidden(client, name):
    """The user's own comes out of the with statement, not the producer's."""
    client.append(name, b"x", seal=True)

    def use():
        with client.producer(name) as producer:
            producer.send(b"y")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()


def test_a_closed_producer(client, name):
    """It takes nothing more; to close it twice is fine."""
    producer = client.producer(name)
    producer.close()
    producer.close()
    with client.producer(name) as producer:
        producer.send(b"x")
    producer.close()
    with pytest.raises(errors.UnavailableError, match="the producer is closed"):
        producer.send(b"y")
    assert values(client, name) == [b"x"]


def test_a_closed_client_ends_its_producers(address, name):
    """What was under way fails, waiting senders included."""
    client = goutube.connect(address)
    producer = client.producer(name, linger_ms=60_000)
    handle = producer.send(b"x")
    client.close()
    with pytest.raises(errors.UnavailableError, match="closed"):
        handle.result(10)
    with pytest.raises(errors.UnavailableError):
        producer.send(b"y")

    async def work():
        aio = goutube.aio.connect(address)
        producer = aio.producer(name, linger_ms=60_000)
        handle = await producer.send(b"x")
        await aio.close()
        with pytest.raises(errors.UnavailableError, match="closed"):
            await handle

    asyncio.run(work())


def test_who_takes_a_name_over_fences_who_had_it(client, name):
    """With its first record; the other's later records are refused, its earlier ones are there."""
    former, latter = (client.producer(name, name="uploader") for _ in range(2))
    former.send(b"1").result(10)
    former.send(b"2").result(10)
    latter.send(b"3").result(10)
    with pytest.raises(errors.ProducerFencedError):
        former.send(b"4").result(10)
    with pytest.raises(errors.ProducerFencedError, match="the producer has ended"):
        former.send(b"5")
    latter.send(b"6").result(10)
    latter.close()
    with client.producer(name, name="another") as other:
        other.send(b"7")
    assert values(client, name) == [b"1", b"2", b"3", b"6", b"7"]


def test_many_that_take_a_name_at_once(client, name):
    """The records of each are there up to the point where it was fenced; one is left."""
    outcomes = {}

    def work(number):
        sent = []
        try:
            with client.producer(name, name="shared", batch_bytes=64, linger_ms=0) as producer:
                for place in range(50):
                    sent.append(producer.send(b"%d %d" % (number, place)))
                    time.sleep(0.001)
        except errors.ProducerFencedError:
            pass
        outcomes[number] = [handle.exception(10) is None for handle in sent]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = {number: [] for number in outcomes}
    for value in values(client, name):
        number, place = map(int, value.split())
        found[number].append(place)
    for number, good in outcomes.items():
        assert found[number] == list(range(sum(good))), number
        assert good == sorted(good, reverse=True)
    assert any(len(good) == 50 and all(good) for good in outcomes.values())


def test_a_program_that_ends_without_closing(address, client, name):
    """It ends at once and quietly; what it had flushed is there."""
    program = (
        "import goutube\n"
        f"client = goutube.connect({address!r})\n"
        f"producer = client.producer({name!r}, linger_ms=60000)\n"
        "producer.send(b'flushed')\n"
        "producer.flush()\n"
        "producer.send(b'lost')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stderr == ""
    assert values(client, name) == [b"flushed"]


@pytest.mark.parametrize(
    "options",
    [{"name": ""}, {"name": "n" * 256}, {"linger_ms": -1}, {"in_flight": 99}, {"timeout_s": 0}],
)
def test_arguments_are_judged(client, name, options):
    """Before anything is sent."""
    with pytest.raises(errors.InvalidArgumentError):
        client.producer(name, **options)
    with pytest.raises(errors.InvalidArgumentError):
        client.producer("not//good")
