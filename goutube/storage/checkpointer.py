"""Moves the point from which the journal is replayed, so that its ring can be used again.

The order is: what the groups up to now hold is written to the segments, these are synced, then the
hard states, then the superblock says that replay begins behind those groups. Only then is their
room free.
"""

from __future__ import annotations

from goutube.crash_points import CrashPoint
from goutube.ports import Call, Disk, Outcome
from goutube.storage.hard_state import write_hard_state
from goutube.storage.journal import Superblock
from goutube.storage.segment import Segment, remove_segment_file, shard_directory
from goutube.storage.shard_log import ShardLog
from goutube.storage.store import Store


class Checkpointer:
    """Takes one checkpoint at a time, on a timer, at half of the ring, or when asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._target: Superblock | None = None
        self._waiting: dict[int, tuple[ShardLog, int]] = {}
        """Logs that have yet to write entries up to an index to their segments."""
        self._syncing = 0
        self._finishing = False
        self._asked = False
        self._renewing = False
        self._last_ms = 0
        self._garbage: list[Segment] = []
        store.on_group.append(self._group_ended)

    @property
    def running(self) -> bool:
        """Whether a checkpoint is under way."""
        return self._target is not None

    def ask(self) -> None:
        """Take a checkpoint as soon as possible."""
        self._asked = True

    def renew(self) -> None:
        """Write a superblock although nothing is new: the older one leads back further."""
        self._renewing = True

    def advance(self, now_ms: int) -> int | None:
        """Begin or go on; returns when to be called again, if nothing else happens."""
        store = self._store
        if store.failure is not None:
            return None
        if self.running:
            self._sync_written()
            return None
        if not store.journal_dirty:
            self._last_ms = now_ms
            self._asked = False
            if self._renewing and not store.group_running:
                self._begin()
            return None
        due = self._last_ms + store.config.checkpoint_ms
        half_full = store.journal.used_bytes * 2 > store.journal.superblock.ring_bytes
        if self._asked or half_full or now_ms >= due:
            self._last_ms = now_ms
            if not store.group_running:
                self._begin()
            else:
                self._asked = True
            return None
        return due

    def _group_ended(self) -> None:
        half_full = self._store.journal.used_bytes * 2 > self._store.journal.superblock.ring_bytes
        if not self.running and (self._asked or half_full):
            self._begin()

    def _begin(self) -> None:
        """Fix what this checkpoint covers: the groups so far, none of which is under way."""
        store = self._store
        self._asked = self._renewing = False
        self._target = store.journal.next_superblock(store.marks())
        self._waiting = {
            shard: (log, log.queued_index) for shard, log in store.take_unsynced().items()
        }
        # A truncation that is only staged has hidden nothing yet that a crash would not bring back.
        hidden = [s for log in store.logs if not log.staged for s in log.hidden]
        self._garbage = [s for s in hidden if s.durable and not s.noting]
        self._sync_written()

    def _sync_written(self) -> None:
        """Sync the segments of every log that has caught up with what the checkpoint covers."""
        for shard, (log, index) in list(self._waiting.items()):
            if log.written_index < min(index, log.last_index) or log.unmade:
                continue
            segments = log.hidden + log.segments
            unsynced = [segment for segment in segments if segment.unsynced or segment.syncing]
            if any(segment.syncing for segment in unsynced):
                continue
            del self._waiting[shard]
            for segment in unsynced:
                if segment.file is not None:
                    self._syncing += 1
                    self._store.sync(log, segment, self._synced)
        self._finish_when_synced()

    def _synced(self) -> None:
        self._syncing -= 1
        self._finish_when_synced()

    def _finish_when_synced(self) -> None:
        if self._waiting or self._syncing or self._finishing or self._target is None:
            return
        self._finishing = True
        target = self._target
        changed = [log for log in self._store.logs if log.hard_state != log.stored_hard_state]
        states = [(log, log.hard_state) for log in changed]
        garbage = self._garbage
        journal = self._store.journal

        def finish(disk: Disk) -> None:
            disk.reached(CrashPoint.JOURNAL_FLUSHED)
            for log, state in states:
                write_hard_state(disk, shard_directory(log.shard), state)
            journal.write_superblock(disk, target)
            for segment in garbage:
                remove_segment_file(disk, segment)

        def then(outcome: Outcome) -> None:
            self._target = None
            self._finishing = False
            if self._store.fail(outcome):
                return
            for log, state in states:
                log.stored_hard_state = state
            for segment in garbage:
                self._store.logs[segment.header.shard].hidden.remove(segment)
                if segment.file is not None:
                    segment.file.close()
            journal.wrote_superblock(target)
            self._store.stats.checkpoints += 1

        self._store.start_roomy(lambda ticket: Call(ticket, finish), then)
