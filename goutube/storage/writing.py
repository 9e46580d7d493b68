"""Brings what the logs have queued into their segments: makes, extends, writes, syncs, seals.

The writes of one shard's segments run strictly one after the other, and so do the syncs of one
segment. The two go on beside each other: bulk is copied into the page cache while the disk takes in
what was copied before. No segment is written to while bulk of the one before it is not synced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from goutube.crash_points import CrashPoint
from goutube.limits import MIB
from goutube.ports import Call, Disk, File, Outcome, SyncFile, WriteSegment
from goutube.storage.config import StorageConfig
from goutube.storage.heads import note_heads
from goutube.storage.index import SealedIndex
from goutube.storage.jobs import JobQueue
from goutube.storage.segment import (
    QueuedWrite,
    Segment,
    create_segment_file,
    seal_segment_file,
    sync_segment_file,
)
from goutube.storage.shard_log import ShardLog
from goutube.storage.stats import StoreStats

_HALVED_BYTES_MIN: Final = 4 * MIB
"""With less, two syncs in place of one cost more than the other half's writing beside the first."""


class SegmentWriter(JobQueue):
    """The segments' part of a store.

    Args:
        note_bytes: by how much a segment grows between two notes of its heads.

    Attributes:
        reserved_bytes: space that segments have asked for so far.
    """

    def __init__(self, config: StorageConfig, note_bytes: int) -> None:
        super().__init__()
        self.config = config
        self.stats = StoreStats()
        self.reserved_bytes = 0
        self._note_bytes = note_bytes
        self._queued: dict[int, ShardLog] = {}
        """Logs that may have something to write, sync or seal."""
        self._unmarked: dict[int, ShardLog] = {}
        """Logs with bulk that is synced, and under no mark yet."""
        self._advanced: dict[int, ShardLog] = {}
        self._sealed: list[tuple[ShardLog, Segment]] = []

    def take_advanced(self) -> Iterable[ShardLog]:
        """The logs whose commit index may have moved since the last call."""
        advanced, self._advanced = self._advanced, {}
        return advanced.values()

    def take_sealed(self) -> list[tuple[ShardLog, Segment]]:
        """The segments that were sealed since the last call, each with its log."""
        sealed, self._sealed = self._sealed, []
        return sealed

    def write_queued(self) -> None:
        """Start what can be: called once a round."""
        for log in list(self._queued.values()):
            self._write_segment(log)

    def create(self, log: ShardLog, segment: Segment) -> None:
        """Make a segment's file. Entries are written to it at once, not only once it lasts."""
        reserve = min(self.config.segment_bytes, self.config.allocate_bytes_max) // 16
        header = segment.header

        def then(outcome: Outcome) -> None:
            if not self.fail(outcome):
                assert outcome.value is not None
                segment.file = outcome.value  # type: ignore[assignment]  # what create returns
                segment.reserved = reserve
                self.stats.segments_created += 1
                self._queued[log.shard] = log
                assert segment.file is not None
                self._make_durable(log, segment, segment.file)

        self.reserved_bytes += reserve
        self.start_roomy(
            lambda ticket: Call(ticket, lambda disk: create_segment_file(disk, header, reserve)),
            then,
        )

    def _make_durable(self, log: ShardLog, segment: Segment, file: File) -> None:
        segment.syncing = True

        def then(outcome: Outcome) -> None:
            segment.syncing = False
            if not self.fail(outcome):
                segment.durable = True
                self._queued[log.shard] = log

        header = segment.header
        self.start(lambda ticket: Call(ticket, lambda d: sync_segment_file(d, header, file)), then)

    def _write_segment(self, log: ShardLog) -> None:
        """Start the next write of a log: all that is queued for its oldest unfinished segment.

        Bulk is written while what was written before it is being synced.
        """
        waiting = False
        for segment in log.unsealed():
            if segment.bulk_index and not segment.syncing:
                self.sync(log, segment)
            if segment.in_flight or (segment.queue and segment.file is None):
                return
            if segment.queue:
                self._write_queue(log, segment)
                return
            if segment.bulk_index:
                return  # nothing goes to the next segment before it is synced
            # Entries that have their place here may still be staged: full is not yet written.
            written = segment.full and segment.last_index <= log.written_index
            busy = segment.sealing or segment.syncing or segment.noting
            if written and not busy:
                self.seal(log, segment)
            waiting = waiting or segment.file is None or segment.full
        if not waiting:
            self._queued.pop(log.shard, None)

    def _write_queue(self, log: ShardLog, segment: Segment) -> None:
        writes = segment.queue if segment.syncing else _to_begin_with(segment.queue)
        end = writes[-1].position + sum(map(len, writes[-1].buffers))
        file = segment.file
        assert file is not None
        if end > segment.reserved:
            self._reserve(log, segment, file, end)
            return
        segment.queue = segment.queue[len(writes) :]
        segment.in_flight, segment.unsynced = writes, True
        bulk = any(write.bulk for write in writes)
        buffers = [buffer for write in writes for buffer in write.buffers]

        def then(outcome: Outcome) -> None:
            segment.in_flight = []
            if self.fail(outcome):
                return
            last_index = writes[-1].last_index  # a truncation meanwhile has lowered it
            was = log.commit_index
            log.written(last_index)
            self._advanced[log.shard] = log
            self._queued[log.shard] = log
            if bulk and last_index >= segment.header.name.first_index:
                segment.bulk_index = last_index
            self.quiet_end = not (bulk or segment.queue or segment.full or log.commit_index > was)

        position = writes[0].position
        self.start(lambda ticket: WriteSegment(ticket, file, position, buffers), then)

    def sync(self, log: ShardLog, segment: Segment, then: Callable[[], None] | None = None) -> None:
        """Sync what was written to a segment so far: a write under way may come too late for it.

        It has a file and no other sync under way; ``then`` is called once it is synced.
        """
        file, bulk = segment.file, segment.bulk_index > 0
        assert file is not None
        segment.unsynced, segment.syncing = bool(segment.in_flight), True
        segment.sync_index = log.written_index

        def synced(outcome: Outcome) -> None:
            segment.syncing = False
            if self.fail(outcome):
                return
            # Of a hidden segment it proves nothing: others have the indexes of its entries by now.
            if bulk and segment not in log.hidden and log.bulk_synced(segment):
                self._unmarked[log.shard] = self._advanced[log.shard] = log
            if segment.bulk_index <= segment.sync_index:
                segment.bulk_index = 0
            self._note_heads(log, segment)
            self._queued[log.shard] = log  # it may be full, or more be written meanwhile
            if then is not None:
                then()

        point = CrashPoint.BULK_DURABLE if bulk else CrashPoint.SEGMENT_FLUSHED
        self.start(lambda ticket: SyncFile(ticket, file, point), synced)

    def _note_heads(self, log: ShardLog, segment: Segment) -> None:
        def then() -> None:
            self._queued[log.shard] = log  # it may be full meanwhile

        segment.synced_index = max(segment.synced_index, segment.sync_index)
        percent_max = self.config.heads_percent_max
        note_heads(self, segment, log.marked_index, self._note_bytes, percent_max, then)

    def _reserve(self, log: ShardLog, segment: Segment, file: File, end: int) -> None:
        """Reserve disk space ahead of the writes, in steps that double."""
        if segment.reserving:
            return
        segment.reserving = True
        step = min(max(segment.reserved, 64 * 1024), self.config.allocate_bytes_max)
        start, target = segment.reserved, max(end, min(end + step, self.config.segment_bytes))

        def then(outcome: Outcome) -> None:
            segment.reserving = False
            if not self.fail(outcome):
                segment.reserved = target
                self._queued[log.shard] = log

        def allocate(disk: Disk) -> None:
            file.allocate(start, target - start)
            disk.reached(CrashPoint.SEGMENT_EXTENDED)

        self.reserved_bytes += target - start
        self.start_roomy(lambda ticket: Call(ticket, allocate), then)

    def seal(self, log: ShardLog, segment: Segment) -> None:
        """Seal a segment that is full, all of it written, and has no sync under way."""
        segment.sealing = segment.syncing = True
        terms = log.terms_between(segment.header.name.first_index, segment.last_index)

        def seal(disk: Disk) -> SealedIndex:
            return seal_segment_file(disk, segment, terms)

        def then(outcome: Outcome) -> None:
            if not self.fail(outcome):
                assert isinstance(outcome.value, SealedIndex)
                segment.index = outcome.value
                segment.sealed = True
                segment.unsynced = segment.syncing = False
                assert segment.file is not None
                segment.file.rest()
                self._sealed.append((log, segment))
                self.stats.segments_sealed += 1
                self._queued[log.shard] = log

        self.start_roomy(lambda ticket: Call(ticket, seal), then)


def _to_begin_with(writes: list[QueuedWrite]) -> list[QueuedWrite]:
    """Half of much bulk that waits, else all: its sync begins while the rest is written."""
    last = writes[-1]
    much = last.position - writes[0].position >= _HALVED_BYTES_MIN
    return writes[: (len(writes) + 1) // 2] if last.bulk and much else writes
