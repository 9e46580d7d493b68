"""All shards of one data directory and the journal they share: staged entries in, disk jobs out.

The order that everything rests on: an entry counts as durable once it is synced, in a group of the
journal or, bulk, in its segment, and all in front of it is. A mark says so in the next group, which
is begun at once and which nobody waits for. Groups run strictly one after the other.
"""

from __future__ import annotations

from collections.abc import Callable

from goutube._native import JOURNAL_BLOCK_BYTES, encode_group
from goutube.errors import InvariantError
from goutube.model import Buffer
from goutube.ports import Job, Outcome, WriteGroup
from goutube.storage.config import StorageConfig
from goutube.storage.entries import StagedEntries
from goutube.storage.group import Group, group_bytes
from goutube.storage.identity import Identity
from goutube.storage.journal import DurableMark, Journal
from goutube.storage.shard_log import RecordKind, ShardLog, StagedRecord
from goutube.storage.writing import SegmentWriter


class Store(SegmentWriter):
    """The log of every shard that this data directory holds.

    Args:
        logs: one a shard, as recovery found them.

    """

    def __init__(
        self, config: StorageConfig, identity: Identity, journal: Journal, logs: list[ShardLog]
    ) -> None:
        super().__init__(config, config.note_bytes(identity.shard_count))
        self.identity = identity
        self.journal = journal
        self.logs = logs
        self._staged: dict[int, ShardLog] = {}
        self._unsynced: dict[int, ShardLog] = {}
        self.group_running = False
        """Whether a journal group is being written."""
        self._bulk_due = False
        self.on_group: list[Callable[[], None]] = []
        """Called whenever no group is under way and one has just ended."""

    # Jobs

    def ready(self) -> list[Job]:
        """The jobs to start now; called once a round, after everything that has arrived."""
        if self.failure is None:
            self._route_bulk()
            self._form_group()
            self.write_queued()
        return self.take_jobs()

    @property
    def can_wait(self) -> bool:
        """Whether there is nothing to do before the journal group under way has ended."""
        return self.group_running and not self.due and not self._bulk_due

    @property
    def grouping(self) -> bool:
        """Whether a journal group is under way, or waits for nothing but to be formed."""
        return self.failure is None and (self.group_running or bool(self._staged or self._unmarked))

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
                self.seal(log, segment)

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
            kinds = {item.kind for item in log.staged if isinstance(item, StagedRecord)}
            if RecordKind.TRUNCATE in kinds:
                continue  # nothing is written behind a cut that may not last
            if RecordKind.HARD_STATE in kinds:
                log.await_record()
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
            self.create(log, segment)
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
                else:
                    log.queue_record()
            if group.take_along(log, self.config.along_bytes_max) and not log.created:
                self._unsynced[log.shard] = log  # and nothing more to write
            else:
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

    # What the checkpoint asks for

    @property
    def journal_dirty(self) -> bool:
        """Whether something rests on the journal alone."""
        return self.journal.used_bytes > 0 or bool(self._unsynced)

    def take_unsynced(self) -> dict[int, ShardLog]:
        """The logs with segments that were written since the last call."""
        unsynced, self._unsynced = self._unsynced, {}
        return unsynced
