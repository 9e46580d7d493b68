"""The asyncio client's appends to one stream: a session, its open call and its task.

The same as ``lane`` on an event loop: whoever appends puts messages into an outbox, one task
writes them to the call, another one reads the answers and opens the next call when one breaks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Iterable
from typing import TypeAlias

import grpc.aio

from goutube.api import methods
from goutube.client import requests
from goutube.client.channels import Channels, is_cancelled
from goutube.client.transport import IDLE_CALL_S, closed_error, error_of, now_ms, reached_server
from goutube.errors import GoutubeError, UnavailableError
from goutube.model import AppendResult, Batch
from goutube.routing import Operation, ProducerSession

_Call: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"
_StreamStream: TypeAlias = "grpc.aio.StreamStreamMultiCallable[bytes, bytes]"


class AsyncWaiting(Operation):
    """An append whose caller waits on a bell; each wait hangs up a new one."""

    __slots__ = ("bell",)

    def __init__(self, expected_offset: int | None, stream_id: int, budget_ms: int) -> None:
        super().__init__(expected_offset, stream_id, budget_ms)
        self.bell: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Have the caller look again, if it waits."""
        if self.bell is not None and not self.bell.done():
            self.bell.set_result(None)


class Outbox:
    """Messages for a call, which one task takes; None ends it. A lighter ``asyncio.Queue``."""

    __slots__ = ("_bell", "messages")

    def __init__(self) -> None:
        self.messages: deque[bytes | None] = deque()
        self._bell: asyncio.Future[None] | None = None

    def put(self, message: bytes | None) -> None:
        """Add a message."""
        self.messages.append(message)
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    def bell(self) -> asyncio.Future[None]:
        """What rings with the next message; hang it up while there is none."""
        self._bell = bell = asyncio.get_running_loop().create_future()
        return bell


class AsyncLane:
    """Appends of any number of tasks to one stream, in one order.

    Args:
        session: numbers and remembers the batches.
        channels: what calls go through.
    """

    def __init__(self, session: ProducerSession, channels: Channels) -> None:
        self._session = session
        self._channels = channels
        self._task: asyncio.Task[None] | None = None
        self._outbox: Outbox | None = None
        self._call: _Call | None = None
        self._callers: set[AsyncWaiting] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_due_ms = 0

    @property
    def idle(self) -> bool:
        """Whether no append is under way."""
        return self._session.idle

    async def append(
        self, waiting: AsyncWaiting, batches: Iterable[tuple[Batch | None, bool]], *, seal: bool
    ) -> AppendResult:
        """Append batches, each with whether it is the last; return when all are committed."""
        try:
            for batch, last in batches:
                now = now_ms()
                self._session.submit(waiting, batch, now, seal=seal and last)
                waiting.complete = last
                self._pump(now)
                if not last:
                    await self._make_room(waiting)
            await self._finish(waiting)
        finally:
            self._leave(waiting)
        return waiting.result()

    async def append_records(
        self, waiting: AsyncWaiting, records: AsyncIterable[bytes], *, seal: bool
    ) -> AppendResult:
        """Append records as they come, in batches that grow while others are under way."""
        try:
            async for record in records:
                now = now_ms()
                self._session.offer(waiting, record, now)
                self._pump(now)
                await self._make_room(waiting)
            now = now_ms()
            self._session.finish(waiting, now, seal=seal)
            self._pump(now)
            await self._finish(waiting)
        finally:
            self._leave(waiting)
        return waiting.result()

    def retire(self) -> None:
        """Close the call if it is idle; a later append opens another one."""
        if self._session.idle and self._outbox is not None:
            self._outbox.put(None)
            self._outbox = None

    async def close(self) -> None:
        """End everything; the channels are closed by now."""
        self._hang_up()
        self._session.close(closed_error())
        self._ring()
        if self._alarm is not None:
            self._alarm.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # -- the caller's side --------------------------------------------------------------------

    def _pump(self, now: int) -> None:
        """Hand to the open call whatever may be sent; have a task open one if there is none."""
        session, outbox = self._session, self._outbox
        if self._task is None and not session.idle:
            self._task = asyncio.create_task(self._serve())
        if outbox is None:
            return
        while (parcel := session.next_parcel(now)) is not None:
            outbox.put(requests.append_message(session, parcel))

    async def _make_room(self, waiting: AsyncWaiting) -> None:
        while self._in_time(waiting) and waiting.crowded:
            await self._bell(waiting)
        if waiting.error is not None:
            raise waiting.error

    async def _finish(self, waiting: AsyncWaiting) -> None:
        """Wait until the outcome is known: a result, a refusal, or that the time is over."""
        while not waiting.done and self._in_time(waiting):
            await self._bell(waiting)

    def _in_time(self, waiting: AsyncWaiting) -> bool:
        """Whether a caller goes on waiting: an append whose time is over is given up.

        One timer has all callers look again. Nearly always an earlier append's is there: one of its
        own would take each append a tenth of its time.
        """
        if waiting.error is not None:
            return False
        now = now_ms()
        left_ms = waiting.left_ms(now)
        if left_ms <= 0:
            self._abandon(waiting)
            return False
        if self._alarm is None or self._alarm_due_ms > now + left_ms:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_due_ms = now + left_ms
            self._alarm = asyncio.get_running_loop().call_later(left_ms / 1000, self._alarmed)
        return True

    def _bell(self, waiting: AsyncWaiting) -> asyncio.Future[None]:
        """What rings when the caller should look again."""
        waiting.bell = bell = asyncio.get_running_loop().create_future()
        self._callers.add(waiting)
        return bell

    def _alarmed(self) -> None:
        self._alarm = None
        for waiting in self._callers:
            waiting.ring()

    def _leave(self, waiting: AsyncWaiting) -> None:
        """The caller goes: with the outcome, or because it was cancelled."""
        self._callers.discard(waiting)
        if not waiting.done:
            self._abandon(waiting)

    def _abandon(self, waiting: AsyncWaiting) -> None:
        if self._session.abandon(waiting):
            self._hang_up()

    def _hang_up(self) -> None:
        """Send nothing more on this call, and hear nothing more from it."""
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.put(None)
        if self._call is not None:
            self._call.cancel()

    # -- the task's side ----------------------------------------------------------------------

    async def _serve(self) -> None:
        """Keep a call open while there is something to send."""
        while not self._session.idle:
            outbox = Outbox()
            self._outbox = outbox
            self._session.opened()
            self._pump(now_ms())
            wait_ms = await self._converse(outbox)
            if wait_ms:
                await asyncio.sleep(wait_ms / 1000)
        self._task = None

    async def _converse(self, outbox: Outbox) -> int:
        """Hold one call from its beginning to its end; how long to wait before the next one."""
        error: GoutubeError = UnavailableError("the server ended the append call")
        received, address = True, ""
        writer: asyncio.Task[None] | None = None
        try:
            address, channel = self._channels.channel()
            start: _StreamStream = channel.stream_stream(methods.APPEND)
            call = self._call = start()
            writer = asyncio.create_task(self._write(call, outbox))
            while isinstance(message := await call.read(), bytes):
                if not self._hear(outbox, message):
                    break
        except grpc.aio.AioRpcError as failure:
            error, received = error_of(failure, address), reached_server(failure)
        except GoutubeError as fault:
            error = fault
        except asyncio.CancelledError:
            if is_cancelled():
                raise  # the client is closed; else the call was hung up
        finally:
            if self._call is not None:
                self._call.cancel()
                self._call = None
            if writer is not None:
                writer.cancel()
                await asyncio.wait([writer])
        return self._hung_up(outbox, address, error, received=received)

    async def _write(self, call: _Call, outbox: Outbox) -> None:
        """Send until nothing has come for a while or the call is hung up."""
        messages = outbox.messages
        loop = asyncio.get_running_loop()
        sent = loop.time()
        watch: asyncio.TimerHandle

        def look() -> None:
            nonlocal watch
            idle_s = loop.time() - sent
            if self._session.idle and idle_s >= IDLE_CALL_S and self._outbox is outbox:
                self._outbox = None
                outbox.put(None)
                return
            watch = loop.call_later(max(0.001, IDLE_CALL_S - idle_s), look)

        watch = loop.call_later(IDLE_CALL_S, look)
        try:
            while True:
                while not messages:
                    await outbox.bell()
                message = messages.popleft()
                if message is None:
                    break
                await call.write(message)
                sent = loop.time()
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the reader learns of it, and of the reason
        finally:
            watch.cancel()

    def _hear(self, outbox: Outbox, message: bytes) -> bool:
        request, result = requests.append_answer(message)
        if self._outbox is not outbox:
            return False
        now = now_ms()
        self._session.answered(request, result, now)
        if not self._session.idle:
            self._pump(now)
        self._ring()
        return True

    def _hung_up(self, outbox: Outbox, address: str, error: GoutubeError, *, received: bool) -> int:
        self._channels.failed(address, error)
        if self._outbox is not outbox:
            return 0
        self._outbox = None
        if self._session.idle:
            return 0
        wait_ms = self._session.ended(error, received=received)
        self._ring()
        return wait_ms

    def _ring(self) -> None:
        for operation in self._session.take_woken():
            if isinstance(operation, AsyncWaiting):
                operation.ring()
