"""Giving back the space of batches that nobody needs any more: a sealed segment is written anew.

One of which nothing is needed keeps its place in the log as a header and a table; at the front of
the log such segments go altogether, in order, so that the log never has a hole.

Nothing is given up that a start could need: both checkpoints of the catalogue cover the segment, so
of its entries only the bytes of batches matter any more; and replay begins behind every journal
group that holds something of it, whichever superblock it starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final

from goutube._native import ENTRY_HEADER_BYTES
from goutube.crash_points import CrashPoint
from goutube.ports import Call, Disk, Outcome
from goutube.storage.damage import damage_in, write_damages
from goutube.storage.rewriting import SegmentRewrite
from goutube.storage.room import lacks_room
from goutube.storage.segment import Segment, remove_segment_file, shard_directory
from goutube.storage.shard_log import ShardLog
from goutube.storage.store import Store

_LEAST_BYTES: Final = 4096
"""Less than a block gives nothing back."""


class CompactionEnd(Enum):
    """What came of a compaction."""

    DONE = auto()
    NOT_WORTH_IT = auto()
    """Too little of the segment is dead."""
    NOT_COVERED = auto()
    """A start could need it: the checkpoints or the journal are behind."""
    NO_ROOM = auto()
    """The disk is full, for now."""
    DAMAGED = auto()
    """What is needed of it is not whole: the file stays as it is, for a repair."""
    STOPPED = auto()


Then = Callable[[CompactionEnd], None]


class Compaction:
    """One sealed segment on its way to a shorter file; call ``advance`` until ``then`` is called.

    Args:
        dead: the rows of the segment's index whose batches are not needed (``SegmentRewrite``).
        start_ms: not a byte is moved before this.

    Attributes:
        due_ms: when the next byte may be moved, also that of the next compaction.
    """

    def __init__(
        self,
        store: Store,
        log: ShardLog,
        segment: Segment,
        dead: Sequence[tuple[int, int]],
        start_ms: int,
        then: Then,
    ) -> None:
        self.log = log
        self.segment = segment
        self.due_ms = start_ms
        self._store = store
        self._then = then
        self._rewrite = SegmentRewrite(segment, dead)
        self._stopped = False
        self._slice_ms = 0
        self._ready = False
        """Whether the next step waits for its time, and no job is under way."""
        self._call(lambda _disk: self._rewrite.plan(), self._planned)

    def advance(self, now_ms: int) -> int | None:
        """Begin the next step if it is due; returns when to be called again."""
        if not self._ready:
            return None
        if now_ms < self.due_ms:
            return self.due_ms
        self._ready = False
        self._slice_ms = now_ms
        if self._rewrite.left:
            self._call(self._rewrite.copy, self._copied)
        else:
            self._call(self._rewrite.finish, self._finished)
        return None

    def stop(self) -> None:
        """Give it up as soon as no job is under way."""
        self._stopped = True
        if self._ready:
            self._ready = False
            self._abandon(CompactionEnd.STOPPED)

    def _call(self, function: Callable[[Disk], object], then: Callable[[object], None]) -> None:
        def done(outcome: Outcome) -> None:
            if lacks_room(outcome.error):
                self._abandon(CompactionEnd.NO_ROOM)
            elif not self._store.fail(outcome):
                then(outcome.value)

        self._store.start(lambda ticket: Call(ticket, function), done)

    def _planned(self, _: object) -> None:
        before = self._rewrite.bytes_before
        dead = before - self._rewrite.bytes_after
        share = self._store.config.compaction_dead_percent
        if self._rewrite.left and (dead < _LEAST_BYTES or 100 * dead < share * before):
            self._then(CompactionEnd.NOT_WORTH_IT)
        elif not self._covered():
            self._then(CompactionEnd.NOT_COVERED)
        else:
            self._next()

    def _covered(self) -> bool:
        """Whether no start can need what is not alive of the segment."""
        by_checkpoints = self.segment.last_index <= self.log.covered_index
        return by_checkpoints and self.segment.group < self._store.journal.oldest_replay

    def _copied(self, moved: object) -> None:
        assert isinstance(moved, int)
        self.due_ms = self._slice_ms + moved * 1000 // self._store.config.compaction_bytes_per_s
        if self._rewrite.damage is not None:
            segments, place = self.log.segments, self._rewrite.damage
            self.log.note_damage(damage_in(segments, self.segment, place, ENTRY_HEADER_BYTES))
            self._abandon(CompactionEnd.DAMAGED)
        else:
            self._next()

    def _next(self) -> None:
        if self._stopped:
            self._abandon(CompactionEnd.STOPPED)
        else:
            self._ready = True

    def _finished(self, made: object) -> None:
        assert isinstance(made, Segment)
        old, stats = self.segment, self._store.stats
        self.log.replace_segment(old, made)
        if len(made.index):
            stats.segments_compacted += 1
        else:
            stats.segments_freed += 1
        stats.compaction_bytes += self._rewrite.bytes_after
        stats.freed_bytes += self._rewrite.bytes_before - self._rewrite.bytes_after

        forgotten = self.log.forget_damages(old.path)
        self.log.forget_damages(old.index_path)
        damages = list(self.log.damages)

        def remove(disk: Disk) -> None:
            disk.reached(CrashPoint.REVISION_REPLACED)
            remove_segment_file(disk, old)
            if forgotten:
                write_damages(disk, shard_directory(self.log.shard), damages)

        def removed(outcome: Outcome) -> None:
            assert old.file is not None
            old.file.close()
            if not self._store.fail(outcome):
                self._then(CompactionEnd.DONE)

        self._store.start_roomy(lambda ticket: Call(ticket, remove), removed)

    def _abandon(self, end: CompactionEnd) -> None:
        def done(outcome: Outcome) -> None:
            if not self._store.fail(outcome):
                self._then(end)

        self._store.start(lambda ticket: Call(ticket, self._rewrite.abandon), done)


def drop_freed(store: Store, log: ShardLog, then: Callable[[], None]) -> None:
    """Remove the segments at the front of a log of which nothing is left; the last one stays."""
    dropped: list[Segment] = []
    while len(log.segments) > 1 and log.segments[0].freed:
        dropped.append(log.drop_first_segment())

    def remove(disk: Disk) -> None:
        for segment in dropped:
            remove_segment_file(disk, segment)
            disk.reached(CrashPoint.FREED_REMOVED)

    def done(outcome: Outcome) -> None:
        for segment in dropped:
            if segment.file is not None:
                segment.file.close()
        if not store.fail(outcome):
            then()

    if dropped:
        store.start(lambda ticket: Call(ticket, remove), done)
    else:
        then()
