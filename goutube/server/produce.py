"""``streaming.v1.Streaming/ProduceStream``: frames in, one record for each stream at the end."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from goutube.api import codecs, streaming_pb2
from goutube.errors import GoutubeError, InvalidArgumentError
from goutube.limits import MIB
from goutube.model import AppendResult, Batch, ProducerStamp
from goutube.node import ANY_STREAM, Append, Result
from goutube.observe import Metrics
from goutube.server.batches import PRODUCER_ID_BYTES, too_large
from goutube.server.boundary import Context, next_message, not_a_message
from goutube.server.drain import shutting_down
from goutube.server.options import Driver
from goutube.server.window import Window

CALL_FRAMES_MAX: Final = 256
CALL_BYTES_MAX: Final = 8 * MIB
CALL_STREAMS_MAX: Final = 1 << 16
LANE_BATCHES_MAX: Final = 4
"""Batches of one stream under way; the frames that come meanwhile are joined into the next."""
JOINED_BYTES_MAX: Final = MIB


class _Lane:
    """One stream of a call."""

    __slots__ = ("batch_count", "frames", "name", "offset", "sequence")

    def __init__(self, name: str) -> None:
        self.name = name
        self.frames: list[memoryview] = []
        self.batch_count = 0
        self.sequence = 0
        self.offset = 0
        """Where the last committed frame begins."""


class ProduceCall:
    """One call: each of its streams is a lane, and the call is an idempotent producer."""

    def __init__(
        self, driver: Driver, metrics: Metrics, record_bytes_max: int, context: Context
    ) -> None:
        self._driver = driver
        self._metrics = metrics
        self._record_bytes_max = record_bytes_max
        self._context = context
        self._producer_id = secrets.token_bytes(PRODUCER_ID_BYTES)
        self._window = Window(CALL_FRAMES_MAX, CALL_BYTES_MAX)
        self._lanes: dict[str, _Lane] = {}
        self._appends: set[asyncio.Future[Result]] = set()
        self._reader: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._frame_count = 0
        self._committed_count = 0

    async def run(self) -> bytes:
        """Append every frame and return the answer.

        Raises:
            GoutubeError: what the first refused frame met; the message says how many are committed.
        """
        self._reader = reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait([reader])
            if not reader.cancelled() and (error := reader.exception()) is not None:
                self._fail(error)
            while self._appends:
                await asyncio.wait(self._appends)
        except asyncio.CancelledError as error:
            self._fail(error)
            for future in self._appends:
                future.cancel()
            await asyncio.gather(reader, *self._appends, return_exceptions=True)
            raise
        if self._error is not None:
            raise self._told(self._error)
        records = [
            streaming_pb2.Record(point=lane.name, offset=lane.offset)
            for lane in self._lanes.values()
        ]
        return streaming_pb2.ProduceResponse(records=records).SerializeToString()

    def close(self) -> None:
        """Take no further frame; the call fails once those under way are settled."""
        self._fail(shutting_down())

    async def _read(self) -> None:
        while (message := await next_message(self._context)) is not None:
            decoded = codecs.decode_produce_request(message)
            if decoded is None:
                raise not_a_message("streaming.v1.ProduceRequest", message)
            name, frame = decoded
            self._frame_count += 1
            if len(frame) > self._record_bytes_max:
                raise too_large(self._frame_count, len(frame), self._record_bytes_max, "frame")
            lane = self._lanes.get(name) or self._open(name)
            await self._window.enter(len(frame))
            lane.frames.append(frame)
            self._flush(lane)

    def _open(self, name: str) -> _Lane:
        if len(self._lanes) >= CALL_STREAMS_MAX:
            raise InvalidArgumentError(
                f"the call has frames for more than {CALL_STREAMS_MAX} streams; use several calls"
            )
        lane = self._lanes[name] = _Lane(name)
        return lane

    def _flush(self, lane: _Lane) -> None:
        """Submit the frames of a lane, as many batches as may be under way."""
        while lane.frames and lane.batch_count < LANE_BATCHES_MAX and self._error is None:
            frames = _take(lane.frames)
            stamp = None
            if len(frames[0]):
                stamp = ProducerStamp(self._producer_id, 0, lane.sequence)
                lane.sequence += len(frames)
            batch = _batch(frames)
            command = Append(lane.name, ANY_STREAM, batch, None, stamp, 0, seal=False)
            future = self._driver.call(command)
            self._appends.add(future)
            lane.batch_count += 1
            future.add_done_callback(partial(self._landed, lane, frames, time.perf_counter()))

    def _landed(
        self,
        lane: _Lane,
        frames: Sequence[memoryview],
        began: float,
        future: asyncio.Future[Result],
    ) -> None:
        self._appends.discard(future)
        lane.batch_count -= 1
        for frame in frames:
            self._window.leave(len(frame))
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._fail(error)
            return
        result = future.result()
        assert isinstance(result, AppendResult)
        self._metrics.append_seconds.observe(time.perf_counter() - began)
        self._committed_count += len(frames)
        lane.offset = max(lane.offset, result.next_offset - len(frames[-1]))
        self._flush(lane)

    def _fail(self, error: BaseException) -> None:
        """Keep the first error and stop reading."""
        self._error = self._error or error
        if self._reader is not None:
            self._reader.cancel()

    def _told(self, error: BaseException) -> BaseException:
        """The same error, saying what became of the call's other frames."""
        if not isinstance(error, GoutubeError):
            return error
        told = type(error)(f"{error.message} ({_committed(self._committed_count)})")
        told.fields.update(error.fields, committed_frames=str(self._committed_count))
        return told


def _committed(count: int) -> str:
    match count:
        case 0:
            return "0 frames of this call are committed"
        case 1:
            return "1 frame of this call is committed and stays"
        case _:
            return f"{count} frames of this call are committed and stay"


def _take(frames: list[memoryview]) -> list[memoryview]:
    """Take the frames of the next batch: empty ones, or a run of others up to a size."""
    count, size = 1, len(frames[0])
    while count < len(frames) and (len(frames[count]) > 0) == (size > 0):
        size += len(frames[count])
        if size > JOINED_BYTES_MAX:
            break
        count += 1
    taken = frames[:count]
    del frames[:count]
    return taken


def _batch(frames: list[memoryview]) -> Batch | None:
    """The batch of a run of frames; None for empty ones, which append nothing."""
    if not len(frames[0]):
        return None
    if len(frames) == 1:
        tables, flags, checksum = codecs.build_tables([len(frames[0])], frames[0])
        return Batch(1, flags, tables, frames[0], checksum)
    tables, data, flags, checksum = codecs.join_records(frames)
    return Batch(len(frames), flags, tables, data, checksum)
