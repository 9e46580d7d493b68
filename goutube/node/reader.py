"""Reads under way: planned, tried again where an answer would be empty, waiting at the end."""

from __future__ import annotations

import errno
from collections.abc import Callable

from msgspec import Struct

from goutube._native import (
    ENTRY_HEADER_BYTES,
    VERDICT_IO_ERROR,
    VERDICT_OK,
    VERDICT_TOO_LONG,
    ReadData,
    ReadRun,
)
from goutube.errors import CorruptionError, GoutubeError, StreamNotFoundError
from goutube.model import StreamId
from goutube.node.commands import Read, ReadAnswer, Result
from goutube.node.reads import Cursor, Run, check_offset, locate, resolve
from goutube.node.shard import Shard
from goutube.node.stats import NodeStats
from goutube.node.streams import Stream
from goutube.ports import Outcome, ReadEntries
from goutube.storage import LostRange, Store, damage_in

ReplySink = Callable[[int, Result, GoutubeError | None], None]


class _Reading(Struct, frozen=True):
    token: int
    shard: Shard
    stream: Stream
    command: Read


class Reader:
    """Answers reads out of the committed part of the logs."""

    def __init__(self, store: Store, reply: ReplySink, stats: NodeStats) -> None:
        self._store = store
        self._reply = reply
        self._stats = stats
        self._waiting: dict[int, dict[int, _Reading]] = {}
        """Stream id -> token -> a read that waits for more of it."""
        self._waiting_for: dict[int, int] = {}

    def begin(self, token: int, shard: Shard, stream: Stream, command: Read) -> None:
        """Answer a read, at once or later.

        Raises:
            UsageError: the start or the limit is not to be had.
        """
        self._go_on(
            _Reading(token, shard, stream, command), resolve(stream, command), command.bytes_max
        )

    def cancel(self, token: int) -> None:
        """Forget a read that waits."""
        stream_id = self._waiting_for.pop(token, None)
        if stream_id is not None:
            readers = self._waiting[stream_id]
            del readers[token]
            if not readers:
                del self._waiting[stream_id]

    def wake(self, shard: Shard, stream_id: int, stream: Stream | None) -> None:
        """Go on with the reads that wait for a stream, which has changed or is gone (None)."""
        for reading in self._waiting.pop(stream_id, {}).values():
            del self._waiting_for[reading.token]
            try:
                if stream is None:
                    raise _deleted(reading.command.name)
                self.begin(reading.token, shard, stream, reading.command)
            except GoutubeError as error:
                self._reply(reading.token, None, error)

    def _go_on(self, reading: _Reading, cursor: Cursor, bytes_max: int) -> None:
        stream, limit = reading.stream, reading.command.limit
        after = stream.end if limit is None else min(limit, stream.end)
        if cursor.offset >= after:
            self._at_end(reading, cursor)
            return
        _refuse_lost(reading, cursor.offset, cursor.offset + 1)
        run = locate(reading.shard.log, stream, cursor, bytes_max)
        if run is None:
            raise _unreadable(reading, cursor, "no segment holds it")
        self._read(reading, cursor, run, after, bytes_max)

    def _at_end(self, reading: _Reading, cursor: Cursor) -> None:
        stream, command = reading.stream, reading.command
        more = command.limit is None or command.limit > stream.end
        if more:
            reading.shard.check_end(stream)
        if command.wait and more and not stream.sealed:
            self._waiting.setdefault(stream.stream_id, {})[reading.token] = reading
            self._waiting_for[reading.token] = stream.stream_id
            return
        self._answer(reading, cursor.offset, None)

    def _read(
        self, reading: _Reading, cursor: Cursor, run: Run, after: int, bytes_max: int
    ) -> None:
        file = run.segment.file
        assert file is not None  # what is committed was written
        records = reading.command.records

        def then(outcome: Outcome) -> None:
            try:
                if outcome.error is not None:
                    self._failed(reading, cursor, run, str(outcome.error), bytes_max)
                    return
                assert isinstance(outcome.value, ReadRun)
                self._took(reading, cursor, run, outcome.value, bytes_max)
            except GoutubeError as error:
                self._reply(reading.token, None, error)

        self._store.start(
            lambda ticket: ReadEntries(
                ticket,
                file,
                run.position,
                run.count,
                run.segment.header.salt,
                reading.stream.stream_id,
                cursor.offset,
                after,
                cursor.ordinal,
                cursor.stamp,
                bytes_max,
                records,
            ),
            then,
        )

    def _took(
        self, reading: _Reading, cursor: Cursor, run: Run, read: ReadRun, bytes_max: int
    ) -> None:
        stream = reading.stream
        if read.verdict == VERDICT_TOO_LONG and read.needed > bytes_max:
            self._go_on(reading, cursor, read.needed)
            return
        # What was passed over was not wanted; but what is gone might have been.
        _refuse_lost(reading, cursor.offset, read.offset)
        if read.verdict != VERDICT_OK:
            what = f"{run.segment.path} is damaged at {read.position}"
            met: ReadRun | None = read
            if read.verdict == VERDICT_IO_ERROR:
                what = f"{run.segment.path} cannot be read (errno {read.error_number})"
                met = read if read.error_number == errno.EIO else None
            self._failed(reading, cursor, run, what, bytes_max, met)
            return
        if read.data:
            self._answer(reading, read.offset, read)
            return
        # Nothing wanted in this run: records before the ordinal or time, or one cut by the limit.
        if read.offset <= cursor.offset:
            after = stream.end if reading.command.limit is None else reading.command.limit
            if reading.command.records and after < stream.end:
                self._answer(reading, cursor.offset, None)
                return
            raise _unreadable(reading, cursor, f"{run.segment.path} does not hold it")
        self._go_on(reading, Cursor(read.offset, cursor.ordinal, cursor.stamp), bytes_max)

    def _failed(
        self,
        reading: _Reading,
        cursor: Cursor,
        run: Run,
        what: str,
        bytes_max: int,
        read: ReadRun | None = None,
    ) -> None:
        """Read from the new file of a segment that was compacted meanwhile; else it is damage.

        ``read`` is how far it came. Damage that is no part of this stream is passed over.
        """
        log = reading.shard.log
        if run.segment not in log.segments:
            self._go_on(reading, cursor, bytes_max)
            return
        if read is None:
            raise _unreadable(reading, cursor, what)
        damage = damage_in(log.segments, run.segment, read.position, ENTRY_HEADER_BYTES)
        stream_id = reading.stream.stream_id
        ours = next((lost for lost in damage.lost if lost.stream_id == stream_id), None)
        if ours is None and read.offset > cursor.offset:
            log.note_damage(damage)
            self._go_on(reading, Cursor(read.offset, cursor.ordinal, cursor.stamp), bytes_max)
            return
        refusal = _unreadable(reading, cursor, what, ours)
        log.note_damage(damage)
        raise refusal

    def _answer(self, reading: _Reading, offset: int, read: ReadRun | None) -> None:
        stream = reading.stream
        self._stats.reads += 1
        if read is None:
            answer = ReadAnswer(
                StreamId(stream.stream_id),
                offset,
                ReadData(),
                0,
                b"",
                b"",
                stream.record_count,
                offset,
                stream.start,
                stream.end,
                stream.sealed,
            )
        else:
            self._stats.read_bytes += len(read.data)
            answer = ReadAnswer(
                StreamId(stream.stream_id),
                read.offset,
                read.data,
                read.checksum,
                read.lengths,
                read.timestamps,
                read.ordinal,
                read.next_offset,
                stream.start,
                stream.end,
                stream.sealed,
            )
        self._reply(reading.token, answer, None)


def _refuse_lost(reading: _Reading, first: int, after: int) -> None:
    """Refuse a read that needs bytes that are in no segment any more, or would jump over them.

    Raises:
        CorruptionError: naming them.
    """
    stream, log = reading.stream, reading.shard.log
    if log.damages and first < after:
        lost = log.lost_between(stream.stream_id, max(first, stream.start), after)
        if lost is not None:
            raise _unreadable(reading, Cursor(max(first, lost.first)), "they were damaged", lost)


def _unreadable(
    reading: _Reading, cursor: Cursor, what: str, lost: LostRange | None = None
) -> CorruptionError:
    """The error of a read that should have found its bytes; ``lost``: those that are gone.

    Raises:
        UsageError: they were trimmed, or the stream deleted, while the read was under way.
    """
    stream = reading.stream
    if stream.stream_id not in reading.shard.catalogue.by_id:
        raise _deleted(reading.command.name)
    check_offset(stream, cursor.offset)
    after = min(lost.after, stream.end) if lost is not None else cursor.offset + 1
    gone = f" Its offsets {lost.first} to {after} are gone, the rest can be read" if lost else ""
    return CorruptionError(
        f"the stream {stream.name!r} cannot be read at {cursor.offset}: {what}.{gone}",
        stream=stream.name,
        offset=cursor.offset,
        **({"first_offset": lost.first, "after_offset": after} if lost else {}),
    )


def _deleted(name: str) -> StreamNotFoundError:
    return StreamNotFoundError(f"the stream {name!r} was deleted", stream=name)
