"""Opening a data directory: found it or recover it, and prove what is there before anyone uses it.

Replay brings the journal's groups back into the segments; then each shard's segments are read.
What lies at or below its durable mark was durable: if it is not whole it is damage, which is never
cut. What lies above it counts as far as it is whole: it may be bulk whose mark was yet to come;
the rest was never acknowledged, and is cut off. What replay wrote is synced and the journal begins
anew, so that no group of an earlier life is ever replayed over entries of a later one.
"""

from __future__ import annotations

import struct

from msgspec import Struct

from goutube._native import JournalGroup, JournalRecord
from goutube.crash_points import CrashPoint
from goutube.errors import CorruptionError, DataDirError
from goutube.model import ShardId
from goutube.ports import Disk, Entropy, File
from goutube.storage.config import StorageConfig
from goutube.storage.damage import Mended
from goutube.storage.entries import SegmentName
from goutube.storage.group_mending import entries_are_whole
from goutube.storage.hard_state import HardState, write_hard_state
from goutube.storage.identity import (
    LOCK_PATH,
    Identity,
    count_boot,
    finish_founding,
    found,
    is_founded,
)
from goutube.storage.journal import DurableMark, create_journal
from goutube.storage.mending import recover_hard_state
from goutube.storage.recovered import RecoveredShard
from goutube.storage.renewal import damaged_groups, pass_over, unsure_shards
from goutube.storage.room import release_reserve
from goutube.storage.segment import is_segment_header, remove_segment_file, shard_directory
from goutube.storage.shard_log import RecordKind, ShardLog
from goutube.storage.shard_recovery import recover_shard
from goutube.storage.store import Store
from goutube.storage.top_files import TopFiles, mend_top_files, read_top_files
from goutube.storage.versions import check_versions


class DirectoryOptions(Struct, frozen=True):
    """What a data directory must have been founded with, or is founded with now."""

    node_name: str
    shard_count: int
    hash_function: str


class OpenedStore(Struct, frozen=True):
    """A store ready to take entries, and what its shards held.

    Attributes:
        mended: the files that were damaged or missing, and what they held is known all the same.
    """

    store: Store
    shards: list[RecoveredShard]
    founded: bool
    mended: list[Mended]


class _Replay(Struct):
    """What the journal's groups brought back."""

    marks: dict[int, DurableMark]
    hard_states: dict[int, HardState] = {}
    files: dict[str, File] = {}
    mended: list[Mended] = []
    passed_over: bool = False
    """Whether groups of the journal are damaged."""
    unsure: set[int] = set()
    """Shards of which nobody knows whether a damaged group held something."""


def open_store(
    disk: Disk, entropy: Entropy, config: StorageConfig, options: DirectoryOptions
) -> OpenedStore:
    """Found or recover a data directory; every entry in the logs returned is durable.

    Raises:
        DataDirError: in use, of another node or format, or founded with other options.
        CorruptionError: the journal or a document is damaged.
    """
    disk.lock(LOCK_PATH)
    disk.reached(CrashPoint.LOCK_HELD)
    founded = not is_founded(disk)
    if founded:
        identity = found(
            disk,
            entropy,
            options.node_name,
            options.shard_count,
            options.hash_function,
            config.journal_bytes,
        )
        create_journal(disk, entropy, config.journal_bytes, options.shard_count)
        finish_founding(disk, identity)
    else:
        check_versions(disk)
    top = read_top_files(disk)
    _check_options(top.identity, options)
    journal = top.journal
    # To the last one, before a byte is changed.
    groups = list(journal.replay(entries_are_whole(disk)))
    top.mended += damaged_groups(journal)
    if disk.room().bytes < config.journal_bytes:
        release_reserve(disk)  # to bring back what the journal holds, that room is needed
    mend_top_files(disk, top)
    top.identity = count_boot(disk, top.identity)
    replay = _Replay({mark.shard: mark for mark in journal.superblock.marks})
    replay.passed_over = bool(journal.lost)
    replay.unsure = unsure_shards(journal, groups, top.identity.shard_count)
    for ring, group in groups:
        _replay_group(disk, replay, ring, group)
    disk.reached(CrashPoint.REPLAY_WRITTEN)
    for file in replay.files.values():
        file.sync()
        file.close()
    disk.reached(CrashPoint.REPLAY_SYNCED)
    shards = _recover_shards(disk, entropy, config, top, replay)
    disk.reached(CrashPoint.SHARDS_RECOVERED)
    store = Store(config, top.identity, journal, [shard.log for shard in shards])
    _begin_anew(disk, store)
    mended = top.mended + replay.mended + [one for shard in shards for one in shard.mended]
    return OpenedStore(store, shards, founded, mended)


def _check_options(identity: Identity, options: DirectoryOptions) -> None:
    for name, here, asked in (
        ("node_name", identity.node_name, options.node_name),
        ("shard_count", identity.shard_count, options.shard_count),
        ("hash_function", identity.hash_function, options.hash_function),
    ):
        if here != asked:
            raise DataDirError(
                f"the data directory was founded with {name} = {here!r}, not {asked!r}; set {name} "
                "back, or name another data_dir",
                setting=name,
                found=here,
            )


# Replay


def _replay_group(disk: Disk, replay: _Replay, ring: memoryview, group: JournalGroup) -> None:
    for record in group.records:
        body = ring[record.start : record.start + record.length]
        _replay_record(disk, replay, record, body)
    for shard, replica, index, term, commit in group.marks:
        before = replay.marks.get(shard)
        generation = before.generation if before else 0
        if before is None or index >= before.index:
            replay.marks[shard] = DurableMark(shard, generation, replica, index, term, commit)


def _replay_record(disk: Disk, replay: _Replay, record: JournalRecord, body: memoryview) -> None:
    name = SegmentName(record.first_index, record.generation)
    path = f"{shard_directory(record.shard)}/{name.file_name}"
    match record.kind:
        case RecordKind.SEGMENT_CREATED:
            _ensure_segment(disk, replay, record.shard, path, body)
        case RecordKind.ENTRIES:
            if path not in replay.files:
                if not disk.exists(path):
                    if replay.passed_over:
                        return  # made by a group that is gone; its marks tell what is missing
                    raise CorruptionError(
                        f"{path} is missing although the journal holds entries of it",
                        path=path,
                        position=record.position,
                    )
                replay.files[path] = disk.open(path)
                replay.files[path].drop_cached()
            replay.files[path].write(record.position, body)
            disk.reached(CrashPoint.REPLAY_ENTRIES_WRITTEN)
        case RecordKind.HARD_STATE:
            replay.hard_states[record.shard] = HardState.decode(bytes(body[:24]))
        case RecordKind.TRUNCATE:
            after = struct.unpack_from("<Q", body)[0]
            mark = replay.marks.get(record.shard)
            index = min(mark.index, after) if mark else 0
            replay.marks[record.shard] = DurableMark(
                record.shard, record.generation, record.replica, index, 0, index
            )
        case _:
            raise DataDirError(
                f"the journal holds a record of kind {record.kind}, which this release does not "
                "know; use the release that wrote it",
                kind=record.kind,
            )


def _ensure_segment(disk: Disk, replay: _Replay, shard: int, path: str, header: memoryview) -> None:
    """Make the file of a segment whose creation is durable in the journal, if it is not there."""
    if disk.exists(path):
        file = disk.open(path)
        file.drop_cached()
        found = file.read(0, len(header))
        same = found == bytes(header)
        if not same and any(found) and not is_segment_header(found):
            # Damaged: what stands behind it may be durable here alone.
            replay.mended.append(Mended(path, f"the header of {path} is damaged"))
            file.write(0, header)
            same = True
        if same:
            file.sync()
        file.close()
        if same:
            # Whoever made it may have been killed before its name was durable.
            disk.sync_directory(shard_directory(shard))
            return
        disk.remove(path)
    disk.make_directory("shards")
    disk.make_directory(shard_directory(shard))
    file = disk.open(path, create=True)
    disk.reached(CrashPoint.REPLAY_SEGMENT_CREATED)
    file.write(0, header)
    file.sync()
    file.close()
    disk.sync_directory(shard_directory(shard))
    disk.reached(CrashPoint.REPLAY_SEGMENT_DURABLE)


# Shards


def _recover_shards(
    disk: Disk, entropy: Entropy, config: StorageConfig, top: TopFiles, replay: _Replay
) -> list[RecoveredShard]:
    owner = bytes.fromhex(top.identity.incarnation)
    present = set(disk.list("shards"))
    shards = []
    for number in range(top.identity.shard_count):
        shard = ShardId(number)
        log = ShardLog(shard, top.replicas[shard], owner, config.segment_bytes, entropy)
        mark = replay.marks.get(shard)
        if shard in replay.unsure:
            mark = pass_over(disk, log, mark, top.journal.lost)
        if shard_directory(shard).partition("/")[2] not in present and mark is None:
            shards.append(RecoveredShard(log))
            continue
        shards.append(recover_shard(disk, log, mark))
        recover_hard_state(disk, shards[-1], owner, replay.hard_states.get(shard))
    return shards


def _begin_anew(disk: Disk, store: Store) -> None:
    """Empty the journal: all of it is in synced segments. Then remove what it no longer names."""
    for log in store.logs:
        if log.segments:
            store.resume(log)
        if log.hard_state != log.stored_hard_state:
            write_hard_state(disk, shard_directory(log.shard), log.hard_state)
            log.stored_hard_state = log.hard_state
    journal = store.journal
    superblock = journal.next_superblock(store.marks())
    journal.write_superblock(disk, superblock)
    journal.wrote_superblock(superblock)
    disk.reached(CrashPoint.JOURNAL_EMPTIED)
    for log in store.logs:
        for segment in log.hidden:
            remove_segment_file(disk, segment)
        log.hidden.clear()
