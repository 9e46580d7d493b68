"""``goutube.v1.StreamService/Append``: batches in, one answer each, in order."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from typing import Final

from goutube.api import codecs, methods
from goutube.errors import GoutubeError
from goutube.limits import MIB
from goutube.model import AppendResult, Batch, ProducerStamp, StreamId
from goutube.node import Append, Result
from goutube.observe import Metrics
from goutube.server.batches import PRODUCER_ID_BYTES, check_request, refused_batch
from goutube.server.boundary import Context, Method, not_a_message
from goutube.server.drain import Drain, Stage, shutting_down
from goutube.server.options import Driver
from goutube.server.window import Window

CALL_BATCHES_MAX: Final = 256
CALL_BYTES_MAX: Final = 32 * MIB
INLINE_CHECK_BYTES_MAX: Final = MIB
"""A larger batch is checked on a thread: the event loop has others to serve."""


class AppendService:
    """The Append method."""

    def __init__(
        self, driver: Driver, drain: Drain, metrics: Metrics, record_bytes_max: int
    ) -> None:
        self._driver = driver
        self._drain = drain
        self._metrics = metrics
        self._record_bytes_max = record_bytes_max

    def methods(self) -> list[Method]:
        """What to serve."""
        return [
            Method(
                methods.APPEND,
                self._append,
                requests_stream=True,
                answers_stream=True,
                stage=Stage.CUT,
            )
        ]

    async def _append(self, _message: bytes, context: Context) -> None:
        call = _AppendCall(self._driver, self._metrics, self._record_bytes_max, context)
        with self._drain.ended_by(call.close, Stage.BEGIN):
            await call.run()


class Order:
    """Which batch of a call may be under way together with those before it.

    What stands behind a refused batch must not be appended. So a batch goes along only where the
    node refuses it if it refused the one before: the next in sequence of the same producer on the
    same stream. From its second batch on, a run of batches without a producer gets one made for the
    call; a single one costs the stream no memory of a producer.
    """

    __slots__ = ("_next", "_own_epoch", "_own_id", "_own_sequence", "_stream", "_unstamped")

    def __init__(self) -> None:
        self._stream: tuple[str, int] | None = None
        self._next: tuple[bytes, int, int] | None = None
        self._own_id = b""
        self._own_epoch = 0
        self._own_sequence = 0
        self._unstamped = False

    def place(self, request: codecs.AppendRequest) -> tuple[ProducerStamp | None, bool]:
        """The stamp of the call's next batch, and whether it may go along with those before it."""
        stream = (request.stream, request.stream_id)
        same = stream == self._stream
        if not same:
            self._stream = stream
            self._unstamped = False
            self._next = None
        stamp = self._stamp(request)
        if stamp is None:
            self._next = None
            return None, False
        follows = stamp == self._next
        self._next = (stamp.producer_id, stamp.epoch, stamp.sequence + request.record_count)
        return stamp, follows

    def _stamp(self, request: codecs.AppendRequest) -> ProducerStamp | None:
        if not request.record_count:
            return None
        if request.producer_id:
            self._unstamped = False
            return ProducerStamp(request.producer_id, request.producer_epoch, request.sequence)
        if not self._unstamped:
            # A run begins; if it goes on, it goes on in an epoch of its own, from sequence 0.
            self._unstamped = True
            self._own_id = self._own_id or secrets.token_bytes(PRODUCER_ID_BYTES)
            self._own_epoch += 1
            self._own_sequence = 0
            return None
        stamp = ProducerStamp(self._own_id, self._own_epoch, self._own_sequence)
        self._own_sequence += request.record_count
        return stamp


class _Bell:
    """Wakes the one task that waits for something to happen."""

    __slots__ = ("_hung",)

    def __init__(self) -> None:
        self._hung: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake it, if it waits."""
        hung = self._hung
        if hung is not None:
            self._hung = None
            if not hung.done():
                hung.set_result(None)

    def hang(self) -> asyncio.Future[None]:
        """What to wait for."""
        self._hung = hung = asyncio.get_running_loop().create_future()
        return hung


class _Pending:
    """A batch under way, and its answer once there is one."""

    __slots__ = ("_bell", "answered", "began", "cost", "error", "number", "result")

    def __init__(self, number: int, cost: int, began: float, bell: _Bell) -> None:
        self.number = number
        self.cost = cost
        self.began = began
        self.answered = False
        self.result: Result = None
        self.error: GoutubeError | None = None
        self._bell = bell

    def answer(self, result: Result, error: GoutubeError | None) -> None:
        """Take in what became of it."""
        self.answered, self.result, self.error = True, result, error
        self._bell.ring()

    def message(self) -> bytes:
        """The answer's bytes.

        Raises:
            GoutubeError: the batch was refused.
        """
        if self.error is not None:
            raise self.error
        result = self.result
        assert isinstance(result, AppendResult)
        return codecs.encode_append_response(
            self.number, result.offset, result.next_offset, result.stream_id, result.duplicate
        )


class _AppendCall:
    """One call: a reader that submits batches, and the answers given in the same order."""

    def __init__(
        self, driver: Driver, metrics: Metrics, record_bytes_max: int, context: Context
    ) -> None:
        self._driver = driver
        self._metrics = metrics
        self._record_bytes_max = record_bytes_max
        self._context = context
        self._window = Window(CALL_BATCHES_MAX, CALL_BYTES_MAX)
        self._order = Order()
        self._pending: deque[_Pending] = deque()
        self._end: GoutubeError | None = None
        """Why no further batch is taken, unless the client has nothing more."""
        self._bell = _Bell()
        self._reader: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve the call until the client has nothing more, or a batch is refused.

        Raises:
            GoutubeError: what the first refused batch met.
        """
        self._reader = reader = asyncio.create_task(self._read())
        reader.add_done_callback(lambda _: self._bell.ring())
        pending, write = self._pending, self._context.write
        observe = self._metrics.append_seconds.observe
        try:
            while True:
                while pending and pending[0].answered:
                    item = pending[0]
                    message = item.message()
                    observe(time.perf_counter() - item.began)
                    await write(message)
                    self._window.leave(item.cost)
                    pending.popleft()
                if not pending and (self._end is not None or reader.done()):
                    break
                await self._bell.hang()
            if self._end is not None:
                raise self._end
            await reader
        finally:
            # Nobody will be told about what is under way; it may be committed all the same.
            self._pending.clear()
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    def close(self) -> None:
        """Take no further batch; answer those that are under way, then end the call."""
        reader = self._reader
        if reader is None or not reader.done():
            self._end = self._end or shutting_down()
        if reader is not None:
            reader.cancel()

    async def _read(self) -> None:
        try:
            # As next_message does it, but without a frame of its own for each batch.
            while isinstance(message := await self._context.read(), bytes):
                await self._submit(message)
        except GoutubeError as error:
            self._end = error

    async def _submit(self, message: bytes) -> None:
        began = time.perf_counter()
        request = codecs.decode_append_request(message)
        if request is None:
            raise not_a_message("goutube.v1.AppendRequest", message)
        check_request(request, self._record_bytes_max)
        batch: Batch | None = None
        if request.record_count:
            batch = Batch(
                request.record_count,
                request.flags,
                request.tables,
                request.data,
                request.checksum,
            )
            if len(batch.data) <= INLINE_CHECK_BYTES_MAX:
                verdict = codecs.check_batch(*batch)
            else:
                loop = asyncio.get_running_loop()
                verdict = await loop.run_in_executor(None, codecs.check_batch, *batch)
            if verdict != codecs.VERDICT_OK:
                raise refused_batch(verdict, request)
        stamp, along = self._order.place(request)
        if not along and self._window.count:
            await self._window.empty()
        cost = len(message)
        if not self._window.take(cost):
            await self._window.enter(cost)
        command = Append(
            request.stream,
            StreamId(request.stream_id),
            batch,
            request.expected_offset,
            stamp,
            request.producer_time_ms,
            request.seal,
        )
        item = _Pending(request.request, cost, began, self._bell)
        if not self._driver.begin(command, item.answer):
            await self._driver.begin_later(command, item.answer)
        self._pending.append(item)
