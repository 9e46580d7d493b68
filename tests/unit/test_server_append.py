"""One Append call by hand: what ends it, and what it leaves behind."""

import asyncio
import gc
from contextlib import suppress

import grpc.aio
import pytest

from goutube.errors import StreamSealedError
from goutube.limits import RECORD_BYTES_MAX
from goutube.model import AppendResult
from goutube.observe import Metrics
from goutube.server.append import AppendService
from goutube.server.drain import Drain
from tests.support.wire_client import append_request


class Context:
    """Gives messages, then whatever ``at_end`` is; keeps what is written."""

    def __init__(self, messages, at_end):
        self.messages = list(messages)
        self.at_end = at_end
        self.written = []

    async def read(self):
        await asyncio.sleep(0)
        if self.messages:
            return self.messages.pop(0)
        if isinstance(self.at_end, Exception):
            raise self.at_end
        return self.at_end

    async def write(self, message):
        self.written.append(message)


class Driver:
    """Answers appends from a list: an error is the command's error, None never comes.

    The first ``refused`` appends find no room, and wait for it as long as ``room`` is not set.
    """

    def __init__(self, *answers, refused=0):
        self.answers = list(answers)
        self.refused = refused
        self.room = asyncio.Event()
        self.begun = []

    def begin(self, command, answered):
        if self.refused:
            self.refused -= 1
            return False
        self.begun.append((command, answered))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            answered(None, answer)
        elif answer is not None:
            answered(answer, None)
        return True

    async def begin_later(self, command, answered):
        await self.room.wait()
        self.begin(command, answered)


def serve(context, driver):
    """Run the call; whatever asyncio complained of."""

    async def scenario():
        noise = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: noise.append(told))
        service = AppendService(driver, Drain(), Metrics("t"), RECORD_BYTES_MAX)
        try:
            async with asyncio.timeout(10):
                await service.methods()[0].function(b"", context)
        finally:
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 1
            driver.begun.clear()
            gc.collect()
            assert noise == []

    asyncio.run(scenario())


def requests(count):
    return [append_request("s", b"x", request=n, producer_id=bytes(15) + b"p", sequence=n).SerializeToString()
            for n in range(count)]  # fmt: skip


def test_every_batch_is_answered_before_the_call_ends():
    context = Context(requests(2), grpc.aio.EOF)
    serve(context, Driver(AppendResult(0, 1, 7), AppendResult(1, 2, 7)))
    assert len(context.written) == 2


def test_a_fault_of_the_reader_ends_the_call_behind_what_was_answered():
    context = Context(requests(1), RuntimeError("the connection"))
    with pytest.raises(RuntimeError, match="the connection"):
        serve(context, Driver(AppendResult(0, 1, 7)))
    assert len(context.written) == 1


def test_the_first_refusal_ends_the_call_and_nobody_is_told_of_the_rest():
    """What was under way behind it is let go of, failed or not, and asyncio has no complaint."""
    context = Context(requests(3), grpc.aio.EOF)
    answers = (AppendResult(0, 1, 7), StreamSealedError("sealed"), StreamSealedError("too"))
    with pytest.raises(StreamSealedError, match="sealed"):
        serve(context, Driver(*answers))
    assert len(context.written) == 1


def test_a_cancelled_call_lets_go_of_what_is_under_way():
    context, driver = Context(requests(1), grpc.aio.EOF), Driver(None)

    async def scenario():
        service = AppendService(driver, Drain(), Metrics("t"), RECORD_BYTES_MAX)
        call = asyncio.create_task(service.methods()[0].function(b"", context))
        while not driver.begun:  # noqa: ASYNC110 - fakes have no events
            await asyncio.sleep(0)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call
        assert call.cancelled()
        driver.begun[0][1](AppendResult(0, 1, 7), None)  # nobody listens, nothing happens
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert context.written == []


def test_a_batch_for_which_there_is_no_room_waits_and_keeps_its_place():
    context = Context(requests(3), grpc.aio.EOF)
    driver = Driver(AppendResult(0, 1, 7), AppendResult(1, 2, 7), AppendResult(2, 3, 7), refused=1)

    async def scenario():
        service = AppendService(driver, Drain(), Metrics("t"), RECORD_BYTES_MAX)
        call = asyncio.create_task(service.methods()[0].function(b"", context))
        for _ in range(20):
            await asyncio.sleep(0)
        assert driver.begun == []
        driver.room.set()
        await call

    asyncio.run(scenario())
    assert [command.producer.sequence for command, _ in driver.begun] == [0, 1, 2]
    assert len(context.written) == 3
