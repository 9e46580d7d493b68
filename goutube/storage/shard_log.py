"""One shard's log, which is its Raft log: index, term, truncation of a suffix, durability in order.

The log gives entries their place and encodes them; ``store`` carries them to the journal and to the
segments and says here what has become durable and what has been written. It does no I/O itself.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from msgspec import Struct

from goutube._native import ENTRY_ALIGN, ENTRY_HEADER_BYTES, encode_entry_header
from goutube.model import Buffer, EntryIndex, ShardId, stream_id_of
from goutube.ports import Entropy
from goutube.storage.damage import Damage, LostRange
from goutube.storage.durable_order import DurableOrder
from goutube.storage.entries import STAGED_BYTES, NewEntry, SegmentName, StagedEntries
from goutube.storage.hard_state import NO_HARD_STATE, HardState
from goutube.storage.heads import begin_heads
from goutube.storage.index import ActiveIndex
from goutube.storage.segment import (
    SEGMENT_HEADER_BYTES,
    QueuedWrite,
    Segment,
    SegmentHeader,
)

_PADDING: Final = [bytes(n) for n in range(ENTRY_ALIGN)]
_NO_PRODUCER: Final = b""


class RecordKind(IntEnum):
    """What a record in the journal says; numbers are never reused."""

    ENTRIES = 1
    TRUNCATE = 2
    HARD_STATE = 3
    SEGMENT_CREATED = 4


class StagedRecord(Struct, frozen=True):
    """Something other than entries that the journal must hold before what is staged after it."""

    kind: RecordKind
    name: SegmentName
    body: bytes


class ShardLog(DurableOrder):
    """The log of one replica of one shard.

    Args:
        shard, replica: which replica this is.
        owner: 16 bytes, the data directory's incarnation.
        segment_bytes: where a segment is full.

    Attributes:
        last_index, last_term: of the newest entry, durable or not.
        written_index: entries up to here are in their segments' page cache and can be read.
        hard_state: the newest term and vote, durable or staged.
        fault: why the log takes no entries; empty where it does.
        damages: the quarantine: every range of bytes that is known not to be whole.
    """

    def __init__(
        self, shard: ShardId, replica: int, owner: bytes, segment_bytes: int, entropy: Entropy
    ) -> None:
        super().__init__()
        self.shard = shard
        self.replica = replica
        self.segments: list[Segment] = []
        self.created: list[Segment] = []
        """Segments whose files the store has yet to make."""
        self.hidden: list[Segment] = []
        """Segments that a truncation hid; their files go when the truncation is checkpointed."""
        self.staged: list[StagedEntries | StagedRecord] = []
        self.staged_bytes = 0
        self.first_index = 1
        self.last_index = 0
        self.last_term = 0
        self.written_index = 0
        self.generation = 0
        self.checkpoint_index = 0
        """What the newest checkpoint covers, which is in ``checkpoint_slot``."""
        self.covered_index = 0
        """What both checkpoints cover: segments up to here can be done without."""
        self.checkpoint_slot = 1
        self.hard_state = NO_HARD_STATE
        self.stored_hard_state = NO_HARD_STATE
        """What the hard-state file holds."""
        self.fault = ""
        self.damages: list[Damage] = []
        self.on_damage: Callable[[Damage], None] | None = None
        """Told of damage that was not known."""
        self._terms: list[tuple[int, int]] = []
        self.owner = owner
        self._segment_bytes = segment_bytes
        self._entropy = entropy

    # Reading what is there

    def term_at(self, index: int) -> int:
        """The term of the entry at ``index``; 0 before the first one.

        Raises:
            IndexError: the log has no such entry.
        """
        if index == 0:
            return 0
        place = bisect_right(self._terms, (index, 1 << 64)) - 1
        if place < 0 or index > self.last_index:
            raise IndexError(f"shard {self.shard} has no entry {index}")
        return self._terms[place][1]

    def terms_between(self, first: int, last: int) -> list[tuple[int, int]]:
        """(index where it begins, term) of every run of one term in [first, last]."""
        inside = [run for run in self._terms if first < run[0] <= last]
        return [(first, self.term_at(first)), *inside] if first <= last else inside

    def note_damage(self, damage: Damage) -> bool:
        """Take damage into the quarantine, whoever found it; whether it was not known before.

        The one place for it: recovery, reads and the scrubber end here. Everything else in the log
        stays readable, and the log goes on: where recovery finds that it cannot, it sets ``fault``.
        """
        if any(known.covers(damage) for known in self.damages):
            return False
        self.damages.append(damage)
        if self.on_damage is not None:
            self.on_damage(damage)
        return True

    def forget_damages(self, path: str) -> bool:
        """Drop the damage of a file that is gone, or made anew; whether any was written down."""
        gone = [damage for damage in self.damages if damage.path == path]
        self.damages = [damage for damage in self.damages if damage.path != path]
        return any(damage.last_index for damage in gone)

    def lost_between(self, stream_id: int, first: int, after: int) -> LostRange | None:
        """The first bytes of a stream from ``first`` to before ``after`` that no segment holds."""
        ranges = [
            lost
            for damage in self.damages
            if damage.last_index
            for lost in damage.lost
            if lost.stream_id == stream_id and lost.first < after and first < lost.after
        ]
        return min(ranges, key=lambda lost: lost.first, default=None)

    @property
    def commit_index(self) -> int:
        """Up to here entries are durable and readable: on a lone voter, committed."""
        return min(self.durable_index, self.written_index)

    # Appending

    def append(self, entry: NewEntry, term: int) -> EntryIndex:
        """Give an entry its index and place and stage it; returns the index.

        Invariant: terms never fall along the log.
        """
        assert term >= self.last_term
        index = EntryIndex(self.last_index + 1)
        batch = entry.batch
        stream_id = entry.stream_id or stream_id_of(self.shard, index)
        tables, data = (batch.tables, batch.data) if batch else (b"", b"")
        size = ENTRY_HEADER_BYTES + len(entry.control) + len(tables) + len(data)
        padding = _PADDING[-size % ENTRY_ALIGN]
        size += len(padding)
        segment = self._segment_with_room(size)
        producer = entry.producer
        head = encode_entry_header(
            segment.header.salt, entry.kind, entry.flags | (batch.flags if batch else 0), index,
            term, stream_id, entry.offset, entry.ordinal, entry.stamp_ms, entry.producer_time_ms,
            producer.producer_id if producer else _NO_PRODUCER,
            producer.sequence if producer else 0, producer.epoch if producer else 0,
            batch.record_count if batch else 0, entry.control, len(tables), len(data),
            batch.checksum if batch else 0,
        )  # fmt: skip
        parts: list[Buffer] = [head]
        if entry.control:
            parts.append(entry.control)
        if batch:
            parts += (tables, data)
            segment.index.add(  # type: ignore[union-attr]  # what takes entries still grows
                stream_id, entry.offset, entry.ordinal, entry.stamp_ms, segment.size, size
            )
        if padding:
            parts.append(padding)
        self._stage(segment, index, term, size, parts)
        segment.size += size
        segment.last_index = index
        self.note_term(index, term)
        return index

    def note_term(self, index: int, term: int) -> None:
        """Take in that the entry at ``index``, the next one, has ``term``."""
        if term != self.last_term:
            self._terms.append((index, term))
            self.last_term = term
        self.last_index = index

    def note_checkpoint(self, index: int, slot: int) -> None:
        """Take in that a checkpoint was written beside the one before it."""
        self.covered_index, self.checkpoint_index = self.checkpoint_index, index
        self.checkpoint_slot = slot

    def note_group(self, name: SegmentName, sequence: int) -> None:
        """Take in that the journal group of this number holds something of a segment."""
        segment = self._segment_named(name)
        if segment is not None:
            segment.group = sequence

    def replace_segment(self, old: Segment, made: Segment) -> None:
        """Go on with the next revision of a sealed segment."""
        self.segments[self.segments.index(old)] = made

    def drop_first_segment(self) -> Segment:
        """Begin behind the first segment, which was freed; returns it."""
        segment = self.segments.pop(0)
        self.first_index = self.segments[0].header.name.first_index
        return segment

    def set_hard_state(self, state: HardState) -> None:
        """Stage a new term and vote, ahead of whatever is staged next."""
        self.hard_state = state
        name = SegmentName(self.last_index + 1, self.generation)
        self.staged.append(StagedRecord(RecordKind.HARD_STATE, name, state.encode()))

    def truncate(self, after: int) -> None:
        """Drop all entries behind ``after``; the cut is durable with the next journal group.

        The dropped entries stay in their file, hidden by the next generation of segment: a file is
        never shortened here, so that no crash can bring them back half.
        """
        assert self.first_index - 1 <= after < self.last_index
        self.generation += 1
        for segment in [s for s in self.segments if s.header.name.first_index > after]:
            self.segments.remove(segment)
            self.hidden.append(segment)
        term = self.term_at(after)
        while self._terms and self._terms[-1][0] > after:
            self._terms.pop()
        self.last_index, self.last_term = after, term
        self.written_index = min(self.written_index, after)
        self._lower_pending(after)
        if self.segments:
            self.segments[-1].full = True
            self.segments[-1].last_index = min(self.segments[-1].last_index, after)
        name = SegmentName(after + 1, self.generation)
        self.staged.append(StagedRecord(RecordKind.TRUNCATE, name, struct.pack("<Q", after)))
        self._new_segment()

    def _lower_pending(self, after: int) -> None:
        """What is on its way to the disk proves no entry behind ``after`` any more."""
        self.cut_order(after)
        for item in self.staged:
            if isinstance(item, StagedEntries):
                item.last_index = min(item.last_index, after)
        for segment in self.hidden + self.segments:
            segment.sync_index = min(segment.sync_index, after)
            segment.bulk_index = min(segment.bulk_index, after)
            for write in segment.queue + segment.in_flight:
                write.last_index = min(write.last_index, after)

    def _stage(
        self, segment: Segment, index: int, term: int, size: int, parts: list[Buffer]
    ) -> None:
        """Stage the entry that goes to the segment's end; with the one before it, if it may."""
        last = self.staged[-1] if self.staged else None
        name = segment.header.name
        if isinstance(last, StagedEntries) and last.name is name and last.byte_count < STAGED_BYTES:
            last.last_index, last.last_term = index, term
            last.byte_count += size
            last.buffers += parts
        else:
            self.staged.append(StagedEntries(name, segment.size, index, term, size, parts))
        self.staged_bytes += size

    def _segment_with_room(self, size: int) -> Segment:
        if self.segments:
            segment = self.segments[-1]
            fits = segment.size + size <= self._segment_bytes
            if not segment.full and (fits or segment.size == SEGMENT_HEADER_BYTES):
                return segment
            segment.full = True
        return self._new_segment()

    def _new_segment(self) -> Segment:
        header = SegmentHeader(
            shard=self.shard,
            replica=self.replica,
            name=SegmentName(self.last_index + 1, self.generation),
            salt=int.from_bytes(self._entropy.token_bytes(4), "little"),
            previous_index=self.last_index,
            previous_term=self.last_term,
            owner=self.owner,
        )
        segment = Segment(
            header, ActiveIndex(), SEGMENT_HEADER_BYTES, self.last_index, durable=False
        )
        segment.noted = begin_heads(header)
        self.segments.append(segment)
        self.created.append(segment)
        self.staged.append(StagedRecord(RecordKind.SEGMENT_CREATED, header.name, header.encode()))
        return segment

    def unsealed(self) -> list[Segment]:
        """The segments that may have something left to do, oldest first."""
        found: list[Segment] = []
        for segment in reversed(self.segments):
            if segment.sealed:
                break  # writes go in order; those before it are sealed, or being sealed
            found.append(segment)
        return found[::-1]

    @property
    def unmade(self) -> bool:
        """Whether a segment's file is being made: until it lasts, the journal alone knows of it."""
        return any(not s.durable and s not in self.created for s in self.unsealed())

    # Durability, told by the store

    def take_staged(self) -> list[StagedEntries | StagedRecord]:
        """Everything staged, in order; nothing is staged afterwards."""
        staged, self.staged, self.staged_bytes = self.staged, [], 0
        return staged

    def take_staged_entries(self) -> list[StagedEntries]:
        """The staged entries alone; records stay staged for the journal."""
        entries = [item for item in self.staged if isinstance(item, StagedEntries)]
        self.staged = [item for item in self.staged if isinstance(item, StagedRecord)]
        self.staged_bytes = 0
        return entries

    def queue_write(self, entries: StagedEntries, *, bulk: bool) -> None:
        """Queue staged entries for their segment.

        What goes to the journal is durable with the group that is being formed, bulk when synced.
        """
        segment = self._segment_named(entries.name)
        if segment is not None:
            write = QueuedWrite(entries.position, entries.last_index, entries.buffers, bulk)
            segment.queue.append(write)
        self.queue_order(entries.last_index, bulk=bulk)

    def bulk_synced(self, segment: Segment) -> bool:
        """Bulk entries of a segment up to its ``sync_index`` are synced; whether there were any."""
        return self.synced(segment.header.name.first_index, segment.sync_index)

    def written(self, last_index: int) -> None:
        """Entries up to ``last_index`` are in their segment, unless a truncation dropped them."""
        self.written_index = min(max(self.written_index, last_index), self.last_index)

    def _segment_named(self, name: SegmentName) -> Segment | None:
        for segments in (self.segments, self.hidden):
            for segment in reversed(segments):
                if segment.header.name == name:
                    return segment
        return None
