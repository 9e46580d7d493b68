"""Where in a shard's segments a read begins, and how much of them answers it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from goutube.errors import InvalidArgumentError, OffsetOutOfRangeError
from goutube.limits import MIB
from goutube.node.commands import (
    AtOffset,
    Earliest,
    FromTimestamp,
    LastBytes,
    LastRecords,
    Latest,
    Read,
    Start,
)
from goutube.node.streams import Stream
from goutube.storage import Segment, ShardLog, StreamRows

_SLACK_BYTES: Final = MIB
"""How much beyond the wanted bytes one run of entries may span: headers, tables, other streams."""


class Cursor(Struct, frozen=True):
    """Where a read begins: the first record that fulfils all three."""

    offset: int
    ordinal: int = 0
    stamp: int = 0


class Run(Struct, frozen=True):
    """Entries of one segment, from ``position`` on, ``count`` bytes of the file."""

    segment: Segment
    position: int
    count: int


def resolve(stream: Stream, command: Read) -> Cursor:
    """The place that a read's start names.

    Raises:
        OffsetOutOfRangeError: before the first byte or beyond the end.
        InvalidArgumentError: the limit lies before the start.
    """
    cursor = _begin(stream, command.start)
    check_offset(stream, cursor.offset)
    if command.limit is not None and command.limit < cursor.offset:
        raise InvalidArgumentError(
            f"the limit {command.limit} lies before the offset {cursor.offset}"
        )
    return cursor


def check_offset(stream: Stream, offset: int) -> None:
    """Check that a stream has, or will have next, a byte at this offset.

    Raises:
        OffsetOutOfRangeError: it has not.
    """
    if not stream.start <= offset <= stream.end:
        where = "before its first byte" if offset < stream.start else "beyond its end"
        raise OffsetOutOfRangeError(
            f"the offset {offset} of {stream.name!r} lies {where}: it holds "
            f"{stream.start} to {stream.end}",
            start_offset=stream.start,
            end_offset=stream.end,
        )


def _begin(stream: Stream, start: Start) -> Cursor:
    match start:
        case AtOffset():
            return Cursor(start.offset)
        case Earliest():
            return Cursor(stream.start)
        case Latest():
            return Cursor(stream.end)
        case LastBytes():
            return Cursor(max(stream.start, stream.end - start.count))
        case LastRecords():
            ordinal = max(0, stream.record_count - start.count)
            return Cursor(stream.start if start.count else stream.end, ordinal)
        case FromTimestamp():
            return Cursor(stream.start, stamp=start.timestamp_ms)


def locate(log: ShardLog, stream: Stream, cursor: Cursor, bytes_max: int) -> Run | None:
    """The run of entries that holds the first wanted byte; None where no segment has it."""
    found = _find_row(log, stream, cursor)
    if found is None:
        return None
    segment, rows, first = found
    wanted = rows.row(first)
    # Rows behind the committed end have a place, but perhaps no bytes there yet.
    beyond = min(max(cursor.offset, wanted.offset) + bytes_max, stream.end)
    last = max(first, rows.at_offset(beyond - 1))
    longest = max(2 * bytes_max, bytes_max + _SLACK_BYTES)
    end = rows.row(last)
    while last > first and end.position + end.entry_bytes - wanted.position > longest:
        last = (first + last) // 2
        end = rows.row(last)
    return Run(segment, wanted.position, end.position + end.entry_bytes - wanted.position)


def batch_offset(log: ShardLog, stream: Stream, cursor: Cursor) -> int | None:
    """Where the batch begins that holds a place; None where no segment has one of the stream."""
    found = _find_row(log, stream, cursor)
    if found is None:
        return None
    _, rows, first = found
    return rows.row(first).offset


def _find_row(
    log: ShardLog, stream: Stream, cursor: Cursor
) -> tuple[Segment, StreamRows, int] | None:
    """The last row that begins at or before the cursor, else the stream's first one."""
    earliest: tuple[Segment, StreamRows, int] | None = None
    for segment in reversed(log.segments):
        rows = segment.index.rows_of(stream.stream_id)
        if rows is None:
            continue
        first = rows.at_offset(cursor.offset)
        if cursor.ordinal:
            first = max(first, rows.at_ordinal(cursor.ordinal))
        if cursor.stamp:
            first = max(first, _before_stamp(rows, cursor.stamp, stream.end))
        if first >= 0:
            return segment, rows, first
        earliest = (segment, rows, 0)
    return earliest


def _before_stamp(rows: StreamRows, stamp: int, end: int) -> int:
    """The last row that begins before a time, hidden rows of a truncated suffix left out."""
    return min(rows.before_stamp(stamp), rows.at_offset(end - 1))
