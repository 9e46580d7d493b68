"""What a stream is between two entries of its shard's log, and how an entry changes it.

One fold serves the committed state, the tail that proposals are judged against, and recovery: it is
a function of the log alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from goutube._native import StreamMap, StreamState
from goutube.limits import PRODUCER_IDLE_MS, PRODUCER_WINDOW_BATCHES, PRODUCERS_PER_SHARD_MAX
from goutube.model import ProducerStamp, StreamId, StreamInfo
from goutube.node.control import NO_PROPERTIES, decode_properties, split_create, trim_target
from goutube.storage import FLAG_CREATES, FLAG_SEALS, EntryKind


class Change(Struct, frozen=True, gc=False):
    """One entry of a log, as far as the catalogue is concerned."""

    index: int
    kind: int
    flags: int
    stream_id: int
    offset: int
    ordinal: int
    stamp: int
    last_stamp: int
    record_count: int
    data_bytes: int
    checksum: int
    producer: ProducerStamp | None
    control: bytes


Stream = StreamState
"""The state of one stream; a tail's copy falls back to its ``base`` for producers."""


def stream_info(stream: Stream) -> StreamInfo:
    """A stream as its users see it."""
    return StreamInfo(
        stream.name,
        StreamId(stream.stream_id),
        stream.start,
        stream.end,
        stream.record_count,
        stream.sealed,
        stream.created_ms,
        stream.last_stamp,
        decode_properties(stream.properties),
    )


def shared_properties(properties: bytes) -> bytes:
    """The same bytes; of nearly all streams they are one object, the properties of none."""
    return NO_PROPERTIES if properties == NO_PROPERTIES else properties


class StreamTable(Protocol):
    """Where a fold finds the streams and puts what changed."""

    def writable(self, stream_id: int) -> Stream | None:
        """The stream to change; None where it is unknown."""

    def add(self, stream: Stream) -> None:
        """Take in a new stream."""

    def remove(self, stream: Stream) -> None:
        """Drop a deleted stream."""

    def used(self, stream: Stream, producer_id: bytes, stamp: int) -> None:
        """Note that a producer was heard of."""


def fold(table: StreamTable, change: Change) -> None:
    """Change a table of streams as one entry says."""
    if change.flags & FLAG_CREATES:
        name, properties = split_create(change.control)
        properties = shared_properties(properties)
        table.add(Stream(name, change.stream_id, change.stamp, properties))
    stream = table.writable(change.stream_id)
    if stream is None:
        return  # its create entry was damaged; the shard takes no appends and says why
    if change.kind != EntryKind.TRIM:  # else retention would keep young what it trims
        stream.heard(change.last_stamp)
    match change.kind:
        case EntryKind.BATCH:
            stream.extend(change.offset, change.data_bytes, change.ordinal, change.record_count)
            if change.producer is not None:
                producer_id, epoch, sequence = change.producer
                stream.heard_of(
                    producer_id, epoch, sequence, change.record_count, change.checksum,
                    change.offset, change.last_stamp, PRODUCER_WINDOW_BATCHES,
                )  # fmt: skip
                table.used(stream, producer_id, change.last_stamp)
        case EntryKind.TRIM:
            stream.start = max(stream.start, trim_target(change.control))
        case EntryKind.DELETE:
            table.remove(stream)
        case EntryKind.CHANGE:
            stream.properties = shared_properties(change.control)
        case _:
            pass
    if change.flags & FLAG_SEALS:
        stream.sealed = True


class Catalogue:
    """The committed streams of one shard.

    Attributes:
        applied_index: the fold of the log's entries up to here.
    """

    def __init__(self) -> None:
        self.applied_index = 0
        self.last_stamp = 0
        self.by_name: StreamMap[str] = StreamMap(by_name=True)
        self.by_id: StreamMap[int] = StreamMap(by_name=False)
        self._producers: dict[tuple[int, bytes], int] = {}
        """Time of last use, in the order of last use: the oldest is forgotten first."""

    def apply(self, change: Change) -> None:
        """Fold in the next committed entry."""
        fold(self, change)
        self.applied_index = change.index
        self.last_stamp = max(self.last_stamp, change.last_stamp)

    def writable(self, stream_id: int) -> Stream | None:
        """The stream of an id."""
        return self.by_id.get(stream_id)

    def reserve(self, count: int) -> None:
        """Make room for so many streams."""
        self.by_name.reserve(count)
        self.by_id.reserve(count)

    def add(self, stream: Stream) -> None:
        """Take in a new stream."""
        self.by_name.put(stream)
        self.by_id.put(stream)

    def remove(self, stream: Stream) -> None:
        """Drop a stream and what is remembered of its producers."""
        del self.by_id[stream.stream_id]
        if self.by_name.get(stream.name) is stream:
            del self.by_name[stream.name]
        for producer_id in stream.producers or ():
            self._producers.pop((stream.stream_id, producer_id), None)

    def used(self, stream: Stream, producer_id: bytes, stamp: int) -> None:
        """Note a producer's use; those idle for long, and the oldest of too many, are forgotten."""
        key = (stream.stream_id, producer_id)
        self._producers.pop(key, None)
        self._producers[key] = stamp
        oldest, last_use = next(iter(self._producers.items()))
        if len(self._producers) > PRODUCERS_PER_SHARD_MAX or last_use + PRODUCER_IDLE_MS < stamp:
            del self._producers[oldest]
            owner = self.by_id[oldest[0]]
            if owner.producers is not None:
                owner.producers.pop(oldest[1], None)

    def restore_order(self, stream_id: int, producer_id: bytes, stamp: int) -> None:
        """Take in the next producer of a checkpoint, oldest first."""
        self._producers[stream_id, producer_id] = stamp

    def producer_order(self) -> Iterator[tuple[int, bytes]]:
        """(stream id, producer id) in the order of last use."""
        return iter(self._producers)


class Tail:
    """The catalogue as it will be once everything proposed is committed.

    It is an overlay, thrown away where the committed state has caught up.
    """

    def __init__(self, base: Catalogue) -> None:
        self.base = base
        self.last_stamp = base.last_stamp
        self._streams: dict[int, Stream] = {}
        self._touched: dict[int, int] = {}
        """Stream id -> index of the last entry that changed it."""
        self._names: dict[str, Stream] = {}
        """The newest stream of a name; one that is being deleted stands in ``_deleted``, too."""
        self._deleted: set[int] = set()

    def find(self, name: str) -> Stream | None:
        """The stream of a name; None where there will be none."""
        stream = self._names.get(name)
        if stream is None:
            return self.base.by_name.get(name)
        return None if stream.stream_id in self._deleted else stream

    def propose(self, change: Change) -> None:
        """Fold in an entry that has been appended to the log."""
        fold(self, change)
        self._touched[change.stream_id] = change.index
        self.last_stamp = max(self.last_stamp, change.last_stamp)

    def committed(self, change: Change) -> None:
        """Drop the overlay of a stream that the committed state has caught up with."""
        stream_id = change.stream_id
        if self._touched.get(stream_id) != change.index:
            return
        del self._touched[stream_id]
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        self._deleted.discard(stream_id)
        if self._names.get(stream.name) is stream:
            del self._names[stream.name]

    def writable(self, stream_id: int) -> Stream | None:
        """The overlay of a stream, made at its first change."""
        stream = self._streams.get(stream_id)
        if stream is None:
            committed = self.base.by_id.get(stream_id)
            if committed is None:
                return None
            stream = self._streams[stream_id] = committed.overlay()
            self._names[stream.name] = stream
        return stream

    def add(self, stream: Stream) -> None:
        """Take in a new stream."""
        self._streams[stream.stream_id] = stream
        self._names[stream.name] = stream

    def remove(self, stream: Stream) -> None:
        """Hide a stream that is being deleted."""
        self._deleted.add(stream.stream_id)

    def used(self, stream: Stream, producer_id: bytes, stamp: int) -> None:
        """Nothing to do: what is forgotten is decided when entries are committed."""
