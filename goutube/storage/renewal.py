"""A new journal for a directory that has lost its own: its marks are what the segments hold.

Nobody knows what the lost one held beside that. It cannot have been more than fits into it: so many
indexes are passed over, in every shard, and never given.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from goutube._native import ENTRY_HEADER_BYTES
from goutube.errors import CorruptionError
from goutube.model import ShardId
from goutube.ports import Disk, Entropy
from goutube.storage.damage import Damage, read_damages
from goutube.storage.entries import SegmentName
from goutube.storage.headers import derive_header
from goutube.storage.identity import Identity
from goutube.storage.journal import JOURNAL_PATH, DurableMark, create_journal, open_journal
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
    try:
        for _ in journal.replay():
            pass
    except CorruptionError as error:
        return error.message
    finally:
        journal.file.close()
    return ""


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
    """The newest whole entry of a shard; ``unread_bytes`` are of segments behind it."""

    generation: int = 0
    index: int = 0
    term: int = 0
    unread_bytes: int = 0


def _newest(disk: Disk, log: ShardLog) -> _Newest:
    directory = shard_directory(log.shard)
    names = [name for name in map(SegmentName.parse, disk.list(directory)) if name is not None]
    found = _Newest(max((name.generation for name in names), default=0))
    for name in sorted(names, key=lambda n: (n.first_index, n.generation, n.revision))[::-1]:
        path = f"{directory}/{name.file_name}"
        file = disk.open(path, write=False)
        try:
            content = file.map()
        finally:
            file.close()
        if _take_newest(found, log, name, content, path):
            break
        found.unread_bytes += len(content)
    return found


def _take_newest(
    found: _Newest, log: ShardLog, name: SegmentName, content: memoryview, path: str
) -> bool:
    """Take the newest whole entry from a segment, if it has one."""
    header: SegmentHeader | None
    try:
        header = SegmentHeader.decode(content, path)
    except CorruptionError:
        header = derive_header(log, name, content)
    if header is None:
        return False
    if header.compacted:
        kept = kept_entries(header, content, path, name.first_index - 1)
        found.index, found.term = kept.last_index, kept.terms[-1][1]
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
