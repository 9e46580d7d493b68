"""Runs the core's disk jobs: on native threads that never take the GIL, calls on Python threads.

One thread writes journal groups, so that they stay in order; two write and sync segments; two read.
A job that is in order behind another one is given out by the core only when that one has ended.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from goutube._native import (
    VERDICT_WOULD_BLOCK,
    DiskThreads,
    ReadRun,
    read_file_run,
)
from goutube.crash_points import CrashPoint
from goutube.limits import MIB
from goutube.ports import (
    Call,
    Disk,
    File,
    Job,
    Outcome,
    ReadEntries,
    SyncFile,
    WriteGroup,
    WriteSegment,
)
from goutube.runtime.file import OsFile

INLINE_READ_BYTES_MAX: Final = MIB
"""Up to here, copying from the page cache costs less than waking a thread and the loop again.

As much as one answer of a bulk read, 0.15 ms; on threads its processor time is half as much again.
"""
_SEGMENT_THREADS: Final = 2
_READ_THREADS: Final = 2
_CALL_THREADS: Final = 2

_ALONG: Final = struct.Struct("<4q")

Ended = Callable[[list[Outcome]], None]


class DiskJobs:
    """Starts jobs and hands their outcomes to the event loop.

    Args:
        disk: what ``Call`` jobs work on; the files of all jobs must be its own.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._started: dict[int, tuple[Sequence[OsFile], Sequence[CrashPoint]]] = {}
        """By ticket: the files, and the places that are reached with the end of the job."""
        self._groups = DiskThreads(1)
        self._segments = DiskThreads(_SEGMENT_THREADS)
        self._reads = DiskThreads(_READ_THREADS)
        self._calls = ThreadPoolExecutor(_CALL_THREADS, thread_name_prefix="goutube-call")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: Ended | None = None

    def attach(self, loop: asyncio.AbstractEventLoop, ended: Ended) -> None:
        """From here on call ``ended`` on ``loop`` with the outcomes of jobs that have ended."""
        self._loop, self._ended = loop, ended
        for threads in (self._groups, self._segments, self._reads):
            loop.add_reader(threads.fileno(), self._collect, threads)

    def start(self, job: Job) -> Outcome | None:
        """Start a job; its outcome is returned when it is known at once, else it comes later."""
        if isinstance(job, Call):
            self._calls.submit(job.function, self._disk).add_done_callback(
                lambda future: self._call_ended(job.ticket, future)
            )
            return None
        assert isinstance(job.file, OsFile)
        try:
            fd = job.file.pin()
        except OSError as error:
            return Outcome(job.ticket, error=error)
        if isinstance(job, ReadEntries) and job.bytes_max <= INLINE_READ_BYTES_MAX:
            run = _read(job, fd)
            if run.verdict != VERDICT_WOULD_BLOCK:
                job.file.unpin()
                return Outcome(job.ticket, run)
        self._begin(job)
        self._submit(job, fd)
        return None

    def journal_seconds(self) -> tuple[int, float, float]:
        """Journal groups written, and the total and the longest seconds of their write and sync."""
        return self._groups.seconds()

    def close(self) -> None:
        """Finish what was started and end the threads; not on the loop: it waits for the disk."""
        for threads in (self._groups, self._segments, self._reads):
            threads.close()
        self._calls.shutdown()

    def detach(self) -> None:
        """Deliver no more outcomes. Call it on the loop, before ``close``."""
        if self._loop is not None:
            for threads in (self._groups, self._segments, self._reads):
                self._loop.remove_reader(threads.fileno())
        self._loop = self._ended = None

    def _begin(self, job: WriteGroup | WriteSegment | SyncFile | ReadEntries) -> None:
        """Note a job that is about to be submitted."""
        files = [job.file]
        ends_at: tuple[CrashPoint, ...] = ()
        match job:
            case WriteGroup():
                self._disk.reached(CrashPoint.GROUP_GIVEN)
                ends_at = (CrashPoint.GROUP_DURABLE,)
                if job.along:
                    self._disk.reached(CrashPoint.ENTRIES_GIVEN)
                    ends_at = (CrashPoint.GROUP_DURABLE, CrashPoint.ENTRIES_WRITTEN)
                    files += [along.file for along in job.along]
            case WriteSegment():
                self._disk.reached(CrashPoint.ENTRIES_GIVEN)
                ends_at = (CrashPoint.ENTRIES_WRITTEN,)
            case SyncFile():
                ends_at = (job.point,)
            case ReadEntries():
                pass
        self._started[job.ticket] = files, ends_at  # type: ignore[assignment]  # all are its own

    def _submit(self, job: WriteGroup | WriteSegment | SyncFile | ReadEntries, fd: int) -> None:
        match job:
            case WriteGroup():
                along = b"".join(
                    _ALONG.pack(_pinned(part.file), part.position, part.first, part.count)
                    for part in job.along
                )
                self._groups.submit_group(
                    job.ticket, fd, job.position, job.seed, job.buffers, along
                )
            case WriteSegment():
                self._segments.submit_write(job.ticket, fd, job.position, job.buffers)
            case SyncFile():
                self._segments.submit_sync(job.ticket, fd)
            case ReadEntries():
                self._reads.submit_read(
                    job.ticket, fd, job.position, job.count, job.salt, job.stream_id,
                    job.first_offset, job.limit_offset, job.first_ordinal, job.first_stamp,
                    job.bytes_max, job.records,
                )  # fmt: skip

    def _collect(self, threads: DiskThreads) -> None:
        outcomes = []
        for ticket, code, run in threads.completed():
            files, ends_at = self._started.pop(ticket)
            for file in files:
                file.unpin()
            if code:
                path = files[run if isinstance(run, int) else 0].path
                outcomes.append(Outcome(ticket, None, OSError(code, os.strerror(code), path)))
                continue
            for point in ends_at:
                self._disk.reached(point)
            outcomes.append(Outcome(ticket, run))
        if outcomes and self._ended is not None:
            self._ended(outcomes)

    def _call_ended(self, ticket: int, future: Future[object]) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(self._deliver_call, ticket, future)

    def _deliver_call(self, ticket: int, future: Future[object]) -> None:
        if self._ended is None:
            return
        error = future.exception()
        if error is None:
            self._ended([Outcome(ticket, future.result())])
        elif isinstance(error, Exception):
            self._ended([Outcome(ticket, error=error)])
        else:
            raise error


def _pinned(file: File) -> int:
    assert isinstance(file, OsFile)
    return file.pin()


def _read(job: ReadEntries, fd: int) -> ReadRun:
    return read_file_run(
        fd, job.position, job.count, job.salt, job.stream_id, job.first_offset,
        job.limit_offset, job.first_ordinal, job.first_stamp, job.bytes_max, job.records,
        nowait=True,
    )  # fmt: skip
