"""How long a stream's bytes are kept: which of them are trimmed by the node itself, and when.

The bound of a stream is its own property, else the node's default. It is kept by ordinary trims of
whole batches, decided from the committed state and the time of day alone; what nobody needs then is
freed as after anybody's trim.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from goutube.model import StreamId
from goutube.node.commands import TrimStream
from goutube.node.control import retention_of
from goutube.node.reads import Cursor, batch_offset
from goutube.node.shard import Shard
from goutube.node.streams import Stream

_INTERVAL_MS: Final = 10_000
"""Between two looks at a stream: by so much it may outlive its bound."""
_LOOKS_PER_ROUND: Final = 256
"""So that a round of the event loop stays short however many streams there are."""


class RetentionLimits(Struct, frozen=True):
    """What is kept of a stream; 0 is no bound.

    Attributes:
        bytes: so many of the newest ones, and what else is in the batch in which they begin.
        ms: those that are not older than this.
    """

    bytes: int = 0
    ms: int = 0


KEEP_ALL: Final = RetentionLimits()


def first_kept(shard: Shard, stream: Stream, limits: RetentionLimits, wall_ms: int) -> int:
    """The offset at which a stream is to begin: the first one of a batch, or its end."""
    start = stream.start
    if limits.ms and stream.last_stamp < wall_ms - limits.ms:
        return stream.end
    if limits.bytes and stream.end - start > limits.bytes:
        start = _batch(shard, stream, Cursor(stream.end - limits.bytes))
    if limits.ms:
        # The batch that holds this moment has younger records, too.
        start = max(start, _batch(shard, stream, Cursor(start, stamp=wall_ms - limits.ms)))
    return start


def _batch(shard: Shard, stream: Stream, cursor: Cursor) -> int:
    offset = batch_offset(shard.log, stream, cursor)
    return stream.start if offset is None else max(stream.start, offset)


class Retention:
    """Goes through all streams, some in each round, and says what is to be trimmed.

    Args:
        shards: all of them.
        default: for streams without bounds of their own.
    """

    def __init__(self, shards: Sequence[Shard], default: RetentionLimits) -> None:
        self._shards = shards
        self._default = default
        self._due_ms: int | None = None
        self._todo: deque[Shard] = deque()
        self._shard: Shard | None = None
        self._ids: Iterator[int] = iter(())

    def advance(self, now_ms: int, wall_ms: int) -> tuple[list[tuple[Shard, TrimStream]], int]:
        """The trims to propose now, and when to be called again (on the monotonic clock)."""
        if self._due_ms is None:
            self._due_ms = now_ms + _INTERVAL_MS
        if self._shard is None:
            if now_ms < self._due_ms:
                return [], self._due_ms
            self._due_ms = now_ms + _INTERVAL_MS
            self._todo.extend(self._shards)
            self._next_shard()
        trims = [
            (shard, trim)
            for shard, stream in self._next_streams()
            if (trim := self._trim(shard, stream, wall_ms)) is not None
        ]
        return trims, self._due_ms if self._shard is None else now_ms

    def _next_shard(self) -> None:
        self._shard = self._todo.popleft() if self._todo else None
        self._ids = iter(tuple(self._shard.catalogue.by_id) if self._shard else ())

    def _next_streams(self) -> Iterator[tuple[Shard, Stream]]:
        looks = 0
        while self._shard is not None:
            shard = self._shard
            for stream_id in self._ids:
                stream = shard.catalogue.by_id.get(stream_id)
                if stream is not None:
                    yield shard, stream
                looks += 1
                if looks == _LOOKS_PER_ROUND:
                    return
            self._next_shard()

    def _trim(self, shard: Shard, stream: Stream, wall_ms: int) -> TrimStream | None:
        if shard.log.fault or stream.start == stream.end:
            return None
        own_bytes, own_ms = retention_of(stream.properties)
        limits = RetentionLimits(
            self._default.bytes if own_bytes is None else own_bytes,
            self._default.ms if own_ms is None else own_ms,
        )
        start = first_kept(shard, stream, limits, wall_ms)
        if start <= stream.start:
            return None
        return TrimStream(stream.name, StreamId(stream.stream_id), start)
