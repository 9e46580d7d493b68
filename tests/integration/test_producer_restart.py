"""An agent is killed under producers and readers, again and again: each record is there once."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import goutube
from goutube import errors
from tests.support.agents import SMALL_JOURNAL, restarted_agent

pytestmark = [pytest.mark.net, pytest.mark.crash]

KILLS = 3


@pytest.fixture
def agent(tmp_path):
    with restarted_agent(tmp_path / "data", *SMALL_JOURNAL) as agent:
        yield agent


class Killer(threading.Thread):
    """Kills the agent and starts it again, a few times, while something else goes on."""

    def __init__(self, agent):
        super().__init__()
        self.agent, self.done = agent, False

    def run(self):
        for _ in range(KILLS):
            time.sleep(0.3)
            self.agent.end()
            self.agent.start()
        self.done = True


def check(agent, name, results):
    """Each record is there once, in order, where its handle said."""
    with goutube.connect(agent.address) as client:
        records = list(client.records(name))
    assert [int(record.value) for record in records] == list(range(len(results)))
    assert [record.offset for record in records] == [result.offset for result in results]


@pytest.mark.parametrize("producer_name", [None, "uploader"])
def test_killed_under_a_producer(agent, producer_name):
    """Whatever was on its way is sent again, and committed once."""
    killer = Killer(agent)
    sent = []
    with goutube.connect(agent.address, timeout_s=30) as client:
        with client.producer("s", name=producer_name, linger_ms=1, batch_bytes=256) as producer:
            killer.start()
            while not killer.done:
                sent.append(producer.send(b"%d" % len(sent)))
                if not len(sent) % 20:
                    time.sleep(0.001)
        killer.join()
        results = [handle.result(0) for handle in sent]
    assert len(results) > 1000
    check(agent, "s", results)


def test_killed_under_an_asyncio_producer(agent):
    """The same for the other shell."""
    killer = Killer(agent)

    async def main():
        sent = []
        async with goutube.aio.connect(agent.address, timeout_s=30) as client:
            async with client.producer("s", name="up", linger_ms=1, batch_bytes=256) as producer:
                killer.start()
                while not killer.done:
                    sent.append(await producer.send(b"%d" % len(sent)))
                    if not len(sent) % 20:
                        await asyncio.sleep(0.001)
            return [await handle for handle in sent]

    results = asyncio.run(main())
    killer.join()
    assert len(results) > 1000
    check(agent, "s", results)


def test_killed_under_readers_that_follow(agent):
    """They go on at the very next record, one by one and many at once."""
    killer = Killer(agent)
    singles, many = [], []
    with goutube.connect(agent.address, timeout_s=30) as client:
        client.create("s")

        def read():
            singles.extend(int(record.value) for record in client.records("s", follow=True))

        def read_many():
            for batch in client.record_batches("s", follow=True):
                many.extend(int(batch[number]) for number in range(len(batch)))

        readers = [threading.Thread(target=work) for work in (read, read_many)]
        for reader in readers:
            reader.start()
        count = 0
        with client.producer("s", linger_ms=1) as producer:
            killer.start()
            while not killer.done:
                producer.send(b"%d" % count)
                count += 1
                if not count % 20:
                    time.sleep(0.001)
        killer.join()
        client.seal("s")
        for reader in readers:
            reader.join(60)
    assert singles == many == list(range(count))


def test_a_server_that_does_not_come_back(agent):
    """The producer gives up when its time is over; the records' outcomes are told apart."""
    with goutube.connect(agent.address, timeout_s=1) as client:
        producer = client.producer("s", linger_ms=0)
        producer.send(b"0").result(10)
        agent.end()
        handle = producer.send(b"1")
        with pytest.raises((errors.UnavailableError, errors.OutcomeUnknownError)):
            handle.result(20)
        with pytest.raises(errors.GoutubeError, match="the producer has ended"):
            producer.send(b"2")
        agent.start()
        with client.producer("s") as other:
            other.send(b"3")
        values = [record.value for record in client.records("s")]
    assert values in ([b"0", b"3"], [b"0", b"1", b"3"])
    assert b"1" not in values or isinstance(handle.exception(), errors.OutcomeUnknownError)


def test_a_process_that_takes_its_name_over_again(agent):
    """After a restart of server and producer, the name goes on; the former holder is fenced."""
    with goutube.connect(agent.address, timeout_s=30) as client:
        former = client.producer("s", name="uploader")
        former.send(b"0").result(10)
        agent.end()
        agent.start()
        with client.producer("s", name="uploader") as latter:
            latter.send(b"1").result(20)
        with pytest.raises(errors.ProducerFencedError):
            former.send(b"2").result(20)
        assert [record.value for record in client.records("s")] == [b"0", b"1"]
