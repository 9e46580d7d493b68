"""A new journal for a directory that has lost its own: its marks are what the segments hold.

Nobody knows what the lost one held beside that. It cannot have been more than fits into it: so many
indexes are passed over, in every shard, and never given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from goutube._native import ENTRY_HEADER_BYTES, JournalGroup
from goutube.errors import CorruptionError
from goutube.model import ShardId
from goutube.ports import Disk, Entropy
from goutube.storage.damage import Damage, Mended, read_damages, write_damages
from goutube.storage.entries import SegmentName
from goutube.storage.headers import look_at_segment
from goutube.storage.identity import Identity
from goutube.storage.journal import (
    JOURNAL_PATH,
    DurableMark,
    Journal,
    LostGroups,
    create_journal,
    open_journal,
)
from goutube.storage.scanning import EVERY_INDEX, kept_entries, scan_segment
from goutube.storage.segment import SegmentHeader, shard_directory
from goutube.storage.shard_log import ShardLog

NEW_JOURNAL_PATH: Final = "journal.tmp"


def journal_fault(disk: Disk, identity: Identity) -> str:
    """Why a start cannot use the journal; empty where it can.

    Raises:
        DataDirError: it is of a version that this release does not know.
    """
    try:
        journal = open_journal(disk, identity.shard_count, write=False)
    except CorruptionError as error:
        return error.message
    journal.file.close()
    return ""


def damaged_groups(journal: Journal) -> list[Mended]:
    """What the log is told of the groups that replay has put right or passed over."""
    told = [f"one byte of its group {number} was wrong" for number in journal.corrected]
    told += [
        f"its groups {lost.first} to {lost.next - 1}, at {lost.position}, are damaged; what they "
        "held is taken from the segments"
        for lost in journal.lost
    ]
    return [Mended(JOURNAL_PATH, text) for text in told]


def unsure_shards(
    journal: Journal, groups: Sequence[tuple[memoryview, JournalGroup]], shard_count: int
) -> set[int]:
    """The shards of which no whole group behind the last damaged one tells what is durable."""
    if not journal.lost:
        return set()
    behind = [group for _, group in groups if group.sequence >= journal.lost[-1].next]
    sure = {mark[0] for group in behind for mark in group.marks}
    return {shard for shard in range(shard_count) if shard not in sure}


def pass_over(
    disk: Disk, log: ShardLog, mark: DurableMark | None, lost: Sequence[LostGroups]
) -> DurableMark:
    """A shard's mark behind all that damaged groups can have held; it is written down as damage."""
    newest, directory = _newest(disk, log), shard_directory(log.shard)
    index = max(newest.index, mark.index if mark is not None else 0)
    byte_count = sum(groups.byte_count for groups in lost) + newest.unread_bytes
    last = index + byte_count // ENTRY_HEADER_BYTES
    gap = Damage(JOURNAL_PATH, lost[0].position, byte_count, index + 1, last)
    known = read_damages(disk, directory) or []
    if not any((one.first_index, one.last_index) == (index + 1, last) for one in known):
        write_damages(disk, directory, [*(one for one in known if one.last_index <= index), gap])
    generation = max(newest.generation, mark.generation if mark is not None else 0)
    term = max(newest.term, mark.term if mark is not None else 0)
    return DurableMark(log.shard, generation, log.replica, last, term, last)


def marks_of_segments(
    disk: Disk, entropy: Entropy, identity: Identity, replicas: dict[int, int]
) -> tuple[list[DurableMark], dict[int, list[Damage]]]:
    """Marks behind all that a lost journal can have held, and each shard's damage with that."""
    marks, gone = [], {}
    owner = bytes.fromhex(identity.incarnation)
    for number in range(identity.shard_count):
        shard = ShardId(number)
        log = ShardLog(shard, replicas[shard], owner, identity.journal_bytes, entropy)
        newest = _newest(disk, log)
        known = read_damages(disk, shard_directory(shard)) or []
        behind = [damage for damage in known if damage.last_index > newest.index]
        # What was given up before stays given up; the new range begins where that one does.
        passed = max((damage.last_index for damage in behind), default=newest.index)
        byte_count = identity.journal_bytes + newest.unread_bytes
        last = passed + byte_count // ENTRY_HEADER_BYTES
        lost = tuple(lost for damage in behind for lost in damage.lost)
        gap = Damage(JOURNAL_PATH, 0, byte_count, newest.index + 1, last, lost)
        gone[number] = [damage for damage in known if damage not in behind] + [gap]
        mark = DurableMark(shard, newest.generation, log.replica, last, newest.term, last)
        marks.append(mark)
    return marks, gone


class _Newest(Struct):
    """The newest whole entry of a shard; ``unread_bytes`` are of segments behind it.

    The term of one that there may have been is at least 1.
    """

    generation: int = 0
    index: int = 0
    term: int = 1
    unread_bytes: int = 0


def _newest(disk: Disk, log: ShardLog) -> _Newest:
    directory = shard_directory(log.shard)
    names = [name for name in map(SegmentName.parse, disk.list(directory)) if name is not None]
    found = _Newest(max((name.generation for name in names), default=0))
    for name in sorted(names, key=lambda n: (n.first_index, n.generation, n.revision))[::-1]:
        content, header = look_at_segment(disk, log, name)
        path = f"{directory}/{name.file_name}"
        if header is not None and _take_newest(found, name, header, content, path):
            break
        found.unread_bytes += len(content)
    return found


def _take_newest(
    found: _Newest, name: SegmentName, header: SegmentHeader, content: memoryview, path: str
) -> bool:
    """Take the newest whole entry from a segment, if it has one."""
    if header.compacted:
        kept = kept_entries(header, content, path, name.first_index - 1)
        found.index, found.term = kept.last_index, max(1, kept.terms[-1][1])
        return True
    entries = scan_segment(content, header, path, [(name.first_index, EVERY_INDEX)]).headers
    if entries:
        found.index, found.term = entries[-1].index, entries[-1].term
    return bool(entries)


def write_new_journal(
    disk: Disk, entropy: Entropy, identity: Identity, marks: list[DurableMark]
) -> None:
    """Put an empty journal with these marks in the place of the one that is there, or is not."""
    create_journal(
        disk, entropy, identity.journal_bytes, identity.shard_count, NEW_JOURNAL_PATH, marks
    )
    disk.rename(NEW_JOURNAL_PATH, JOURNAL_PATH)
    disk.sync_directory("")
