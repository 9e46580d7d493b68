"""Which segments nobody needs any more: all their batches are trimmed, or their streams deleted.

Looked at are the segments that a trim or a deletion has touched, and each one once when it is
sealed and at the start; a look ends at the first batch that is alive.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from goutube.node.shard import Shard
from goutube.node.streams import Stream
from goutube.storage import Segment, Store, drop_freed, free_segment

_INTERVAL_MS: Final = 1_000
_LOOKS_PER_ROUND: Final = 16
"""So that a round of the event loop stays short however much was trimmed."""


class Reclaimer:
    """Frees dead segments, one at a time.

    A segment is freed only when both checkpoints of its shard's catalogue cover it.
    """

    def __init__(self, store: Store, shards: Sequence[Shard]) -> None:
        self._store = store
        self._shards = shards
        self._suspects: dict[Segment, Shard] = {}
        self._touched: dict[tuple[int, int], Shard] = {}
        self._uncovered: dict[int, Shard] = {}
        self._running = False
        self._due_ms = 0
        self._now_ms = 0
        for shard in shards:
            if not shard.log.fault:
                self._suspects |= {s: shard for s in shard.log.segments if s.sealed}

    def touched(self, shard: Shard, stream_id: int) -> None:
        """A stream was trimmed or deleted."""
        self._touched[shard.log.shard, stream_id] = shard

    def take_uncovered(self) -> list[Shard]:
        """The shards that should write a checkpoint so that a segment can be freed."""
        uncovered, self._uncovered = self._uncovered, {}
        return list(uncovered.values())

    def advance(self, now_ms: int) -> int | None:
        """Free what is dead; returns when to be called again, if nothing else happens."""
        self._now_ms = now_ms
        for log, segment in self._store.take_sealed():
            self._suspects[segment] = self._shards[log.shard]
        if self._running or not (self._suspects or self._touched):
            return None
        if now_ms < self._due_ms:
            return self._due_ms
        self._suspect_touched()
        for _ in range(min(_LOOKS_PER_ROUND, len(self._suspects))):
            segment, shard = next(iter(self._suspects.items()))
            del self._suspects[segment]
            if self._look(segment, shard):
                return None
        if not self._suspects:
            return None
        self._due_ms = now_ms + _INTERVAL_MS if self._uncovered else now_ms
        return self._due_ms

    def _suspect_touched(self) -> None:
        for (_, stream_id), shard in self._touched.items():
            for segment in shard.log.segments:
                if segment.sealed and segment.index.rows_of(stream_id) is not None:
                    self._suspects[segment] = shard
        self._touched.clear()

    def _look(self, segment: Segment, shard: Shard) -> bool:
        """Begin to free a segment if it is dead; whether something was begun."""
        log = shard.log
        if log.fault or segment not in log.segments:
            return False
        if not segment.freed:
            if not _dead(shard, segment):
                return False
            if segment.last_index > log.covered_index:
                self._uncovered[log.shard] = shard
                self._suspects[segment] = shard  # looked at again when it is covered
                return False
        self._running = True
        if segment.freed:
            drop_freed(self._store, log, self._done)
        else:
            free_segment(self._store, segment, lambda done: self._freed(segment, shard, done=done))
        return True

    def _freed(self, segment: Segment, shard: Shard, *, done: bool) -> None:
        if done:
            drop_freed(self._store, shard.log, self._done)
            return
        self._suspects[segment] = shard
        self._due_ms = self._now_ms + _INTERVAL_MS
        self._done()

    def _done(self) -> None:
        self._running = False


def _dead(shard: Shard, segment: Segment) -> bool:
    """Whether no stream needs a byte of a sealed segment."""
    for stream_id, last_offset in segment.index.streams():
        stream = shard.catalogue.by_id.get(stream_id)
        if stream is None:
            continue
        if stream.start <= last_offset or stream.start < _end_in(shard, segment, stream):
            return False
    return True


def _end_in(shard: Shard, segment: Segment, stream: Stream) -> int:
    """Where a stream's last batch in a segment ends: where its next one begins, if there is one."""
    segments = shard.log.segments
    first = segment.header.name.first_index
    after = bisect_right(segments, first, key=lambda s: s.header.name.first_index)
    for later in segments[after:]:
        rows = later.index.rows_of(stream.stream_id)
        if rows is not None:
            return rows.row(0).offset
    return stream.end
