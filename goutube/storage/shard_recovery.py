"""Recovering one shard: its segments in order; what in them is whole, torn or damaged."""

from __future__ import annotations

from collections.abc import Sequence

from goutube._native import EntryHeader
from goutube.crash_points import CrashPoint
from goutube.errors import CorruptionError, DataDirError
from goutube.ports import Disk
from goutube.storage.chain import find_chain, goes_on, hidden_segment
from goutube.storage.checkpoint import checkpoint_path, read_checkpoints
from goutube.storage.damage import Damage, Mended, damage_path, missing_file, read_damages
from goutube.storage.entries import SegmentName
from goutube.storage.headers import derive_header
from goutube.storage.heads import recover_heads
from goutube.storage.index import ActiveIndex, SealedIndex, read_index
from goutube.storage.journal import DurableMark
from goutube.storage.recovered import RecoveredShard
from goutube.storage.scanning import EVERY_INDEX, SegmentScan, kept_entries, scan_segment
from goutube.storage.segment import SEGMENT_HEADER_BYTES, Segment, SegmentHeader, shard_directory
from goutube.storage.shard_log import ShardLog
from goutube.storage.tail import cut_tail, read_tail


def recover_shard(disk: Disk, log: ShardLog, mark: DurableMark | None) -> RecoveredShard:
    """Bring a log back from its files.

    What is at or below ``mark`` is certainly durable; None for a shard that never was in a group.
    What stands behind it counts as far as it is whole.
    """
    directory = shard_directory(log.shard)
    recovered = RecoveredShard(log)
    recovered.remember(read_damages(disk, directory), damage_path(directory))
    _take_checkpoint(disk, recovered)
    log.generation = mark.generation if mark else 0
    marked = recovered.marked_index = mark.index if mark else 0
    names = find_chain(disk, log)
    for place, name in enumerate(names):
        end = names[place + 1].first_index - 1 if place + 1 < len(names) else EVERY_INDEX
        if name.first_index > marked and not goes_on(disk, log, name, marked):
            log.hidden += [hidden_segment(log, name) for name in names[place:]]
            break
        header = _read_header(disk, recovered, name)
        if header is None:
            continue
        if not log.segments:
            _begin(recovered, header)
        _check_link(recovered, header)
        _recover_segment(disk, recovered, header, marked, end)
    _end_log(disk, recovered)
    if mark is not None and log.last_index < marked:
        _go_on_behind(recovered, mark)
    recovered.settle_known()
    recovered.forget_covered()
    log.durable_index = log.marked_index = log.last_index
    log.written_index = log.queued_index = log.last_index
    return recovered


def _end_log(disk: Disk, recovered: RecoveredShard) -> None:
    """Cut off what is torn, and make durable what was taken in behind the marks."""
    segments, marked = recovered.log.segments, recovered.marked_index
    # One that is empty may not last either.
    changed = [
        s
        for s in segments
        if not s.sealed and max(s.last_index, s.header.name.first_index) > marked
    ]
    if segments and not (segments[-1].sealed or segments[-1].header.compacted):
        segments[-1].full = False
        torn_bytes = cut_tail(disk, segments[-1])
        recovered.torn_bytes += torn_bytes
        if torn_bytes and segments[-1] not in changed:
            changed.append(segments[-1])
    for segment in changed:
        if segment.file is not None:
            segment.file.sync()
    if any(segment.header.name.first_index > marked for segment in changed):
        disk.sync_directory(shard_directory(recovered.log.shard))
    if changed:
        disk.reached(CrashPoint.TAIL_DURABLE)


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
    disk: Disk, recovered: RecoveredShard, header: SegmentHeader, marked: int, end: int
) -> None:
    """Take in a segment's entries: all up to ``marked``, and those behind as far as they are whole.

    ``end`` is the index before that of the next segment's first entry.
    """
    log = recovered.log
    segment = Segment(header, ActiveIndex(), SEGMENT_HEADER_BYTES, log.last_index)
    file = disk.open(segment.path)
    segment.file, segment.reserved = file, file.size()
    log.segments.append(segment)
    if not disk.exists(segment.index_path):
        file.drop_cached()
        if end < EVERY_INDEX:
            recovered.mended.append(missing_file(segment.index_path))
    content = file.map()
    limit = min(marked, end)
    sealed = _sealed_index(disk, recovered, segment, limit)
    if sealed is not None:
        _take_sealed(recovered, segment, sealed, content)
    elif header.compacted:
        _take_compacted(recovered, segment, content, limit)
    else:
        _take_open(disk, recovered, segment, content, limit, end)


def _take_compacted(
    recovered: RecoveredShard, segment: Segment, content: memoryview, limit: int
) -> None:
    """Take in a compacted segment whose index is lost; all of it was durable."""
    log = recovered.log
    kept = kept_entries(segment.header, content, segment.path, limit)
    scan = _scan(recovered, segment, content, list(kept.runs()))
    for first, term in kept.terms:
        log.note_term(first, term)
    log.last_index = segment.last_index = kept.last_index
    _note_left_out(recovered)
    segment.index = ActiveIndex(scan.headers)
    segment.size = segment.reserved
    segment.full = segment.unsynced = True


def _take_open(
    disk: Disk,
    recovered: RecoveredShard,
    segment: Segment,
    content: memoryview,
    limit: int,
    end: int,
) -> None:
    """Take in a segment that has no index: what is marked, damaged or not, and its tail."""
    log = recovered.log
    heads = recover_heads(disk, segment, content, limit)
    recovered.add_scan(segment.path, heads, heads.headers)
    last = heads.last
    first = last.index + 1 if last is not None else segment.header.name.first_index
    scan = _scan(recovered, segment, content, [(first, limit)], behind=last, more=end > limit)
    found = heads.headers + scan.headers
    segment.size = scan.end
    if scan.open and limit < end:
        term = found[-1].term if found else segment.header.previous_term
        tail = read_tail(disk, segment, scan.end, max(first, limit + 1), term, end)
        recovered.add_scan(segment.path, tail.content, tail.headers)
        found += tail.headers
        segment.size = tail.end
        if tail.mended:
            wrong = ", ".join(map(str, tail.mended))
            recovered.mended.append(Mended(segment.path, f"the byte at {wrong} was wrong"))
    for entry in found:
        log.note_term(entry.index, entry.term)
    segment.index = ActiveIndex(found)
    segment.last_index = log.last_index
    segment.full = segment.unsynced = True


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
    *,
    more: bool = False,
) -> SegmentScan:
    scan = scan_segment(content, segment.header, segment.path, runs, behind=behind, more=more)
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
