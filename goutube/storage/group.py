"""A journal group while it is being formed: what each shard has staged, as records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from msgspec import Struct

from goutube._native import (
    ENTRY_ALIGN,
    JOURNAL_BLOCK_BYTES,
    JOURNAL_RECORD_HEADER_BYTES,
    encode_record_header,
)
from goutube.model import Buffer
from goutube.ports import WriteAlong
from goutube.storage.entries import StagedEntries
from goutube.storage.segment import QueuedWrite, Segment
from goutube.storage.shard_log import RecordKind, ShardLog, StagedRecord

GROUP_HEAD_BYTES: Final = 64
GROUP_MARK_BYTES: Final = 40


class Along(Struct, frozen=True):
    """Entries of a group that its own job writes to their segment, too."""

    log: ShardLog
    segment: Segment
    write: QueuedWrite
    job: WriteAlong


class Group(Struct):
    """A journal group that is being formed; ``records`` are its bytes behind the marks."""

    records: list[Buffer] = []
    record_count: int = 0
    record_bytes: int = 0
    logs: dict[int, ShardLog] = {}
    along: list[Along] = []
    _entries: StagedEntries | None = None
    """Those that were added last; ``_first`` is the number of their first buffer in ``records``."""
    _first: int = 0
    _along_bytes: int = 0

    def add(self, log: ShardLog, item: StagedEntries | StagedRecord) -> None:
        """Put what one shard has staged into the group."""
        if isinstance(item, StagedEntries):
            name, kind, position = item.name, RecordKind.ENTRIES, item.position
            body, length = item.buffers, item.byte_count
            self._entries, self._first = item, len(self.records) + 1
        else:
            name, kind, position = item.name, item.kind, 0
            padding = bytes(-len(item.body) % ENTRY_ALIGN)
            body, length = [item.body + padding], len(item.body) + len(padding)
        self.records.append(
            encode_record_header(
                kind, log.shard, log.replica, name.first_index, name.generation, position, length
            )
        )
        self.records += body
        self.record_count += 1
        self.record_bytes += JOURNAL_RECORD_HEADER_BYTES + length

    def take_along(self, log: ShardLog, bytes_max: int) -> bool:
        """Take over a log's next write to its segment, where that is what was just added of it.

        Not where others come before it or the segment is not ready for it, nor more than
        ``bytes_max`` of the group: long writes are made while the group is being synced.

        Returns:
            whether it did.
        """
        entries = self._entries
        segments = [s for s in log.unsealed() if s.queue or s.in_flight or s.bulk_index]
        if entries is None or len(segments) != 1:
            return False
        if self._along_bytes + entries.byte_count > bytes_max:
            return False
        (segment,) = segments
        file, writes = segment.file, segment.queue
        if file is None or segment.in_flight:
            return False
        if not writes or writes[0].buffers is not entries.buffers:
            return False
        if entries.position + entries.byte_count > segment.reserved:
            return False
        self._along_bytes += entries.byte_count
        segment.queue, segment.in_flight, segment.unsynced = [], writes, True
        # The head comes before the records.
        job = WriteAlong(file, entries.position, 1 + self._first, len(entries.buffers))
        self.along.append(Along(log, segment, writes[0], job))
        return True

    def end_along(self) -> None:
        """Take in that the group's job has ended, well or not."""
        for part in self.along:
            part.segment.in_flight = []


def group_bytes(logs: Sequence[ShardLog], unmarked: Collection[int]) -> int:
    """The size of a group of what ``logs`` have staged, whole blocks.

    These shards have a mark in it, and so have those whose numbers are in ``unmarked``.
    """
    marked = {log.shard for log in logs}.union(unmarked)
    total = GROUP_HEAD_BYTES + GROUP_MARK_BYTES * len(marked)
    for log in logs:
        for item in log.staged:
            body = item.byte_count if isinstance(item, StagedEntries) else len(item.body)
            total += JOURNAL_RECORD_HEADER_BYTES + body + -body % ENTRY_ALIGN
    return -(-total // JOURNAL_BLOCK_BYTES) * JOURNAL_BLOCK_BYTES
