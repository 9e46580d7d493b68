"""All shards of one data directory and the journal they share: staged entries in, disk jobs out.

The order that everything rests on: an entry counts as durable once a group whose mark covers it is
synced. Journalled entries lie in that group or an earlier one; bulk entries were synced in their
segment before the mark went out. Groups run strictly one after the other, and so do the writes of
one shard's segments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from goutube._native import JOURNAL_BLOCK_BYTES, encode_group
from goutube.crash_points import CrashPoint
from goutube.errors import InvariantError
from goutube.model import Buffer
from goutube.ports import Call, Disk, File, Job, Outcome, WriteGroup, WriteSegment
from goutube.storage.config import StorageConfig
from goutube.storage.entries import StagedEntries
from goutube.storage.group import Group, group_bytes
from goutube.storage.heads import note_heads
from goutube.storage.identity import Identity
from goutube.storage.index import SealedIndex
from goutube.storage.jobs import JobQueue
from goutube.storage.journal import DurableMark, Journal
from goutube.storage.segment import (
    Segment,
    create_segment_file,
    seal_segment_file,
    sync_segment_file,
)
from goutube.storage.shard_log import RecordKind, ShardLog, StagedRecord
from goutube.storage.stats import StoreStats


class Store(JobQueue):
    """The log of every shard that this data directory holds.

    Args:
        logs: one a shard, as recovery found them.

    """

    def __init__(
        self, config: StorageConfig, identity: Identity, journal: Journal, logs: list[ShardLog]
    ) -> None:
        super().__init__()
        self.config = config
        self.identity = identity
        self.journal = journal
        self.logs = logs
        self.stats = StoreStats()
        self.reserved_bytes = 0
        """Space that segments have asked for so far."""
        self._note_bytes = config.note_bytes(identity.shard_count)
        self._staged: dict[int, ShardLog] = {}
        self._unmarked: dict[int, ShardLog] = {}
        self._queued: dict[int, ShardLog] = {}
        self._unsynced: dict[int, ShardLog] = {}
        self.group_running = False
        """Whether a journal group is being written."""
        self._bulk_due = False
        self._advanced: dict[int, ShardLog] = {}
        self._sealed: list[tuple[ShardLog, Segment]] = []
        self.on_group: list[Callable[[], None]] = []
        """Called whenever no group is under way and one has just ended."""

    # Jobs

    def ready(self) -> list[Job]:
        """The jobs to start now; called once a round, after everything that has arrived."""
        if self.failure is None:
            self._route_bulk()
            self._form_group()
            for log in list(self._queued.values()):
                self._write_segment(log)
        return self.take_jobs()

    @property
    def can_wait(self) -> bool:
        """Whether there is nothing to do before the journal group under way has ended."""
        return self.group_running and not self.due and not self._bulk_due

    def take_advanced(self) -> Iterable[ShardLog]:
        """The logs whose commit index may have moved since the last call."""
        advanced, self._advanced = self._advanced, {}
        return advanced.values()

    def take_sealed(self) -> list[tuple[ShardLog, Segment]]:
        """The segments that were sealed since the last call, each with its log."""
        sealed, self._sealed = self._sealed, []
        return sealed

    @property
    def idle(self) -> bool:
        """Whether nothing is staged and no job is under way."""
        return not (self._staged or self._unmarked or self._queued or self.busy)

    @property
    def stuck(self) -> bool:
        """Whether all that is left to do waits for room; it is safe in the journal."""
        return self.lacks_room and not (self._staged or self._unmarked or self.busy)

    # Staging

    def staged(self, log: ShardLog) -> None:
        """Note that something was staged in a log."""
        self._staged[log.shard] = log
        if log.staged_bytes > self.config.bulk_bytes:
            self._bulk_due = True

    def resume(self, log: ShardLog) -> None:
        """Go on with what the last life of the process left to do for a log: sync and seal."""
        self._queued[log.shard] = log
        self._unsynced[log.shard] = log
        last = log.unsealed()
        for segment in log.segments[: len(log.segments) - len(last)]:
            if not segment.sealed:  # its index was lost, those of later segments were not
                self._seal(log, segment)

    def seal_long(self) -> None:
        """Seal what is long although it is not full: the next start reads an index in its place."""
        for log in self.logs:
            if log.segments and log.segments[-1].long:
                log.segments[-1].full = True
                self._queued[log.shard] = log

    def _route_bulk(self) -> None:
        """Send what is too much for the journal straight to its segment."""
        if not self._bulk_due:
            return
        self._bulk_due = False
        for log in [
            log for log in self._staged.values() if log.staged_bytes > self.config.bulk_bytes
        ]:
            if any(
                isinstance(i, StagedRecord) and i.kind is RecordKind.TRUNCATE for i in log.staged
            ):
                continue  # a cut must be durable before what follows it
            for entries in log.take_staged_entries():
                log.queue_write(entries, bulk=True)
                self.stats.bulk_bytes += entries.byte_count
            self._queue(log)
            if not log.staged:
                del self._staged[log.shard]

    def _queue(self, log: ShardLog) -> None:
        self._queued[log.shard] = log
        self._unsynced[log.shard] = log
        for segment in log.created:
            self._create(log, segment)
        log.created.clear()

    # The journal

    def _form_group(self) -> None:
        if self.group_running or not (self._staged or self._unmarked):
            return
        fitting = self._fitting()
        size = group_bytes(fitting, self._unmarked.keys())
        position = self.journal.place(size)
        if position is None:
            return  # the ring is full: the checkpoint under way makes room
        group = Group(logs=dict(self._unmarked))
        self._unmarked.clear()
        for log in fitting:
            del self._staged[log.shard]
            group.logs[log.shard] = log
            for item in log.take_staged():
                group.add(log, item)
                log.note_group(item.name, self.journal.sequence)
                if isinstance(item, StagedEntries):
                    log.queue_write(item, bulk=False)
            group.take_along(log, self.config.along_bytes_max)
            self._queue(log)
        self._submit_group(group, position, size)

    def _fitting(self) -> list[ShardLog]:
        """Logs whose staged entries fill one group, first come first served; at least one."""
        logs: list[ShardLog] = []
        total = 0
        for log in self._staged.values():
            total += log.staged_bytes
            if logs and total > self.config.group_bytes_max:
                break
            logs.append(log)
        return logs

    def _submit_group(self, group: Group, position: int, size: int) -> None:
        marks = [(log, log.begin_mark()) for log in group.logs.values()]
        rows = [
            (log.shard, log.replica, mark, log.term_at(mark), log.commit_index)
            for log, mark in marks
        ]
        head = encode_group(
            self.journal.seed, self.journal.sequence, rows, group.record_count, group.record_bytes
        )
        padding = size - len(head) - group.record_bytes
        if not 0 <= padding < JOURNAL_BLOCK_BYTES:
            raise InvariantError(f"a group of {size} bytes has {padding} bytes of padding")
        buffers: list[Buffer] = [head, *group.records, bytes(padding)]
        self.journal.advance(position, size)
        self.group_running = True

        def then(outcome: Outcome) -> None:
            self.group_running = False
            group.end_along()
            if not self.fail(outcome):
                for part in group.along:
                    part.log.written(part.write.last_index)
                self.stats.groups += 1
                self.stats.group_bytes += size
                for log, _ in marks:
                    log.end_mark()
                    self._advanced[log.shard] = log
                for callback in self.on_group:
                    callback()

        file, seed = self.journal.file, self.journal.seed
        along = [part.job for part in group.along]
        self.start(lambda ticket: WriteGroup(ticket, file, position, seed, buffers, along), then)

    def marks(self) -> list[DurableMark]:
        """The durable mark of every log as of now."""
        return [
            DurableMark(
                log.shard,
                log.generation,
                log.replica,
                log.durable_index,
                log.term_at(log.durable_index),
                log.commit_index,
            )
            for log in self.logs
        ]

    # Segments

    def _create(self, log: ShardLog, segment: Segment) -> None:
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
        """Start the next write of a log: all that is queued for its oldest unfinished segment."""
        waiting = False
        for segment in log.unsealed():
            if segment.in_flight or (segment.queue and segment.file is None):
                return
            if segment.queue:
                self._write_queue(log, segment)
                return
            # Entries that have their place here may still be staged: full is not yet written.
            written = segment.full and segment.last_index <= log.written_index
            busy = segment.sealing or segment.syncing or segment.noting
            if written and not busy:
                self._seal(log, segment)
            waiting = waiting or segment.file is None or segment.full
        if not waiting:
            self._queued.pop(log.shard, None)

    def _write_queue(self, log: ShardLog, segment: Segment) -> None:
        writes = segment.queue
        end = writes[-1].position + sum(map(len, writes[-1].buffers))
        file = segment.file
        assert file is not None
        if end > segment.reserved:
            self._reserve(log, segment, file, end)
            return
        bulk = any(write.bulk for write in writes)
        if bulk and segment.syncing:
            return
        segment.queue, segment.in_flight = [], writes
        segment.unsynced, segment.syncing = True, segment.syncing or bulk
        buffers = [buffer for write in writes for buffer in write.buffers]

        def then(outcome: Outcome) -> None:
            segment.in_flight = []
            segment.syncing = segment.syncing and not bulk
            if self.fail(outcome):
                return
            last_index = writes[-1].last_index  # a truncation meanwhile has lowered it
            was = log.commit_index
            log.written(last_index)
            self._advanced[log.shard] = log
            self._queued[log.shard] = log
            if bulk:
                segment.unsynced = False
                self.synced(log, segment, last_index)
                log.bulk_synced(last_index)
                self._unmarked[log.shard] = log
            self.quiet_end = not (bulk or segment.queue or segment.full or log.commit_index > was)

        position = writes[0].position
        self.start(lambda ticket: WriteSegment(ticket, file, position, buffers, bulk), then)

    def synced(self, log: ShardLog, segment: Segment, index: int) -> None:
        """Take in that a segment was synced when entries up to ``index`` were written to it."""
        segment.synced_index = max(segment.synced_index, index)

        def then() -> None:
            self._queued[log.shard] = log  # it may be full meanwhile

        percent_max = self.config.heads_percent_max
        note_heads(self, segment, log.durable_index, self._note_bytes, percent_max, then)

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

    def _seal(self, log: ShardLog, segment: Segment) -> None:
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

    # What the checkpoint asks for

    @property
    def journal_dirty(self) -> bool:
        """Whether something rests on the journal alone."""
        return self.journal.used_bytes > 0 or bool(self._unsynced)

    def take_unsynced(self) -> dict[int, ShardLog]:
        """The logs with segments that were written since the last call."""
        unsynced, self._unsynced = self._unsynced, {}
        return unsynced
