"""Recovering one shard: its segments in order; what in them is whole, torn or damaged."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from goutube._native import (
    BATCH_DELTAS,
    ENTRY_HEADER_BYTES,
    EntryHeader,
    EntryScan,
    find_entry,
    last_delta,
    scan_entries,
)
from goutube.errors import CorruptionError, DataDirError
from goutube.ports import Disk
from goutube.storage.checkpoint import Checkpoint, checkpoint_path, read_checkpoints
from goutube.storage.entries import SegmentName
from goutube.storage.index import ActiveIndex, SealedIndex, read_index
from goutube.storage.journal import DurableMark
from goutube.storage.segment import SEGMENT_HEADER_BYTES, Segment, SegmentHeader, shard_directory
from goutube.storage.shard_log import ShardLog

_EVERY_INDEX: Final = (1 << 63) - 1
_INDEX: Final = struct.Struct("<Q")
_INDEX_AT: Final = 8
"""Of the index in an entry's header."""


class RecoveredEntry(Struct, frozen=True):
    """One entry for the catalogue: its header, control section, and its last record's time."""

    header: EntryHeader
    control: bytes
    last_stamp: int


class Damage(Struct, frozen=True):
    """Entries that were durable and cannot be read: all from ``first_index`` to ``last_index``."""

    path: str
    position: int
    first_index: int
    last_index: int


class RecoveredShard(Struct):
    """A log as it was found, and what its catalogue is made of.

    Attributes:
        torn_bytes: how much was cut above the durable mark: never acknowledged.
    """

    log: ShardLog
    checkpoint: Checkpoint | None = None
    damages: list[Damage] = []
    torn_bytes: int = 0
    _scans: list[tuple[memoryview, list[EntryHeader]]] = []

    def entries(self) -> Iterator[RecoveredEntry]:
        """Every entry behind the checkpoint, in order; to be gone through once."""
        after = self.checkpoint.index if self.checkpoint else 0
        for content, headers in self._scans:
            for header in headers:
                if header.index > after:
                    yield _recovered(content, header)
        self._scans.clear()

    def add_scan(self, content: memoryview, headers: list[EntryHeader]) -> None:
        """Keep what was found in one segment until it is folded."""
        self._scans.append((content, headers))


def _recovered(content: memoryview, header: EntryHeader) -> RecoveredEntry:
    start = header.position + ENTRY_HEADER_BYTES
    tables = start + header.control_bytes
    stamp = header.stamp
    if header.flags & BATCH_DELTAS:
        table = content[tables : tables + header.tables_bytes]
        stamp += last_delta(header.record_count, header.flags, table)
    return RecoveredEntry(header, bytes(content[start:tables]), stamp)


def recover_shard(disk: Disk, log: ShardLog, mark: DurableMark | None) -> RecoveredShard:
    """Bring a log back from its files.

    ``mark`` is what is certainly durable; None for a shard that never was in a group.
    """
    recovered = RecoveredShard(log)
    _take_checkpoint(disk, recovered)
    log.generation = mark.generation if mark else 0
    durable = mark.index if mark else 0
    names = _chain(disk, log, durable)
    for place, name in enumerate(names):
        last = place + 1 == len(names)
        limit = durable if last else min(durable, names[place + 1].first_index - 1)
        header = _read_header(disk, log, name)
        if place == 0:
            _begin(recovered, header)
        _check_link(recovered, header)
        _recover_segment(disk, recovered, header, limit, last=last)
    log.durable_index = log.written_index = log.queued_index = log.last_index
    if log.last_index < durable:
        _note_damage(recovered, Damage(shard_directory(log.shard), 0, log.last_index + 1, durable))
    return recovered


def _take_checkpoint(disk: Disk, recovered: RecoveredShard) -> None:
    """Start from the newest checkpoint that is whole."""
    log = recovered.log
    found = read_checkpoints(disk, shard_directory(log.shard))
    for slot in sorted(found, key=lambda slot: found[slot].index):
        recovered.checkpoint = found[slot]
        log.note_checkpoint(found[slot].index, slot)


def _begin(recovered: RecoveredShard, header: SegmentHeader) -> None:
    """A log whose first segments were freed begins behind them, at or before its checkpoint."""
    log = recovered.log
    log.first_index = header.name.first_index
    if header.previous_index > log.checkpoint_index:
        path = checkpoint_path(shard_directory(log.shard), log.checkpoint_slot)
        _note_damage(recovered, Damage(path, 0, 1, header.previous_index))
    if header.previous_index:
        log.note_term(header.previous_index, header.previous_term)


def _chain(disk: Disk, log: ShardLog, durable: int) -> list[SegmentName]:
    """The segments that make up the log, in order.

    The others are put aside to be removed: what a truncation hid, and what holds nothing durable.
    """
    files = disk.list(shard_directory(log.shard))
    names = [name for name in map(SegmentName.parse, files) if name is not None]
    _remove_leavings(disk, log, files, names)
    chain: list[SegmentName] = []
    named = [n for n in names if n.generation <= log.generation and n.first_index <= durable]
    hidden = [name for name in names if name not in named]
    for name in sorted(named, key=lambda n: (n.generation, n.first_index)):
        while chain and chain[-1].first_index >= name.first_index:
            hidden.append(chain.pop())
        chain.append(name)
    log.hidden = [_hidden_segment(log, name) for name in hidden]
    return chain


def _remove_leavings(disk: Disk, log: ShardLog, files: list[str], names: list[SegmentName]) -> None:
    """Remove what a crash left of files that were being made or removed."""
    indexes = {name.index_name for name in names}
    for file in files:
        if file.endswith(".tmp") or (file.endswith(".idx") and file not in indexes):
            disk.remove(f"{shard_directory(log.shard)}/{file}")


def _hidden_segment(log: ShardLog, name: SegmentName) -> Segment:
    header = SegmentHeader(log.shard, log.replica, name, 0, 0, 0, bytes(16))
    return Segment(header, ActiveIndex(), SEGMENT_HEADER_BYTES, 0, sealed=True)


def _read_header(disk: Disk, log: ShardLog, name: SegmentName) -> SegmentHeader:
    path = f"{shard_directory(log.shard)}/{name.file_name}"
    file = disk.open(path, write=False)
    try:
        header = SegmentHeader.decode(file.read(0, SEGMENT_HEADER_BYTES), path)
    finally:
        file.close()
    if (header.shard, header.replica, header.name) != (log.shard, log.replica, name):
        raise DataDirError(
            f"{path} is a segment of shard {header.shard}, replica {header.replica}, first index "
            f"{header.name.first_index}: it was put here by hand. Take it out of the directory",
            path=path,
        )
    return header


def _check_link(recovered: RecoveredShard, header: SegmentHeader) -> None:
    """Entries between the segment before and this one are gone: note which."""
    log = recovered.log
    if header.previous_index > log.last_index:
        path = f"{shard_directory(log.shard)}/{header.name.file_name}"
        _note_damage(recovered, Damage(path, 0, log.last_index + 1, header.previous_index))
        log.note_term(header.previous_index, header.previous_term)


def _note_damage(recovered: RecoveredShard, damage: Damage) -> None:
    recovered.damages.append(damage)
    recovered.log.fault = (
        f"entries {damage.first_index} to {damage.last_index} of shard {recovered.log.shard} are "
        f"damaged: see {damage.path} at {damage.position}"
    )


def _recover_segment(
    disk: Disk, recovered: RecoveredShard, header: SegmentHeader, limit: int, *, last: bool
) -> None:
    """Take in a segment's entries up to index ``limit``: those behind were never acknowledged."""
    log = recovered.log
    segment = Segment(header, ActiveIndex(), SEGMENT_HEADER_BYTES, log.last_index)
    file = disk.open(segment.path)
    segment.file, segment.reserved = file, file.size()
    log.segments.append(segment)
    content = file.map()
    sealed = _sealed_index(disk, segment, limit)
    if sealed is not None:
        for first, term in sealed.about.terms:
            log.note_term(first, term)
        log.last_index = segment.last_index = sealed.about.last_index
        segment.index, segment.size = sealed, segment.reserved
        segment.full = segment.sealing = segment.sealed = True
        file.rest()
        if log.last_index > log.checkpoint_index:
            if segment.freed:
                path = checkpoint_path(shard_directory(log.shard), log.checkpoint_slot)
                first = log.checkpoint_index + 1
                _note_damage(recovered, Damage(path, 0, first, log.last_index))
            recovered.add_scan(content, _headers_of(content, header))
        return
    headers = _scan(recovered, segment, content, limit)
    assert isinstance(segment.index, ActiveIndex)
    for entry in headers:
        log.note_term(entry.index, entry.term)
        segment.index.add_header(entry)
    segment.last_index = log.last_index
    segment.full = not last
    segment.unsynced = True
    if last:
        recovered.torn_bytes += _torn_bytes(content, segment.size)
    recovered.add_scan(content, headers)


def _sealed_index(disk: Disk, segment: Segment, limit: int) -> SealedIndex | None:
    """The segment's index if it was sealed; a bad one is made anew from the segment.

    One that tells of entries behind ``limit`` goes: others will stand in their places.
    """
    if not disk.exists(segment.index_path):
        return None
    try:
        index = read_index(disk, segment.index_path)
    except CorruptionError:
        return None
    if index.about.last_index <= limit:
        return index
    disk.remove(segment.index_path)
    disk.sync_directory(shard_directory(segment.header.shard))
    return None


def _headers_of(content: memoryview, header: SegmentHeader) -> list[EntryHeader]:
    """The headers of a sealed segment, for a catalogue whose checkpoint is older than it."""
    scan = scan_entries(
        content,
        SEGMENT_HEADER_BYTES,
        header.salt,
        header.name.first_index,
        header.previous_term,
        _EVERY_INDEX,
    )
    return scan.headers


def _scan(
    recovered: RecoveredShard, segment: Segment, content: memoryview, limit: int
) -> list[EntryHeader]:
    """The entries of a segment that was not sealed, up to ``limit``; sets its size to their end.

    Payloads are not verified: they were when they were acknowledged, and every read does it again.
    """
    salt = segment.header.salt
    found: list[EntryHeader] = []
    next_index, term = segment.header.name.first_index, segment.header.previous_term
    position = SEGMENT_HEADER_BYTES
    while next_index <= limit:
        scan = scan_entries(content, position, salt, next_index, term, _EVERY_INDEX)
        found += _up_to(scan, limit)
        if found:
            next_index, term = found[-1].index + 1, found[-1].term
        if next_index > limit:
            break
        # Entries up to the limit were durable: look behind the damage for the next good one.
        position = find_entry(content, scan.position, salt, next_index + 1)
        if position < 0:
            break
        good_index = _INDEX.unpack_from(content, position + _INDEX_AT)[0]
        if good_index > limit:
            break
        _note_damage(recovered, Damage(segment.path, scan.position, next_index, good_index - 1))
        next_index = good_index
    if found:
        segment.size = found[-1].position + found[-1].entry_bytes
    return found


def _up_to(scan: EntryScan, limit: int) -> list[EntryHeader]:
    """The entries that are durable and that the next generation does not hide."""
    if not scan.headers or scan.headers[-1].index <= limit:
        return scan.headers
    return [header for header in scan.headers if header.index <= limit]


def _torn_bytes(content: memoryview, size: int) -> int:
    """How many bytes of an entry that was being written lie behind the last whole one."""
    behind = bytes(content[size : size + (1 << 20)])
    return len(behind.rstrip(b"\0"))
