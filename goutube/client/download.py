"""Downloads: pieces of a stream, fetched by several calls at once, go to their places in a file."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, Protocol

from goutube.api import codecs
from goutube.client import download_file, requests
from goutube.client.download_file import DownloadFile
from goutube.errors import GoutubeError, WireFormatError
from goutube.model import DownloadResult, StreamId, StreamInfo
from goutube.routing import DownloadWish, Piece, ReadCursor, ReadWish, Start, check_streams, missing

Progress = Callable[[int, int], None]
"""Is told how many bytes are there by now, and how many there will be."""
Where = str | PathLike[str]
_Fetch = Callable[[ReadWish], Generator[codecs.ReadResponse, None, None]]
_AsyncFetch = Callable[[ReadCursor], AsyncGenerator[codecs.ReadResponse, None]]
_JOIN_S = 1.0


class Fetches(Protocol):
    """The part of the synchronous client that downloads need."""

    def stat(self, name: str) -> StreamInfo:
        """Describe a stream."""

    def _answers(self, wish: ReadWish, budget: int) -> Generator[codecs.ReadResponse, None, None]:
        """Verified answers to a read."""

    def _budget(self, timeout_s: float | None) -> int:
        """A timeout in milliseconds."""


class AsyncFetches(Protocol):
    """The part of the asyncio client that downloads need."""

    async def stat(self, name: str) -> StreamInfo:
        """Describe a stream."""

    def _answers(
        self, cursor: ReadCursor, budget: int
    ) -> AsyncGenerator[codecs.ReadResponse, None]:
        """Verified answers to a read."""

    def _budget(self, timeout_s: float | None) -> int:
        """A timeout in milliseconds."""


class Downloads:
    """What makes a synchronous client download."""

    def download(
        self: Fetches,
        name: str,
        path: Where,
        offset: int | Literal["earliest"] = 0,
        *,
        limit: int | None = None,
        streams: int = 4,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> DownloadResult:
        """Copy a stream, up to its end as it is now, into a file; go on where an earlier try ended.

        The bytes are collected in ``path`` + ``.part``, and ``path`` + ``.resume`` tells which of
        them are there. When all are, the file takes its name, whole and synced, and replaces one
        that had it. However a download ends before, by an error, ``kill -9`` or a power cut, the
        same call goes on with it and fetches nothing twice but what was just under way: up to one
        chunk of 256 KiB in each of ``streams`` calls, and after a power cut what was not synced
        yet. Every byte is verified against the server's checksums when it comes, and again from the
        disk when a download goes on.

        Args:
            name: the stream.
            path: the file to make.
            offset: the first byte wanted; ``"earliest"`` is the first one that is there.
            limit: offset one past the last byte wanted; the stream's present end if None.
            streams: how many ranges to fetch at the same time, 1 to 64.
            progress: called in this thread with the bytes that are there and the bytes wanted.
            timeout_s: seconds without an answer after which to give up; the client's if None.

        Raises:
            StreamNotFoundError: there is no such stream, or it is not the one that was begun.
            OffsetOutOfRangeError: wanted bytes were trimmed away, or never there.
            InvalidArgumentError: an argument is not allowed, another download to ``path`` is under
                way, or the one that was begun is of another stream, offset or limit.
            OSError: the file cannot be written.
        """
        requests.check_download(name, offset, limit)
        check_streams(streams)
        budget = self._budget(timeout_s)
        wish = DownloadWish(name, offset, limit)
        file = download_file.begin(Path(fspath(path)), wish, self.stat(name))
        try:
            count = _Count(file, progress)
            if not file.complete:
                _Workers(file, partial(self._answers, budget=budget)).run(streams, count)
                file.finish()
        finally:
            file.close()
        return count.result()


class AsyncDownloads:
    """What makes an asyncio client download."""

    async def download(
        self: AsyncFetches,
        name: str,
        path: Where,
        offset: int | Literal["earliest"] = 0,
        *,
        limit: int | None = None,
        streams: int = 4,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> DownloadResult:
        """Copy a stream into a file, as ``Client.download`` does; the disk is used on threads.

        A cancelled download can be gone on with.
        """
        requests.check_download(name, offset, limit)
        check_streams(streams)
        budget = self._budget(timeout_s)
        wish = DownloadWish(name, offset, limit)
        info = await self.stat(name)
        file = await asyncio.to_thread(download_file.begin, Path(fspath(path)), wish, info)
        try:
            count = _Count(file, progress)
            if not file.complete:
                await _fetch_all(file, partial(self._answers, budget=budget), streams, count)
                await asyncio.to_thread(file.finish)
        finally:
            await asyncio.shield(asyncio.to_thread(file.close))
        return count.result()


class _Count:
    """How far a download is, and who wants to know."""

    def __init__(self, file: DownloadFile, progress: Progress | None) -> None:
        self._plan = file.plan
        self._progress = progress
        left = sum(end - start for start, end in missing(file.plan, file.claims, 1))
        self.done = self.resumed = self._plan.byte_count - (0 if file.complete else left)
        self.add(0)

    def add(self, byte_count: int) -> None:
        """So many bytes more are there."""
        self.done += byte_count
        if self._progress is not None:
            self._progress(self.done, self._plan.byte_count)

    def result(self) -> DownloadResult:
        """What the download has brought."""
        plan = self._plan
        return DownloadResult(plan.start, plan.end, StreamId(plan.stream_id), self.resumed)


def _wish(file: DownloadFile, piece: Piece) -> ReadWish:
    plan = file.plan
    start = Start("offset", piece[0])
    return ReadWish(plan.wish.stream, plan.stream_id, start, piece[1], records=False, follow=False)


def _check_end(file: DownloadFile, piece: Piece, place: int) -> None:
    if place != piece[1]:
        raise WireFormatError(
            f"the server ended the read of {file.plan.wish.stream!r} up to {piece[1]} at {place}"
        )


class _Workers:
    """Threads that fetch pieces; the caller's thread only counts, so that Ctrl-C reaches it."""

    def __init__(self, file: DownloadFile, fetch: _Fetch) -> None:
        self._file = file
        self._answers = fetch
        self._pieces: deque[Piece] = deque()
        self._news: SimpleQueue[int | Exception | None] = SimpleQueue()
        self._stopped = threading.Event()

    def run(self, streams: int, count: _Count) -> None:
        """Fetch all that is missing; the first failure ends it."""
        self._pieces.extend(missing(self._file.plan, self._file.claims, streams))
        threads = [
            threading.Thread(target=self._work, name="goutube-download", daemon=True)
            for _ in range(min(streams, len(self._pieces)))
        ]
        for thread in threads:
            thread.start()
        try:
            busy = len(threads)
            while busy:
                news = self._news.get()
                if isinstance(news, Exception):
                    raise news
                if news is None:
                    busy -= 1
                else:
                    count.add(news)
        finally:
            # One that waits for a silent server ends with its call; the closed file stops its hand.
            self._stopped.set()
            for thread in threads:
                thread.join(_JOIN_S)

    def _work(self) -> None:
        try:
            while not self._stopped.is_set() and (piece := self._next_piece()) is not None:
                self._fetch(piece)
        except (GoutubeError, OSError) as error:
            self._news.put(error)
        finally:
            self._news.put(None)

    def _next_piece(self) -> Piece | None:
        try:
            return self._pieces.popleft()
        except IndexError:
            return None

    def _fetch(self, piece: Piece) -> None:
        place = piece[0]
        with closing(self._answers(_wish(self._file, piece))) as answers:
            for answer in answers:
                count = self._file.store(answer.offset, answer.data, answer.checksum)
                place += count
                self._news.put(count)
                if self._stopped.is_set():
                    return
        _check_end(self._file, piece, place)


async def _fetch_all(
    file: DownloadFile, answers_to: _AsyncFetch, streams: int, count: _Count
) -> None:
    pieces = deque(missing(file.plan, file.claims, streams))

    async def work() -> None:
        while pieces:
            await fetch(pieces.popleft())

    async def fetch(piece: Piece) -> None:
        place, cursor = piece[0], ReadCursor(_wish(file, piece), codecs.crc32c)
        async with aclosing(answers_to(cursor)) as answers:
            async for answer in answers:
                store = partial(file.store, answer.offset, answer.data, answer.checksum)
                # A thread that has begun to write also claims, though this task be cancelled.
                stored = await asyncio.to_thread(store)
                place += stored
                count.add(stored)
        _check_end(file, piece, place)

    tasks = [asyncio.create_task(work()) for _ in range(min(streams, len(pieces)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
