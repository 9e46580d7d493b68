"""The server's parts without sockets: order, window, chunks, reading ahead, draining."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube._native import ReadData
from goutube.errors import ShuttingDownError, StreamNotFoundError
from goutube.model import StreamId
from goutube.node import AtOffset, Read, ReadAnswer
from goutube.server.append import Order
from goutube.server.drain import Drain, Stage
from goutube.server.read_ahead import read_ahead
from goutube.server.streaming_v1 import Chunks
from goutube.server.window import Window


def request(stream="s", count=1, producer=b"", epoch=0, sequence=0, stream_id=0):
    return SimpleNamespace(
        stream=stream,
        stream_id=stream_id,
        record_count=count,
        producer_id=producer,
        producer_epoch=epoch,
        sequence=sequence,
    )


def placed(*requests):
    """(stamp, may go along) of each batch of one call."""
    order = Order()
    return [order.place(item) for item in requests]


def test_a_producers_batches_go_along_in_sequence():
    """Only the next in sequence of the same producer, epoch and stream goes along."""
    p = b"p" * 16
    answers = placed(
        request(producer=p, sequence=0, count=2),
        request(producer=p, sequence=2),
        request(producer=p, sequence=9),
        request(producer=p, sequence=10, epoch=1),
        request(producer=b"q" * 16, sequence=11, epoch=1),
        request(producer=b"q" * 16, sequence=12, epoch=1, stream="t"),
        request(producer=b"q" * 16, sequence=13, epoch=1, stream="t"),
        request(producer=b"q" * 16, sequence=14, epoch=1, stream="t", stream_id=1),
    )
    assert [along for _, along in answers] == [False, True, False, False, False, False, True, False]
    assert [stamp.sequence for stamp, _ in answers] == [0, 2, 9, 10, 11, 12, 13, 14]


def test_a_single_batch_needs_no_producer():
    """The first batch of a run is not stamped; those behind it form a chain from sequence 0."""
    answers = placed(request(), request(count=3), request(), request())
    stamps = [stamp for stamp, _ in answers]
    assert stamps[0] is None
    assert [stamp.sequence for stamp in stamps[1:]] == [0, 3, 4]
    assert len({(stamp.producer_id, stamp.epoch) for stamp in stamps[1:]}) == 1
    assert len(stamps[1].producer_id) == 16
    assert [along for _, along in answers] == [False, False, True, True]


def test_coming_back_to_a_stream_is_a_new_epoch():
    """A second run on a stream must not look like a retry of the first."""
    first = [request("a"), request("a"), request("b"), request("b")]
    stamps = [stamp for stamp, _ in placed(*first, request("a"), request("a"))]
    assert (stamps[1].sequence, stamps[5].sequence) == (0, 0)
    assert stamps[5].epoch > stamps[1].epoch


def test_a_lone_seal_waits_for_what_is_before_it():
    """It has no sequence, so it goes alone, and breaks the chain."""
    p = b"p" * 16
    answers = placed(
        request(producer=p),
        request(producer=p, sequence=1, count=0),
        request(producer=p, sequence=1),
    )
    assert [along for _, along in answers] == [False, False, False]
    assert answers[1][0] is None


def test_the_window_holds_back():
    """It lets in by count and bytes, one larger item alone, and tells when it is empty."""

    async def scenario():
        window = Window(2, 10)
        await window.enter(99)
        waiting = asyncio.create_task(window.enter(1))
        await asyncio.sleep(0)
        assert not waiting.done()
        window.leave(99)
        await waiting
        await window.enter(9)
        full = asyncio.create_task(window.enter(0))
        await asyncio.sleep(0)
        assert not full.done()
        window.leave(1)
        await full
        empty = asyncio.create_task(window.empty())
        window.leave(9)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not empty.done()
        window.leave(0)
        await empty

    asyncio.run(scenario())


@given(st.lists(st.binary(max_size=40)), st.integers(1, 30))
def test_chunks_are_the_same_bytes(pieces, size):
    """Any pieces come out in chunks of exactly the size, and the rest is shorter."""
    chunks = Chunks(size)
    out = [bytes(chunk) for piece in pieces for chunk in chunks.cut(piece)]
    rest = chunks.rest()
    assert {len(chunk) for chunk in out} <= {size}
    assert len(rest) < size
    assert b"".join(out) + rest == b"".join(pieces)


def answer(offset, data, end, sealed=False, stream_id=7):
    after = offset + len(data)
    return ReadAnswer(
        StreamId(stream_id), offset, ReadData(data), 0, b"", b"", 0, after, 0, end, sealed
    )


class ReadDriver:
    """Answers reads one after the other from a list; an exception in it is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.seen = []
        self.forgotten = 0

    def call(self, command):
        return asyncio.ensure_future(self._call(command))

    async def _call(self, command):
        self.seen.append(command)
        if not self.answers:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                self.forgotten += 1
                raise
        item = self.answers.pop(0)
        if isinstance(item, Exception):
            raise item
        return item


def first_read(limit=None):
    return Read("s", StreamId(0), AtOffset(0), limit, 100, False, False)


def read_all(driver, limit=None, follow=False, count=-1):
    """The data of the first ``count`` answers of a read (all: -1)."""

    async def scenario():
        found, noise = [], []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
        async with aclosing(read_ahead(driver, first_read(limit), follow=follow)) as answers:
            async for item in answers:
                found.append(item.data)
                await asyncio.sleep(0)
                if len(found) == count:
                    break
        await asyncio.sleep(0)  # what was cancelled ends
        assert len(asyncio.all_tasks()) == 1
        gc.collect()
        assert noise == []
        return found

    return asyncio.run(scenario())


def test_a_read_ends_at_the_end_it_met_first():
    """What is appended while it reads does not make it longer."""
    driver = ReadDriver(answer(0, b"ab", 5), answer(2, b"cde", 50), answer(5, b"no", 50))
    assert read_all(driver) == [b"ab", b"cde"]
    assert [command.limit for command in driver.seen] == [None, 5]
    assert driver.seen[1].start == AtOffset(2)
    assert driver.seen[1].stream_id == 7


def test_a_limit_is_kept():
    """A limit below the end, and one beyond it."""
    assert read_all(ReadDriver(answer(0, b"ab", 5)), limit=2) == [b"ab"]
    driver = ReadDriver(answer(0, b"ab", 5), answer(2, b"cde", 9))
    assert read_all(driver, limit=8) == [b"ab", b"cde"]


def test_nothing_there_is_one_empty_answer():
    """A read at the end is answered once."""
    assert read_all(ReadDriver(answer(0, b"", 0))) == [b""]


def test_following_waits_from_the_second_question_on():
    """The first answer comes at once, even an empty one; then the driver is asked to wait."""
    driver = ReadDriver(answer(0, b"", 0), answer(0, b"ab", 2), answer(2, b"", 2, sealed=True))
    assert read_all(driver, follow=True) == [b"", b"ab", b""]
    assert [command.wait for command in driver.seen] == [False, True, True]


def test_one_answer_is_fetched_ahead_and_forgotten():
    """A reader that does not go on has one question open; when it leaves, that is withdrawn."""
    driver = ReadDriver(answer(0, b"ab", 9))
    assert read_all(driver, count=1) == [b"ab"]
    assert len(driver.seen) == 2
    assert driver.forgotten == 1


def test_a_failed_question_ahead_is_no_noise():
    """An answer that failed while the reader left is not reported by asyncio."""
    driver = ReadDriver(answer(0, b"ab", 9), ShuttingDownError("x"))
    assert read_all(driver, count=1) == [b"ab"]


def test_a_stream_deleted_while_it_is_read():
    """The error says so."""
    driver = ReadDriver(answer(0, b"ab", 9), StreamNotFoundError("there is no stream 's'"))
    with pytest.raises(StreamNotFoundError, match="'s' was deleted"):
        read_all(driver)


def test_a_drain_comes_in_stages():
    """Each call is ended at its stage; one that begins later is ended at once; idle is told."""

    async def scenario():
        drain, ended = Drain(), []
        release = asyncio.Event()

        async def call(stage):
            with drain.open_call(), drain.ended_by(lambda: ended.append(stage), stage):
                await release.wait()

        calls = [asyncio.create_task(call(stage)) for stage in Stage]
        await asyncio.sleep(0)
        drain.reach(Stage.BEGIN)
        assert ended == [Stage.BEGIN]
        late = asyncio.create_task(call(Stage.BEGIN))
        await asyncio.sleep(0)
        assert ended == [Stage.BEGIN, Stage.BEGIN]
        drain.reach(Stage.LAST)
        drain.reach(Stage.CUT)
        assert ended[2:] == [Stage.LAST, Stage.CUT]
        await drain.idle(0)
        release.set()
        await drain.idle(30)
        assert all(task.done() for task in [*calls, late])

    asyncio.run(scenario())
