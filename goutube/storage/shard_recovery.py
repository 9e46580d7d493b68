"""Recovering one shard: its segments in order; what in them is whole, torn or damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goutube._native import BATCH_DELTAS, ENTRY_HEADER_BYTES, EntryHeader, last_delta
from goutube.crash_points import CrashPoint
from goutube.errors import CorruptionError, DataDirError
from goutube.limits import KIB
from goutube.ports import Disk
from goutube.storage.checkpoint import Checkpoint, checkpoint_path, read_checkpoints
from goutube.storage.damage import Damage, Mended, damage_path, missing_file, read_damages
from goutube.storage.entries import SegmentName
from goutube.storage.headers import derive_header
from goutube.storage.heads import Heads, recover_heads
from goutube.storage.index import ActiveIndex, SealedIndex, read_index
from goutube.storage.journal import DurableMark
from goutube.storage.scanning import (
    SegmentScan,
    kept_entries,
    read_entry_header,
    scan_segment,
)
from goutube.storage.segment import SEGMENT_HEADER_BYTES, Segment, SegmentHeader, shard_directory
from goutube.storage.shard_log import ShardLog

_PIECE_BYTES: Final = 64 * KIB


class RecoveredEntry(Struct, frozen=True):
    """One entry for the catalogue: its header, control section, and its last record's time."""

    header: EntryHeader
    control: bytes
    last_stamp: int


class RecoveredShard(Struct):
    """A log as it was found, and what its catalogue is made of.

    Attributes:
        gaps: the damage that took entries away, in the order of their indexes.
        torn_bytes: how much was cut above the durable mark: never acknowledged.
        mended: the files that were damaged or missing, and what they held is known all the same.
        forgot_damage: the list of what is gone is damaged, so that sealed segments are read, too.
        renew_checkpoint: the catalogue should be written anew, for one checkpoint is damaged.
    """

    log: ShardLog
    checkpoint: Checkpoint | None = None
    gaps: list[Damage] = []
    torn_bytes: int = 0
    mended: list[Mended] = []
    forgot_damage: bool = False
    renew_checkpoint: bool = False
    _known: dict[int, Damage] = {}
    _scanned: set[str] = set()
    _scans: list[tuple[memoryview | Heads, list[EntryHeader]]] = []

    def entries(self) -> Iterator[RecoveredEntry]:
        """Every entry behind the checkpoint, in order; to be gone through once.

        Where entries are gone also those that were read although the checkpoint covers them.
        """
        after = self.checkpoint.index if self.checkpoint and not self.gaps else 0
        for content, headers in self._scans:
            for header in headers:
                if header.index > after:
                    yield _recovered(content, header)
        self._scans.clear()

    def forget_covered(self) -> None:
        """Keep nothing of entries that the checkpoint covers, once no gap can need them."""
        if self.checkpoint is not None and not self.gaps:
            after = self.checkpoint.index
            self._scans = [
                (content, [header for header in headers if header.index > after])
                for content, headers in self._scans
                if headers and headers[-1].index > after
            ]

    def forget_state(self) -> None:
        """Keep of the checkpoint only what it covers, once the catalogue is made of it."""
        if self.checkpoint is not None:
            self.checkpoint = replace(self.checkpoint, state=b"")

    def remember(self, damages: list[Damage] | None, path: str) -> None:
        """Take in what an earlier life knew and wrote down at ``path``; None: it is damaged."""
        if damages is None:
            self.forgot_damage = True
            self.mended.append(Mended(path, f"{path} does not match its checksum"))
        self._known = {damage.first_index: damage for damage in damages or ()}

    def settle_known(self) -> None:
        """What was not looked at this time, for it lies in sealed segments, is as it was."""
        for damage in self._known.values():
            self.log.note_damage(damage)

    def note_gap(self, path: str, position: int, byte_count: int, first: int, last: int) -> None:
        """Note that the entries from ``first`` to ``last`` are gone with a range of bytes."""
        known = self._known.pop(first, None)
        if known is None or known.last_index != last:
            known = Damage(path, position, byte_count, first, last)
        self.gaps.append(known)

    def end_before_scans(self, stream_id: int) -> int:
        """Where the batches of a stream end in the segments that were not read; 0: none there."""
        for segment in reversed(self.log.segments):
            rows = segment.index.rows_of(stream_id)
            if segment.path in self._scanned or rows is None or segment.file is None:
                continue
            row = rows.row(len(rows) - 1)
            header = read_entry_header(segment.file.map(), row.position, segment.header.salt)
            if header is not None:
                return row.offset + header.data_bytes
            return row.offset + row.entry_bytes - ENTRY_HEADER_BYTES
        return 0

    def add_scan(self, path: str, content: memoryview | Heads, headers: list[EntryHeader]) -> None:
        """Keep what was found in one segment, or is known of it, until it is folded."""
        self._scanned.add(path)
        self._scans.append((content, headers))


def _recovered(content: memoryview | Heads, header: EntryHeader) -> RecoveredEntry:
    if isinstance(content, Heads):
        control = content.controls.get(header.index, b"")
        return RecoveredEntry(header, control, header.last_stamp)
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
    directory = shard_directory(log.shard)
    recovered = RecoveredShard(log)
    recovered.remember(read_damages(disk, directory), damage_path(directory))
    _take_checkpoint(disk, recovered)
    log.generation = mark.generation if mark else 0
    durable = mark.index if mark else 0
    names = _chain(disk, log, durable)
    for place, name in enumerate(names):
        last = place + 1 == len(names)
        limit = durable if last else min(durable, names[place + 1].first_index - 1)
        header = _read_header(disk, recovered, name)
        if header is None:
            continue
        if not log.segments:
            _begin(recovered, header)
        _check_link(recovered, header)
        _recover_segment(disk, recovered, header, limit, last=last)
    if mark is not None and log.last_index < durable:
        _go_on_behind(recovered, mark)
    recovered.settle_known()
    recovered.forget_covered()
    log.durable_index = log.written_index = log.queued_index = log.last_index
    return recovered


def _go_on_behind(recovered: RecoveredShard, mark: DurableMark) -> None:
    """The newest durable entries are gone: their indexes are never given again."""
    log = recovered.log
    if not log.segments:
        log.first_index = mark.index + 1
    if not recovered.gaps or recovered.gaps[-1].last_index < mark.index:
        directory = shard_directory(log.shard)
        recovered.note_gap(directory, 0, 0, log.last_index + 1, mark.index)
    log.note_term(mark.index, max(mark.term, log.last_term))
    if log.segments:
        log.segments[-1].full = True


def _take_checkpoint(disk: Disk, recovered: RecoveredShard) -> None:
    """Start from the newest checkpoint that is whole."""
    log = recovered.log
    known = len(recovered.mended)
    found = read_checkpoints(disk, shard_directory(log.shard), recovered.mended)
    recovered.renew_checkpoint = len(recovered.mended) > known
    for slot in sorted(found, key=lambda slot: found[slot].index):
        recovered.checkpoint = found[slot]
        log.note_checkpoint(found[slot].index, slot)


def _begin(recovered: RecoveredShard, header: SegmentHeader) -> None:
    """A log whose first segments were freed begins behind them, at or before its checkpoint."""
    log = recovered.log
    log.first_index = header.name.first_index
    if header.previous_index > log.checkpoint_index:
        path = checkpoint_path(shard_directory(log.shard), log.checkpoint_slot)
        first = log.checkpoint_index + 1
        recovered.note_gap(path, 0, 0, first, header.previous_index)
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
    for name in sorted(named, key=lambda n: (n.generation, n.first_index, n.revision)):
        while chain and chain[-1].first_index >= name.first_index:
            hidden.append(chain.pop())
        chain.append(name)
    log.hidden = [_hidden_segment(log, name) for name in hidden]
    return chain


def _remove_leavings(disk: Disk, log: ShardLog, files: list[str], names: list[SegmentName]) -> None:
    """Remove what a crash left of files that were being made or removed."""
    wanted = {name.index_name for name in names}
    wanted |= {name.heads_name for name in names if name.index_name not in files}
    for file in files:
        if file.endswith(".tmp") or (file.endswith((".idx", ".heads")) and file not in wanted):
            disk.remove(f"{shard_directory(log.shard)}/{file}")
            disk.reached(CrashPoint.LEAVING_REMOVED)


def _hidden_segment(log: ShardLog, name: SegmentName) -> Segment:
    header = SegmentHeader(log.shard, log.replica, name, 0, 0, 0, bytes(16))
    return Segment(header, ActiveIndex(), SEGMENT_HEADER_BYTES, 0, sealed=True)


def _read_header(disk: Disk, recovered: RecoveredShard, name: SegmentName) -> SegmentHeader | None:
    """A segment's header; one that is damaged is made anew, or else None: nothing of it reads."""
    log = recovered.log
    path = f"{shard_directory(log.shard)}/{name.file_name}"
    file = disk.open(path)
    try:
        header = SegmentHeader.decode(file.read(0, SEGMENT_HEADER_BYTES), path)
    except CorruptionError as error:
        derived = derive_header(log, name, file.map())
        if derived is None:
            log.note_damage(Damage(path, 0, file.size()))
            return None
        header = derived
        recovered.mended.append(Mended(path, error.message))
        file.write(0, header.encode())
        file.sync()
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
        path = shard_directory(log.shard)
        noted = recovered.gaps[-1].last_index if recovered.gaps else 0
        first = max(log.last_index, noted) + 1
        if first <= header.previous_index:
            recovered.note_gap(path, 0, 0, first, header.previous_index)
        log.note_term(header.previous_index, header.previous_term)


def _recover_segment(
    disk: Disk, recovered: RecoveredShard, header: SegmentHeader, limit: int, *, last: bool
) -> None:
    """Take in a segment's entries up to index ``limit``: those behind were never acknowledged."""
    log = recovered.log
    segment = Segment(header, ActiveIndex(), SEGMENT_HEADER_BYTES, log.last_index)
    file = disk.open(segment.path)
    segment.file, segment.reserved = file, file.size()
    log.segments.append(segment)
    if not disk.exists(segment.index_path):
        file.drop_cached()
        if not last:
            recovered.mended.append(missing_file(segment.index_path))
    content = file.map()
    sealed = _sealed_index(disk, recovered, segment, limit)
    if sealed is not None:
        _take_sealed(recovered, segment, sealed, content)
        return
    kept = kept_entries(header, content, segment.path, limit) if header.compacted else None
    heads = recover_heads(disk, segment, content, limit) if kept is None else Heads()
    recovered.add_scan(segment.path, heads, heads.headers)
    first = heads.last.index + 1 if heads.last is not None else header.name.first_index
    runs = list(kept.runs()) if kept is not None else [(first, limit)]
    scan = _scan(recovered, segment, content, runs, behind=heads.last)
    found = heads.headers + scan.headers
    terms = kept.terms if kept is not None else [(entry.index, entry.term) for entry in found]
    for first, term in terms:
        log.note_term(first, term)
    if kept is not None:
        log.last_index = kept.last_index
        _note_left_out(recovered)
    segment.index = ActiveIndex(found)
    segment.last_index = log.last_index
    segment.size = segment.reserved if kept is not None else scan.end
    segment.full = not last or kept is not None
    segment.unsynced = True
    if last:
        recovered.torn_bytes += _torn_bytes(content, segment.size)


def _take_sealed(
    recovered: RecoveredShard, segment: Segment, index: SealedIndex, content: memoryview
) -> None:
    """Take in a segment by its index; it is read only for what no checkpoint covers."""
    log, header = recovered.log, segment.header
    for first, term in index.about.terms:
        log.note_term(first, term)
    log.last_index = segment.last_index = index.about.last_index
    segment.index, segment.size = index, segment.reserved
    segment.full = segment.sealing = segment.sealed = True
    assert segment.file is not None
    segment.file.rest()
    if log.last_index > log.checkpoint_index or recovered.forgot_damage:
        runs = [(header.name.first_index, log.last_index)]
        if header.compacted:
            runs = list(kept_entries(header, content, segment.path, log.last_index).runs())
            _note_left_out(recovered)
        _scan(recovered, segment, content, runs)


def _scan(
    recovered: RecoveredShard,
    segment: Segment,
    content: memoryview,
    runs: Sequence[tuple[int, int]],
    behind: EntryHeader | None = None,
) -> SegmentScan:
    scan = scan_segment(content, segment.header, segment.path, runs, behind=behind)
    for gap in scan.gaps:
        recovered.note_gap(
            segment.path, gap.position, gap.byte_count, gap.first_index, gap.last_index
        )
    recovered.add_scan(segment.path, content, scan.headers)
    return scan


def _note_left_out(recovered: RecoveredShard) -> None:
    """Entries behind the checkpoint were left out by a compaction: a newer checkpoint is lost."""
    log = recovered.log
    first = log.checkpoint_index + 1
    if first <= log.last_index:
        path = checkpoint_path(shard_directory(log.shard), log.checkpoint_slot)
        recovered.note_gap(path, 0, 0, first, log.last_index)


def _sealed_index(
    disk: Disk, recovered: RecoveredShard, segment: Segment, limit: int
) -> SealedIndex | None:
    """The segment's index if it was sealed; a bad one is made anew from the segment.

    One that tells of entries behind ``limit`` goes: others will stand in their places. Of a
    compacted segment every entry was durable.
    """
    if not disk.exists(segment.index_path):
        return None
    try:
        index = read_index(disk, segment.index_path)
    except CorruptionError as error:
        recovered.mended.append(Mended(segment.index_path, error.message))
        return None
    if index.about.last_index <= limit or segment.header.compacted:
        return index
    disk.remove(segment.index_path)
    disk.reached(CrashPoint.INDEX_DROPPED)
    disk.sync_directory(shard_directory(segment.header.shard))
    return None


def _torn_bytes(content: memoryview, size: int) -> int:
    """How many bytes of an entry that was being written lie behind the last whole one."""
    torn = 0
    for start in range(size, min(size + (1 << 20), len(content)), _PIECE_BYTES):
        piece = bytes(content[start : start + _PIECE_BYTES]).rstrip(b"\0")
        if not piece:
            break  # what was only reserved reads as zeros, and takes its time to do so
        torn = start - size + len(piece)
    return torn
