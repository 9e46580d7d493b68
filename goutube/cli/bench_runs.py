"""What ``goutube bench`` runs, and how it counts."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack, suppress
from functools import partial
from threading import Event
from typing import Final

from goutube.aio import AsyncClient
from goutube.cli.bench_tables import percentiles, rates
from goutube.cli.output import Advance
from goutube.cli.session import DATA_TIMEOUT_S
from goutube.client import Client
from goutube.errors import GoutubeError, InvariantError, StreamNotFoundError
from goutube.model import StreamInfo

_SAMPLE_EVERY: Final = 100
_SHOW_EVERY_S: Final = 0.1
_UNDER_WAY_MAX: Final = 10_000
_STEP_RECORDS: Final = 1024


def _ignore(byte_count: int) -> None:
    """Show no progress."""


class Producing:
    """Records through producers, one for each client, each on a thread of its own.

    Args:
        count: how many records in all; None: until ``seconds`` have passed.
        seconds: how long at the most.
        record_bytes: length of each.
        linger_ms: the producers'.
    """

    name = "produce"

    def __init__(
        self, count: int | None, seconds: float | None, record_bytes: int, linger_ms: float
    ) -> None:
        self._count = count
        self._limit_s = seconds
        self._record = os.urandom(record_bytes)
        self._linger_ms = linger_ms
        self._senders: list[_Sender] = []
        self._seconds = 0.0

    @property
    def total_bytes(self) -> int | None:
        """How much there is to send, where that is known."""
        return None if self._count is None else self._count * len(self._record)

    def run(self, clients: Sequence[Client], stream: str, advance: Advance = _ignore) -> None:
        """Send; return when all is durable. Ctrl-C ends the sending, and waits for what was sent.

        Raises:
            GoutubeError: a record was refused or given up.
        """
        stop = Event()
        began = time.perf_counter()
        until = math.inf if self._limit_s is None else began + self._limit_s
        self._senders = [
            _Sender(self._record, share, until, stop) for share in self._shares(len(clients))
        ]
        interrupted = False
        with ThreadPoolExecutor(len(clients)) as threads:
            running = [
                threads.submit(sender.run, client, stream, self._linger_ms)
                for sender, client in zip(self._senders, clients, strict=True)
            ]
            try:
                self._watch(running, advance)
            except KeyboardInterrupt:
                interrupted = True
            finally:
                stop.set()
        self._seconds = time.perf_counter() - began
        for done in running:
            done.result()
        if interrupted:
            raise KeyboardInterrupt

    def check(self, info: StreamInfo) -> None:
        """Compare the count with the stream, which nobody else writes to.

        Raises:
            InvariantError: they differ.
        """
        _compare("acknowledged", self._sent, info)

    def figures(self) -> dict[str, object]:
        """Rates, and how long every 100th record took."""
        found = rates(self._sent, self._sent * len(self._record), self._seconds)
        latencies = [seconds for sender in self._senders for seconds in sender.latencies]
        return {"clients": len(self._senders), **found, "latency_ms": percentiles(latencies)}

    @property
    def _sent(self) -> int:
        return sum(sender.sent for sender in self._senders)

    def _shares(self, clients: int) -> list[int | None]:
        if self._count is None:
            return [None] * clients
        each, more = divmod(self._count, clients)
        return [each + (number < more) for number in range(clients)]

    def _watch(self, running: Sequence[Future[None]], advance: Advance) -> None:
        """Show progress until all have ended, or one has failed."""
        shown = 0
        waiting: set[Future[None]] = set(running)
        while waiting:
            done, waiting = wait(waiting, _SHOW_EVERY_S, FIRST_EXCEPTION)
            advance(self._sent * len(self._record) - shown)
            shown = self._sent * len(self._record)
            if any(future.exception() for future in done):
                return


class _Sender:
    """What one producer sends, until it has sent enough, it is late, or it is told to stop."""

    def __init__(self, record: bytes, count: int | None, until: float, stop: Event) -> None:
        self._record = record
        self._count = count
        self._until = until
        self._stop = stop
        self.sent = 0
        self.latencies: list[float] = []

    def run(self, client: Client, stream: str, linger_ms: float) -> None:
        """Send; return when all of it is durable."""
        with client.producer(stream, linger_ms=linger_ms, timeout_s=DATA_TIMEOUT_S) as producer:
            while step := self._next_step():
                sent_at = time.perf_counter()
                handle = producer.send(self._record)
                handle.add_done_callback(partial(self._told, sent_at))
                for _ in range(step - 1):
                    producer.send(self._record)
                self.sent += step

    def _next_step(self) -> int:
        """How many records to send before looking up again; 0 at the end."""
        if self._stop.is_set() or time.perf_counter() >= self._until:
            return 0
        return _SAMPLE_EVERY if self._count is None else min(_SAMPLE_EVERY, self._count - self.sent)

    def _told(self, sent_at: float, _handle: object) -> None:
        self.latencies.append(time.perf_counter() - sent_at)


class Consuming:
    """A stream from its start to its end as it is when this begins.

    Args:
        count: stop after so many records; None: at the end.
        by: records, batches or chunks.
    """

    name = "consume"

    def __init__(self, count: int | None, by: str) -> None:
        self._count = count
        self._by = by
        self._records = 0
        self._bytes = 0
        self._seconds = 0.0

    def run(self, client: Client, info: StreamInfo, advance: Advance) -> None:
        """Read.

        Raises:
            GoutubeError: what the read met.
        """
        began = time.perf_counter()
        try:
            if self._by == "records":
                self._read_records(client, info, advance)
            elif self._by == "batches":
                self._read_batches(client, info, advance)
            else:
                self._read_chunks(client, info, advance)
        finally:
            self._seconds = time.perf_counter() - began

    def check(self, info: StreamInfo) -> None:
        """Compare what was read with the stream, which nobody else writes to.

        Raises:
            InvariantError: they differ.
        """
        if self._bytes != info.end_offset - info.start_offset:
            raise InvariantError(f"{info.name!r}: read {self._bytes} bytes of {info.end_offset}")
        if self._by != "chunks":
            _compare("read", self._records, info)

    def figures(self) -> dict[str, object]:
        """Rates; without the records where chunks were read."""
        found = rates(self._records, self._bytes, self._seconds)
        if self._by == "chunks":
            del found["records"], found["records_per_s"]
        return {"by": self._by, **found}

    def _read_records(self, client: Client, info: StreamInfo, advance: Advance) -> None:
        shown = 0
        records = client.records(
            info.name, info.start_offset, limit=info.end_offset, timeout_s=DATA_TIMEOUT_S
        )
        for record in records:
            self._records += 1
            self._bytes += len(record.value)
            if self._records % _STEP_RECORDS == 0:
                advance(self._bytes - shown)
                shown = self._bytes
            if self._records == self._count:
                return

    def _read_batches(self, client: Client, info: StreamInfo, advance: Advance) -> None:
        batches = client.record_batches(
            info.name, info.start_offset, limit=info.end_offset, timeout_s=DATA_TIMEOUT_S
        )
        for batch in batches:
            count = len(batch)
            if self._count is not None:
                count = min(count, self._count - self._records)
            size = int(batch.offsets[count] - batch.offsets[0])
            self._records += count
            self._bytes += size
            advance(size)
            if self._records == self._count:
                return

    def _read_chunks(self, client: Client, info: StreamInfo, advance: Advance) -> None:
        for chunk in client.read(
            info.name, info.start_offset, limit=info.end_offset, timeout_s=DATA_TIMEOUT_S
        ):
            self._bytes += len(chunk)
            advance(len(chunk))


class Waiting:
    """Appends of one record each, and how long each took.

    Args:
        seconds: for how long to begin appends.
        record_bytes: length of each record.
        rate: how many to begin a second, whatever becomes of those before; None: each client waits.
        clients: how many wait, each on a connection of its own.
    """

    name = "latency"

    def __init__(self, seconds: float, record_bytes: int, rate: float | None, clients: int) -> None:
        self._limit_s = seconds
        self._record = os.urandom(record_bytes)
        self._rate = rate
        self._clients = clients
        self._seconds = 0.0
        self._latencies: list[float] = []

    async def run(self, make: Callable[[], AsyncClient], stream: str) -> None:
        """Append.

        Raises:
            GoutubeError: the first thing that an append met.
        """
        async with AsyncExitStack() as ends:
            clients = [await ends.enter_async_context(make()) for _ in range(self._clients)]
            for client in clients:
                with suppress(StreamNotFoundError):
                    await client.stat(stream)  # meet the server before the clock runs
            began = time.perf_counter()
            try:
                if self._rate is None:
                    await self._closed_loop(clients, stream, began)
                else:
                    await self._open_loop(clients[0], stream, began, self._rate)
            except ExceptionGroup as group:
                # Not except*: some releases of Python 3.11 wrap what is raised there once more.
                refusals, others = group.split(GoutubeError)
                if refusals is None or others is not None:
                    raise
                raise _first_of(refusals) from None
            finally:
                self._seconds = time.perf_counter() - began

    def figures(self) -> dict[str, object]:
        """Rates and latencies."""
        count = len(self._latencies)
        loop = {"clients": self._clients} if self._rate is None else {"rate": self._rate}
        found = rates(count, count * len(self._record), self._seconds)
        return {**loop, **found, "latency_ms": percentiles(self._latencies)}

    async def _closed_loop(self, clients: list[AsyncClient], stream: str, began: float) -> None:
        async def keep_appending(client: AsyncClient) -> None:
            while (sent_at := time.perf_counter()) - began < self._limit_s:
                await self._append(client, stream, sent_at)

        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(keep_appending(client))

    async def _open_loop(self, client: AsyncClient, stream: str, began: float, rate: float) -> None:
        room = asyncio.Semaphore(_UNDER_WAY_MAX)  # who waits for it is late, and counted so

        async def append(due: float) -> None:
            try:
                # A loop's timer may ring early (uvloop's: by a millisecond): no append is quicker
                # than it was.
                await self._append(client, stream, min(due, time.perf_counter()))
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            for number in range(max(1, int(self._limit_s * rate))):
                due = began + number / rate
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                await room.acquire()
                group.create_task(append(due))

    async def _append(self, client: AsyncClient, stream: str, since: float) -> None:
        await client.append(stream, self._record, timeout_s=DATA_TIMEOUT_S)
        self._latencies.append(time.perf_counter() - since)


def _first_of(errors: ExceptionGroup[GoutubeError]) -> GoutubeError:
    first = errors.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first


def _compare(what: str, count: int, info: StreamInfo) -> None:
    if info.record_count != count:
        raise InvariantError(
            f"{count} records were {what}, and {info.name!r} has {info.record_count}"
        )
