"""The asyncio producer: the same as ``producer`` on an event loop, with two tasks for threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable
from types import TracebackType
from typing import Protocol, Self, TypeAlias
from weakref import WeakSet

import grpc.aio

from goutube.api import methods
from goutube.client import requests
from goutube.client.channels import Channels, is_cancelled
from goutube.client.producing import make_gatherer
from goutube.client.sent import AsyncSentRecord, SentGroup
from goutube.client.transport import IDLE_CALL_S, closed_error, error_of, now_ms, reached_server
from goutube.errors import DeadlineExceededError, GoutubeError, UnavailableError
from goutube.limits import MIB, PRODUCER_WINDOW_BATCHES
from goutube.routing import Gatherer, ProducerOptions, check_record, retold

_Call: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"
_StreamStream: TypeAlias = "grpc.aio.StreamStreamMultiCallable[bytes, bytes]"


class AsyncProducer:
    """``Producer`` for asyncio; made by ``AsyncClient.producer``.

    ``await send(...)`` waits only while the buffer is full. If that is cancelled, the record is not
    sent; if the wait for a handle is cancelled, the record goes on. Belongs to one event loop.
    """

    def __init__(self, gatherer: Gatherer[SentGroup], channels: Channels) -> None:
        gatherer.group.tell()  # nothing was sent yet: there is nothing to wait for
        self._gatherer = gatherer
        self._session = gatherer.session
        self._add = gatherer.builder.add
        self._channels = channels
        self._due = asyncio.Event()
        """Set when there may be something to send."""
        self._room = asyncio.Event()
        """Set when batches have ended; whoever waits clears it first."""
        self._task: asyncio.Task[None] | None = None
        self._call: _Call | None = None
        self._call_number = 0
        self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.close()
        except GoutubeError:
            if error is None:
                raise

    async def send(self, record: bytes) -> AsyncSentRecord:
        """Give a record to the next batch, as ``Producer.send`` does."""
        number = self._add(record)
        if number < 0:
            number = await self._add_slowly(record)
        return AsyncSentRecord(self._gatherer.group, number)

    async def send_many(
        self, records: Iterable[bytes] | AsyncIterable[bytes]
    ) -> list[AsyncSentRecord]:
        """``send`` for each of several records, as ``Producer.send_many`` does."""
        if isinstance(records, AsyncIterable):
            return [await self.send(record) async for record in records]
        sent: list[AsyncSentRecord] = []
        for record in records:
            number = self._add(record)
            if number < 0:
                number = await self._add_slowly(record)
            sent.append(AsyncSentRecord(self._gatherer.group, number))
        return sent

    async def flush(self, timeout_s: float | None = None) -> None:
        """Wait until all that was sent is committed, as ``Producer.flush`` does."""
        self._gatherer.flush()
        self._due.set()
        last = self._gatherer.group  # batches end in order
        try:
            async with asyncio.timeout(timeout_s):
                while not last.ended:
                    await self._change()
        except TimeoutError:
            raise DeadlineExceededError(
                f"not all records were acknowledged within {timeout_s} s; they are still under way"
            ) from None
        self._check()

    async def close(self) -> None:
        """``flush``, then take no more records, as ``Producer.close`` does."""
        if self._closing and self._task is None:
            return
        self._closing = True
        try:
            await self.flush()
        finally:
            self._due.set()
            if self._task is not None:
                await asyncio.wait([self._task])

    async def abort(self) -> None:
        """The client is closed: nothing is sent any more, what is under way fails."""
        self._closing = True
        self._gatherer.fail(closed_error())
        self._hang_up()
        self._tell()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # -- the sender's side --------------------------------------------------------------------

    async def _add_slowly(self, record: bytes) -> int:
        """Add a record that the open batch did not take, to the next one."""
        content = check_record(record)
        await asyncio.sleep(0)  # a full batch: those who send it get their turn
        while True:
            number = self._add(content)
            if number >= 0:
                return number
            self._check()
            if self._closing:
                raise UnavailableError("the producer is closed; make another one")
            if self._task is None:
                self._task = asyncio.create_task(self._serve())
            self._gatherer.close_group(now_ms())
            opened = self._gatherer.open_group(now_ms())
            self._due.set()
            if not opened:
                await self._change()

    async def _change(self) -> None:
        self._room.clear()
        await self._room.wait()

    def _check(self) -> None:
        if self._session.failure is not None:
            raise retold(self._session.failure, "the producer has ended")

    # -- the tasks' side ----------------------------------------------------------------------

    async def _serve(self) -> None:
        """Keep a call open while there is something to send."""
        while not self._gatherer.quiet:
            self._session.opened()
            self._call_number += 1
            wait_ms = await self._converse(self._call_number)
            self._tell()
            if wait_ms:
                await asyncio.sleep(wait_ms / 1000)
        self._task = None

    async def _converse(self, number: int) -> int:
        """Hold one call from its beginning to its end; how long to wait before the next one."""
        error: GoutubeError = UnavailableError("the server ended the append call")
        received, address = True, ""
        writer: asyncio.Task[None] | None = None
        try:
            address, channel = self._channels.channel()
            start: _StreamStream = channel.stream_stream(methods.APPEND)
            self._call = call = start()
            writer = asyncio.create_task(self._write(call, number))
            async for message in call:
                self._hear(number, message)
                self._tell()
        except grpc.aio.AioRpcError as failure:
            error, received = error_of(failure, address), reached_server(failure)
        except GoutubeError as fault:
            error = fault
        except asyncio.CancelledError:
            if is_cancelled():
                raise  # the client is closed; else the call was hung up
        finally:
            self._hang_up()
            if writer is not None:
                writer.cancel()
                await asyncio.wait([writer])
        if self._session.idle:
            return 0
        self._channels.failed(address, error)
        if self._gatherer.expire(now_ms()):
            return 0
        return self._session.ended(error, received=received)

    async def _write(self, call: _Call, number: int) -> None:
        """Send on one call until nothing more goes on it."""
        try:
            while (message := await self._next_message(number)) is not None:
                await call.write(message)
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the reader learns of it, and of the reason

    async def _next_message(self, number: int) -> bytes | None:
        """The next batch as soon as it is due; None when nothing more goes on this call."""
        while self._call_number == number:
            now = now_ms()
            if self._gatherer.expire(now):
                self._hang_up()
                break
            parcel = self._gatherer.next_parcel(now)
            if parcel is not None:
                return requests.append_message(self._session, parcel)
            wait_ms = self._gatherer.wait_ms(now)
            rung = await self._ring(IDLE_CALL_S if wait_ms is None else max(1, wait_ms) / 1000)
            if self._gatherer.quiet and (self._closing or not rung):
                break
        return None

    async def _ring(self, timeout_s: float) -> bool:
        """Wait until there may be something to send; False if nothing rang in time."""
        self._due.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._due.wait()
        except TimeoutError:
            return False
        return True

    def _hear(self, number: int, message: bytes) -> None:
        request, result = requests.append_answer(message)
        if self._call_number == number:
            self._session.answered(request, result, now_ms())
            self._due.set()

    def _hang_up(self) -> None:
        """Send nothing more on this call, and hear nothing more from it."""
        self._call_number += 1
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        self._due.set()

    def _tell(self) -> None:
        """Tell those who wait what has ended."""
        for group in self._gatherer.take_ended():
            group.tell()
        self._room.set()


class AsyncProduces(Protocol):
    """What ``AsyncProducers`` needs of its client."""

    _channels: Channels
    _producers: WeakSet[AsyncProducer]

    def _budget(self, timeout_s: float | None) -> int:
        """A caller's timeout in milliseconds."""


class AsyncProducers:
    """What makes an asyncio client make producers."""

    def producer(
        self: AsyncProduces,
        stream: str,
        *,
        name: str | None = None,
        linger_ms: float = 5.0,
        batch_bytes: int = MIB,
        buffer_bytes: int = 32 * MIB,
        in_flight: int = PRODUCER_WINDOW_BATCHES,
        timeout_s: float | None = None,
    ) -> AsyncProducer:
        """Make a producer, as ``Client.producer`` does."""
        options = ProducerOptions(linger_ms, batch_bytes, buffer_bytes, in_flight)
        gatherer = make_gatherer(stream, name, options, self._budget(timeout_s))
        producer = AsyncProducer(gatherer, self._channels)
        self._producers.add(producer)
        return producer
