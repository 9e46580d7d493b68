"""Looking at a data directory without changing a byte of it: what is there, and what is damaged."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goutube._native import (
    VERDICT_END,
    VERDICT_TORN,
    EntryHeader,
    find_entry,
    scan_entries,
)
from goutube.errors import CorruptionError, DataDirError
from goutube.ports import Disk
from goutube.storage.damage import Damage, read_damages
from goutube.storage.entries import SegmentName
from goutube.storage.identity import Identity, is_founded, read_identity
from goutube.storage.index import read_index
from goutube.storage.journal import Journal, open_journal
from goutube.storage.segment import SEGMENT_HEADER_BYTES, SegmentHeader, shard_directory
from goutube.storage.tail import mended_byte
from goutube.storage.top_files import damaged_top_files
from goutube.storage.versions import check_versions

_NO_END: Final = (1 << 62) - 1


class Finding(Struct, frozen=True):
    """Something wrong: ``damage`` was durable once; otherwise it was never acknowledged.

    ``index`` is of the entry that should stand there; 0: it is about something else.
    """

    path: str
    position: int
    what: str
    damage: bool
    index: int = 0


class SegmentReport(Struct):
    """One segment: its entries from ``first_index`` to ``last_index``, and their bytes."""

    path: str
    first_index: int
    last_index: int
    entry_count: int
    record_count: int
    data_bytes: int
    file_bytes: int
    sealed: bool


class ShardReport(Struct):
    """One shard's segments; ``durable_index`` is what the journal marks as durable."""

    shard: int
    durable_index: int
    segments: list[SegmentReport] = []


class DirectoryReport(Struct):
    """What a data directory holds; ``findings`` is empty where all is well."""

    identity: Identity
    journal_groups: int
    journal_bytes: int
    shards: list[ShardReport] = []
    findings: list[Finding] = []

    @property
    def damaged(self) -> bool:
        """Whether anything that was durable is not whole."""
        return any(finding.damage for finding in self.findings)


def inspect_directory(disk: Disk) -> DirectoryReport:
    """Read every segment and the journal, and verify every checksum; nothing is written.

    Raises:
        DataDirError: this is no data directory, or one of an unknown format.
        CorruptionError: neither the format file nor its copy is whole.
    """
    if not is_founded(disk):
        raise DataDirError("there is no format file: this is no data directory")
    check_versions(disk)
    identity = read_identity(disk)
    report = DirectoryReport(identity, 0, 0)
    for mended in damaged_top_files(disk):
        report.findings.append(Finding(mended.path, 0, mended.reason, damage=False))
    durable, journalled = _inspect_journal(disk, identity, report)
    for number in range(identity.shard_count):
        directory = shard_directory(number)
        names = [n for n in map(SegmentName.parse, disk.list(directory)) if n is not None]
        if not names and number not in durable:
            continue
        shard = ShardReport(number, durable.get(number, 0))
        accepted = [one for one in read_damages(disk, directory) or () if one.accepted]
        firsts = sorted({name.first_index for name in names})
        newest = {(name.first_index, name.generation): name for name in sorted(names, key=_age)}
        for name in newest.values():
            # From the next segment's first entry on, what is still here was cut off by a recovery.
            place = bisect_right(firsts, name.first_index)
            cut = firsts[place] - 1 if place < len(firsts) else shard.durable_index
            limit = min(cut, shard.durable_index)
            _inspect_segment(disk, report, shard, name, journalled, limit, accepted)
        last = max((segment.last_index for segment in shard.segments), default=0)
        if max(last, journalled.get(number, 0)) < shard.durable_index:
            what = f"entries {last + 1} to {shard.durable_index} are gone"
            given_up = any(one.first_index == last + 1 for one in accepted)
            report.findings.append(Finding(directory, 0, what, damage=not given_up))
        for one in accepted:
            what = f"entries {one.first_index} to {one.last_index} were given up by a repair"
            report.findings.append(Finding(one.path, one.position, what, damage=False))
        report.shards.append(shard)
    return report


def _age(name: SegmentName) -> tuple[int, int, int]:
    return name.first_index, name.generation, name.revision


def _inspect_journal(
    disk: Disk, identity: Identity, report: DirectoryReport
) -> tuple[dict[int, int], dict[int, int]]:
    """The durable index of each shard, and up to where its entries lie in the journal."""
    durable: dict[int, int] = {}
    journalled: dict[int, int] = {}
    journal: Journal | None = None
    try:
        journal = open_journal(disk, identity.shard_count, write=False)
        durable.update({mark.shard: mark.index for mark in journal.superblock.marks})
        for _, group in journal.replay():
            report.journal_groups += 1
            for shard, _, index, _, _ in group.marks:
                durable[shard] = max(durable.get(shard, 0), index)
                journalled[shard] = index
        for lost in journal.lost:
            what = f"groups {lost.first} to {lost.next - 1} are damaged"
            report.findings.append(Finding("journal", lost.position, what, damage=True))
        for number in journal.corrected:
            what = f"one byte of group {number} is wrong"
            report.findings.append(Finding("journal", 0, what, damage=False))
    except CorruptionError as error:
        position = int(error.fields.get("position", "0"))
        report.findings.append(Finding("journal", position, error.message, damage=True))
    finally:
        if journal is not None:
            report.journal_bytes = journal.used_bytes
            journal.file.close()
    return durable, journalled


def _inspect_segment(
    disk: Disk,
    report: DirectoryReport,
    shard: ShardReport,
    name: SegmentName,
    journalled: dict[int, int],
    durable_index: int,
    accepted: Sequence[Damage],
) -> None:
    path = f"{shard_directory(shard.shard)}/{name.file_name}"
    index_path = f"{shard_directory(shard.shard)}/{name.index_name}"
    file = disk.open(path, write=False)
    try:
        content = file.map()
        header = SegmentHeader.decode(content, path)
    except CorruptionError as error:
        report.findings.append(Finding(path, 0, error.message, damage=True))
        return
    finally:
        file.close()
    journal_index = journalled.get(shard.shard, 0)
    last_index, runs = durable_index, [(name.first_index, _NO_END)]
    if header.compacted:
        journal_index, durable_index = 0, _NO_END
        try:
            kept = header.kept(content, path)
        except CorruptionError as error:
            runs = []  # a hole could not be told from damage
            report.findings.append(Finding(path, header.kept_position, error.message, damage=True))
        else:
            last_index, runs = kept.last_index, list(kept.runs())
    known = len(report.findings)
    entries = _verify_entries(report, path, content, header, runs, durable_index, journal_index)
    for place, finding in enumerate(report.findings[known:], known):
        if any(finding.index in range(one.first_index, one.last_index + 1) for one in accepted):
            report.findings[place] = replace(finding, damage=False)
    if not header.compacted:
        last_index = entries[-1].index if entries else name.first_index - 1
    sealed = disk.exists(index_path)
    if sealed:
        try:
            read_index(disk, index_path)
        except CorruptionError as error:
            report.findings.append(Finding(index_path, 0, error.message, damage=False))
    shard.segments.append(
        SegmentReport(
            path,
            name.first_index,
            last_index,
            len(entries),
            sum(entry.record_count for entry in entries),
            sum(entry.data_bytes for entry in entries),
            len(content),
            sealed,
        )
    )


def _verify_entries(
    report: DirectoryReport,
    path: str,
    content: memoryview,
    header: SegmentHeader,
    runs: Sequence[tuple[int, int]],
    durable_index: int,
    journal_index: int,
) -> list[EntryHeader]:
    """Every whole entry of a segment, by runs of indexes; what is not whole becomes a finding.

    Entries up to ``durable_index`` must be here, or, up to ``journal_index``, in the journal.
    """
    content = header.entries_of(content)
    found: list[EntryHeader] = []
    position, next_index, term = SEGMENT_HEADER_BYTES, 0, header.previous_term
    for first, last in runs:
        next_index = max(next_index, first)
        while next_index <= last:
            count = last + 1 - next_index
            scan = scan_entries(content, position, header.salt, next_index, term, 0, count)
            found += scan.headers
            if scan.headers:
                next_index, term = scan.headers[-1].index + 1, scan.headers[-1].term
            position = scan.position
            if next_index > last or (last == _NO_END and scan.verdict == VERDICT_END):
                break
            damage = journal_index < next_index <= durable_index
            what = "the entry is damaged" if damage else "a torn entry, never acknowledged"
            if not damage and next_index > durable_index:
                if mended_byte(content, position, header.salt, next_index) is not None:
                    what = "one byte of the entry is wrong; a start puts it right"
            elif not damage and scan.verdict == VERDICT_TORN:
                what = "an entry that the journal still holds"
            finding = Finding(path, position, f"{what} (index {next_index})", damage, next_index)
            report.findings.append(finding)
            position = find_entry(content, position + 8, header.salt, next_index + 1)
            if position < 0:
                return found
            next_index = int.from_bytes(content[position + 8 : position + 16], "little")
    return found
