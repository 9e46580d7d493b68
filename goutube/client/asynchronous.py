"""The asyncio client, on grpc.aio."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import Self, TypeAlias, TypeVar
from weakref import WeakSet

import grpc.aio

from goutube.api import codecs, methods
from goutube.client import feed, requests
from goutube.client.async_lane import AsyncLane, AsyncWaiting
from goutube.client.async_producer import AsyncProducer, AsyncProducers
from goutube.client.async_reading import BeginAnswers, Reading
from goutube.client.channels import Channels, is_cancelled
from goutube.client.cluster_calls import AsyncClusterCalls
from goutube.client.download import AsyncDownloads
from goutube.client.record_batches import AsyncRecordBatches
from goutube.client.requests import Place
from goutube.client.transport import (
    OPEN_CALLS_MAX,
    blames_server,
    budget_ms,
    closed_error,
    error_of,
    now_ms,
    reached_server,
)
from goutube.errors import GoutubeError, UsageError
from goutube.model import AppendResult, Record, StreamInfo, StreamProperties
from goutube.routing import (
    Attempts,
    ProducerSession,
    ReadCursor,
    ReadWish,
    choose_start,
    parse_addresses,
)

_Value = TypeVar("_Value")
_UnaryUnary: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
_UnaryStream: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"


class AsyncClient(AsyncClusterCalls, AsyncDownloads, AsyncProducers, AsyncRecordBatches):
    """``Client`` for asyncio; made by ``goutube.aio.connect``.

    Methods have the arguments, results and errors of the synchronous client's; those that wait are
    coroutines, those that iterate give asynchronous generators. A cancelled append may still be
    committed. A client belongs to the event loop on which it is first used.
    """

    def __init__(self, addresses: tuple[str, ...], timeout_s: float) -> None:
        self._budget_ms = budget_ms(timeout_s)
        self._channels = Channels(addresses)
        self._lanes: OrderedDict[str, AsyncLane] = OrderedDict()
        self._producers: WeakSet[AsyncProducer] = WeakSet()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End what is under way and close the connections; closing twice is fine."""
        lanes = list(self._lanes.values())
        self._lanes.clear()
        self._channels.closed = True
        for lane in lanes:
            await lane.close()
        for producer in list(self._producers):
            await producer.abort()
        await self._channels.close()

    # -- appending ----------------------------------------------------------------------------

    async def append(
        self,
        name: str,
        data: feed.Content | None = None,
        *,
        records: Iterable[bytes] | AsyncIterable[bytes] | None = None,
        expected_offset: int | None = None,
        stream_id: int | None = None,
        seal: bool = False,
        timeout_s: float | None = None,
    ) -> AppendResult:
        """Append to a stream, as ``Client.append`` does; ``records`` may be an async iterable.

        A file is read on a thread.
        """
        requests.check_append(name, data, records, expected_offset, stream_id)
        waiting = AsyncWaiting(expected_offset, stream_id or 0, self._budget(timeout_s))
        if records is not None:
            async with aclosing(feed.checked_async(records)) as checked:
                return await self._lane(name).append_records(waiting, checked, seal=seal)
        content = feed.content_of(data)
        if isinstance(content, feed.FileRecords):
            async with aclosing(feed.read_async(content)) as pieces:
                return await self._lane(name).append_records(waiting, pieces, seal=seal)
        return await self._lane(name).append(waiting, feed.batches_of(content), seal=seal)

    def _lane(self, name: str) -> AsyncLane:
        lane = self._lanes.get(name)
        if lane is not None:
            self._lanes.move_to_end(name)
            return lane
        if self._channels.closed:
            raise closed_error()
        session = ProducerSession(
            name, lambda: secrets.token_bytes(16), requests.join, random.random
        )
        lane = self._lanes[name] = AsyncLane(session, self._channels)
        surplus = max(0, len(self._lanes) - OPEN_CALLS_MAX)
        idle = [other for other, old in self._lanes.items() if old.idle and old is not lane]
        for other in idle[:surplus]:
            self._lanes.pop(other).retire()
        return lane

    # -- reading ------------------------------------------------------------------------------

    def read(  # noqa: PLR0913 - one parameter per choice, all but two by name
        self,
        name: str,
        offset: Place = 0,
        *,
        limit: int | None = None,
        follow: bool = False,
        timestamp_ms: int | None = None,
        last_bytes: int | None = None,
        last_records: int | None = None,
        stream_id: int | None = None,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Read a stream's bytes, as ``Client.read`` does.

        A wait for the next chunk may be cancelled; the next one goes on at the very next byte.
        """
        start = choose_start(offset, timestamp_ms, last_bytes, last_records)
        wish = requests.wish(name, start, limit, stream_id, records=False, follow=follow)
        return Reading(self._begin(wish, timeout_s), lambda answer: (bytes(answer.data),))

    def records(  # noqa: PLR0913 - one parameter per choice, all but two by name
        self,
        name: str,
        offset: Place = 0,
        *,
        limit: int | None = None,
        follow: bool = False,
        timestamp_ms: int | None = None,
        last_bytes: int | None = None,
        last_records: int | None = None,
        stream_id: int | None = None,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Record, None]:
        """Read a stream record by record, as ``Client.records`` does."""
        start = choose_start(offset, timestamp_ms, last_bytes, last_records)
        wish = requests.wish(name, start, limit, stream_id, records=True, follow=follow)
        return Reading(self._begin(wish, timeout_s), requests.records_of)

    def _begin(self, wish: ReadWish, timeout_s: float | None) -> BeginAnswers[codecs.ReadResponse]:
        """What begins a read's calls, the first one and any other, from where its cursor stands."""
        return partial(self._answers, ReadCursor(wish, codecs.crc32c), self._budget(timeout_s))

    async def _answers(
        self, cursor: ReadCursor, budget: int
    ) -> AsyncGenerator[codecs.ReadResponse, None]:
        attempts = self._attempts(budget)
        while not cursor.finished:
            address, channel = self._channels.channel()
            wish = cursor.wish()
            timeout_s = None if wish.follow else attempts.timeout_ms(now_ms()) / 1000
            start: _UnaryStream = channel.unary_stream(methods.READ)
            call = start(requests.read_message(wish), timeout=timeout_s)
            try:
                async for message in call:
                    answer = requests.read_answer(message)
                    if not cursor.accept(answer):
                        break
                    if answer.data:
                        yield answer
                    attempts.progressed(now_ms())
                    if answer.end_of_stream:
                        return
                else:
                    return
            except grpc.aio.AioRpcError as failure:
                await self._pause(attempts, error_of(failure, address), address)
            except asyncio.CancelledError:
                self._tell_closed()
            finally:
                call.cancel()

    # -- streams ------------------------------------------------------------------------------

    async def stat(self, name: str) -> StreamInfo:
        """Describe a stream as of now, as ``Client.stat`` does."""
        return await self._ask(requests.describe(name))

    async def create(
        self,
        name: str,
        *,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        retention_bytes: int | None = None,
        retention_ms: int | None = None,
    ) -> StreamInfo:
        """Make an empty stream with properties, as ``Client.create`` does."""
        properties = StreamProperties(content_type, metadata or {}, retention_bytes, retention_ms)
        return await self._ask(requests.create(name, properties))

    async def change(
        self,
        name: str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        retention_bytes: requests.Bound = None,
        retention_ms: requests.Bound = None,
    ) -> StreamInfo:
        """Set a stream's properties, as ``Client.change`` does."""
        info = await self.stat(name)
        return await self._ask(
            requests.change(info, content_type, metadata, retention_bytes, retention_ms)
        )

    async def list(self, prefix: str = "") -> AsyncGenerator[StreamInfo, None]:
        """Describe all streams whose names begin with ``prefix``, as ``Client.list`` does."""
        token = ""
        while True:
            infos, token = await self._ask(requests.list_page(prefix, token))
            for info in infos:
                yield info
            if not token:
                return

    async def seal(self, name: str, *, stream_id: int | None = None) -> StreamInfo:
        """End a stream, as ``Client.seal`` does."""
        return await self._ask(requests.seal(name, stream_id or 0))

    async def trim(self, name: str, before: int, *, stream_id: int | None = None) -> StreamInfo:
        """Drop the bytes before an offset, as ``Client.trim`` does."""
        return await self._ask(requests.trim(name, before, stream_id or 0))

    async def delete(self, name: str, *, stream_id: int | None = None) -> None:
        """Remove a stream, as ``Client.delete`` does."""
        known = stream_id or (await self.stat(name)).stream_id
        await self._ask(requests.delete(name, known))

    # -- inside -------------------------------------------------------------------------------

    async def _ask(self, unary: requests.Unary[_Value]) -> _Value:
        attempts = self._attempts(max(self._budget_ms, unary.budget_ms_min))
        lost = False
        while True:
            address, channel = self._channels.channel()
            timeout_s = attempts.timeout_ms(now_ms()) / 1000
            try:
                call: _UnaryUnary = channel.unary_unary(unary.path)
                return unary.read(await call(unary.request, timeout=timeout_s))
            except grpc.aio.AioRpcError as failure:
                error = error_of(failure, address)
                if lost and unary.after_lost is not None and isinstance(error, UsageError):
                    return unary.after_lost(error)
                lost = lost or (blames_server(error) and reached_server(failure))
            except asyncio.CancelledError:
                self._tell_closed()
                raise
            await self._pause(attempts, error, address)

    def _attempts(self, budget: int) -> Attempts:
        return Attempts(budget, now_ms(), random.random, len(self._channels.addresses))

    async def _pause(self, attempts: Attempts, error: GoutubeError, address: str) -> None:
        """Wait before another try.

        Raises:
            GoutubeError: another try is of no use or comes too late.
        """
        self._channels.failed(address, error)
        await asyncio.sleep(attempts.failed(error, now_ms()) / 1000)

    def _tell_closed(self) -> None:
        """What to raise when gRPC says "cancelled".

        Raises:
            UnavailableError: the client was closed, and nobody cancelled this task.
            asyncio.CancelledError: somebody did.
        """
        if self._channels.closed and not is_cancelled():
            raise closed_error()
        raise asyncio.CancelledError

    def _budget(self, timeout_s: float | None) -> int:
        return self._budget_ms if timeout_s is None else budget_ms(timeout_s)


def connect(*addresses: str | Iterable[str], timeout_s: float = 30.0) -> AsyncClient:
    """Make an asyncio client; the server is asked with the first call, not before.

    Args:
        addresses: ``HOST:PORT`` of any nodes of one cluster: one text with commas, a list, or
            several arguments. None at all means ``127.0.0.1:7373``.
        timeout_s: seconds without progress after which a call gives up.

    Raises:
        InvalidArgumentError: an address or the timeout is not allowed.
    """
    return AsyncClient(parse_addresses(addresses), timeout_s)
