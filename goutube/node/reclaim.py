"""Which sealed segments hold batches that nobody needs: trimmed, or of deleted streams.

Looked at are the segments that a trim or a deletion has touched, and each one once when it is
sealed and at the start. The search goes in small steps, so that a round of the event loop stays
short however much was trimmed. What it finds may be old when it is acted upon: a batch that is dead
stays dead.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Sequence
from typing import Final

from goutube.node.shard import Shard
from goutube.node.streams import Stream
from goutube.storage import (
    Compaction,
    CompactionEnd,
    LostRange,
    SealedIndex,
    Segment,
    Store,
    drop_freed,
)

_STEPS_PER_ROUND: Final = 256
_PAUSE_MS: Final = 10
"""Between two rounds of a search: it takes a small share of the event loop's time."""
_INTERVAL_MS: Final = 1_000
"""Between two searches, and until the checkpoints may have caught up."""
_NO_ROOM_MS: Final = 5_000
_AGAIN_MS: Final = 3_000
_ROWS_PER_MS: Final = 5
"""A segment that was not worth it is looked at again after a time that grows with its rows."""

_Search = Generator[None]


class Reclaimer:
    """Has segments compacted, one at a time, when enough of them is dead."""

    def __init__(self, store: Store, shards: Sequence[Shard]) -> None:
        self._store = store
        self._shards = shards
        self._suspects: dict[Segment, Shard] = {}
        self._touched: dict[tuple[int, int], Shard] = {}
        self._uncovered: dict[int, Shard] = {}
        self._journal_behind = False
        self._not_before: dict[Segment, int] = {}
        self._search: _Search | None = None
        self._compaction: Compaction | None = None
        self._dropping = False
        self._due_ms = 0
        self._bytes_due_ms = 0
        self._now_ms = 0
        for shard in shards:
            if not shard.log.fault:
                self._suspects |= {s: shard for s in shard.log.segments if s.sealed}

    def touched(self, shard: Shard, stream_id: int) -> None:
        """A stream was trimmed or deleted."""
        self._touched[shard.log.shard, stream_id] = shard

    def take_uncovered(self) -> list[Shard]:
        """The shards that should write a checkpoint so that a segment can be compacted."""
        uncovered, self._uncovered = self._uncovered, {}
        return list(uncovered.values())

    def take_journal_behind(self) -> bool:
        """Whether the journal should begin behind what it holds so that a segment can be."""
        behind, self._journal_behind = self._journal_behind, False
        return behind

    def advance(self, now_ms: int) -> int | None:
        """Search, or go on with what was found; returns when to be called again."""
        self._now_ms = now_ms
        for log, segment in self._store.take_sealed():
            self._suspects[segment] = self._shards[log.shard]
        if self._compaction is not None:
            return self._compaction.advance(now_ms)
        if self._dropping or not (self._search or self._suspects or self._touched):
            return None
        if now_ms < self._due_ms:
            return self._due_ms
        if self._search is None:
            self._search = self._look_around()
        self._go_on(self._search)
        return None if self._busy else self._due_ms

    @property
    def _busy(self) -> bool:
        """Whether something was found, whose end brings a round."""
        return self._compaction is not None or self._dropping

    def _go_on(self, search: _Search) -> None:
        for _ in range(_STEPS_PER_ROUND):
            if next(search, self) is self:
                self._search = None
                now_ms = self._now_ms
                self._not_before = {s: ms for s, ms in self._not_before.items() if ms > now_ms}
                self._wait(_INTERVAL_MS)
                return
        self._wait(_PAUSE_MS)

    def stop(self) -> None:
        """Begin nothing any more, and give up what is under way."""
        if self._compaction is not None:
            self._compaction.stop()

    def _look_around(self) -> _Search:
        """Look at every suspect, up to the first that is worth something."""
        while self._touched:
            (_, stream_id), shard = self._touched.popitem()
            for segment in list(shard.log.segments):
                if segment.sealed and segment.index.rows_of(stream_id) is not None:
                    self._suspects[segment] = shard
                yield
        for segment, shard in list(self._suspects.items()):
            yield
            unknown = segment.last_index > shard.catalogue.applied_index
            if unknown or self._not_before.get(segment, 0) > self._now_ms:
                continue  # some of its streams are not known yet, or it was looked at just now
            del self._suspects[segment]
            if shard.log.fault or segment not in shard.log.segments:
                continue
            if segment.freed:
                if self._drop(shard):
                    return
                continue
            dead: list[tuple[int, int]] = []
            yield from _find_dead(shard, segment, dead)
            if (dead or not len(segment.index)) and not _in_quarantine(shard, segment):
                self._compact(shard, segment, dead)
                return

    def _compact(self, shard: Shard, segment: Segment, dead: list[tuple[int, int]]) -> None:
        self._compaction = Compaction(
            self._store,
            shard.log,
            segment,
            dead,
            self._bytes_due_ms,
            lambda end: self._compacted(shard, segment, end),
        )

    def _compacted(self, shard: Shard, segment: Segment, end: CompactionEnd) -> None:
        assert self._compaction is not None
        self._bytes_due_ms = self._compaction.due_ms
        self._compaction = None
        match end:
            case CompactionEnd.DONE:
                self._due_ms = self._now_ms
                self._drop(shard)
            case CompactionEnd.NOT_WORTH_IT:
                wait_ms = _AGAIN_MS + len(segment.index) // _ROWS_PER_MS
                self._not_before[segment] = self._now_ms + wait_ms
            case CompactionEnd.NOT_COVERED:
                self._suspects[segment] = shard
                if segment.last_index > shard.log.covered_index:
                    self._uncovered[shard.log.shard] = shard
                self._journal_behind = True
            case CompactionEnd.NO_ROOM:
                self._suspects[segment] = shard
                self._wait(_NO_ROOM_MS)
            case CompactionEnd.DAMAGED | CompactionEnd.STOPPED:
                pass

    def _wait(self, ms: int) -> None:
        self._due_ms = self._now_ms + ms

    def _drop(self, shard: Shard) -> bool:
        """Begin to remove what is left of segments at the front; whether there is something."""
        segments = shard.log.segments
        if len(segments) > 1 and segments[0].freed:
            self._dropping = True
            drop_freed(self._store, shard.log, self._dropped)
        return self._dropping

    def _dropped(self) -> None:
        self._dropping = False


def _in_quarantine(shard: Shard, segment: Segment) -> bool:
    """Whether a segment has lost something that may be needed: its file is left to a repair."""
    return any(
        damage.path == segment.path
        and not damage.accepted
        and not (damage.lost and all(_is_dead(shard, lost) for lost in damage.lost))
        for damage in shard.log.damages
    )


def _is_dead(shard: Shard, lost: LostRange) -> bool:
    stream = shard.catalogue.by_id.get(lost.stream_id)
    return stream is None or stream.start >= lost.after


def _find_dead(shard: Shard, segment: Segment, dead: list[tuple[int, int]]) -> _Search:
    """Put the rows of a sealed segment's index that nobody needs into ``dead``."""
    index = segment.index
    assert isinstance(index, SealedIndex)
    for stream_id, first, after in index.streams():
        stream = shard.catalogue.by_id.get(stream_id)
        live = after if stream is None else _first_live(shard, segment, stream, first, after)
        if live > first:
            dead.append((first, live))
        yield


def _first_live(shard: Shard, segment: Segment, stream: Stream, first: int, after: int) -> int:
    """The first of a stream's rows, ``first`` to before ``after``, that it needs, or ``after``."""
    assert isinstance(segment.index, SealedIndex)
    place = first + segment.index.rows(first, after).at_offset(stream.start)
    if place + 1 == after and stream.start >= _end_in(shard, segment, stream):
        return after
    return max(first, place)


def _end_in(shard: Shard, segment: Segment, stream: Stream) -> int:
    """Where a stream's last batch in a segment ends: where its next one begins, if there is one."""
    if stream.start == stream.end:
        return stream.end
    segments = shard.log.segments
    first = segment.header.name.first_index
    after = bisect_right(segments, first, key=lambda s: s.header.name.first_index)
    for later in segments[after:]:
        rows = later.index.rows_of(stream.stream_id)
        if rows is not None:
            return rows.row(0).offset
    return stream.end
