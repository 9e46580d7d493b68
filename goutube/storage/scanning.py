"""Reading a segment's entries one behind the other, and going on behind what is damaged."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from goutube._native import (
    ENTRY_ALIGN,
    VERDICT_UNKNOWN_FORMAT,
    EntryHeader,
    EntryScan,
    find_entry,
    scan_entries,
)
from goutube.errors import CorruptionError, DataDirError
from goutube.storage.kept import KeptEntries
from goutube.storage.segment import SEGMENT_HEADER_BYTES, SegmentHeader

EVERY_INDEX: Final = (1 << 63) - 1
_INDEX: Final = struct.Struct("<Q")
_INDEX_AT: Final = 8
"""Of the index in an entry's header."""


class Gap(Struct, frozen=True):
    """Entries that should stand in a segment and do not, and the bytes where they stood."""

    position: int
    byte_count: int
    first_index: int
    last_index: int


class SegmentScan(Struct, frozen=True):
    """What was found of some runs.

    Attributes:
        end: one past the last byte that means anything.
        open: what follows the runs, if there is anything, begins at ``end``. Not where the last of
            them are gone and nobody knows how far they went.
    """

    headers: list[EntryHeader]
    gaps: list[Gap]
    end: int
    open: bool = True


def scan_segment(
    content: memoryview,
    header: SegmentHeader,
    path: str,
    runs: Sequence[tuple[int, int]],
    *,
    behind: EntryHeader | None = None,
    payloads: bool = False,
    more: bool = False,
) -> SegmentScan:
    """The entries of a segment of which those from the first to the last of each run must be here.

    Behind what is not whole the next good entry is looked for, so that damage takes no more along
    than what it lies in. ``behind``: the entry that the first run follows. Payloads are verified
    only if asked: every read does it again. ``more``: the entry behind the last run may be there.

    Raises:
        DataDirError: an entry is of a format that this release does not know.
    """
    entries = header.entries_of(content)
    found: list[EntryHeader] = []
    gaps: list[Gap] = []
    check_from = 0 if payloads else EVERY_INDEX
    next_index, term, position = 0, header.previous_term, SEGMENT_HEADER_BYTES
    if behind is not None:
        term, position = behind.term, behind.position + behind.entry_bytes
    for first, last in runs:
        next_index = max(next_index, first)
        while next_index <= last:
            count = last + 1 - next_index
            scan = scan_entries(entries, position, header.salt, next_index, term, check_from, count)
            check_known(scan, path)
            found += scan.headers
            position = scan.position
            if scan.headers:
                next_index, term = found[-1].index + 1, found[-1].term
            if next_index > last:
                break
            good = find_entry(entries, position, header.salt, next_index + 1)
            index = _INDEX.unpack_from(entries, good + _INDEX_AT)[0] if good >= 0 else 0
            if not next_index < index <= runs[-1][1] + more:
                end = max(position, _end_of_bytes(entries))
                gaps.append(Gap(position, end - position, next_index, runs[-1][1]))
                return SegmentScan(found, gaps, end, open=False)
            gaps.append(Gap(position, good - position, next_index, index - 1))
            next_index, position = index, good
    return SegmentScan(found, gaps, position)


def check_known(scan: EntryScan, path: str) -> None:
    """Refuse an entry of a format that this release does not know.

    Raises:
        DataDirError: a scan of the segment at ``path`` has met one.
    """
    if scan.verdict == VERDICT_UNKNOWN_FORMAT:
        raise DataDirError(
            f"{path} holds at {scan.position} an entry of a format that this release does not "
            "know; use the release that wrote it",
            path=path,
            position=scan.position,
        )


def kept_entries(
    header: SegmentHeader, content: memoryview, path: str, last_index: int
) -> KeptEntries:
    """The table of a compacted segment; one that is damaged is made anew from the entries.

    Then nobody can tell a hole from an entry that is gone; what is here is read all the same.
    """
    try:
        return header.kept(content, path)
    except CorruptionError:
        pass
    entries = header.entries_of(content)
    indexes, terms = [], [(header.name.first_index, header.previous_term)]
    position = find_entry(entries, SEGMENT_HEADER_BYTES, header.salt, header.name.first_index)
    while position >= 0:
        entry = read_entry_header(entries, position, header.salt)
        if entry is not None:
            indexes.append(entry.index)
            terms += [(entry.index, entry.term)] if entry.term != terms[-1][1] else []
        after = position + (entry.entry_bytes if entry is not None else ENTRY_ALIGN)
        position = find_entry(entries, after, header.salt, header.name.first_index)
    return KeptEntries(last_index, indexes, indexes, terms)


def read_entry_header(content: memoryview, position: int, salt: int) -> EntryHeader | None:
    """The header that stands at a place in a segment, if it is good."""
    field = content[position + _INDEX_AT : position + _INDEX_AT + _INDEX.size]
    if len(field) < _INDEX.size:
        return None
    index = _INDEX.unpack(field)[0]
    scan = scan_entries(content, position, salt, index, 0, EVERY_INDEX, 1)
    return scan.headers[0] if scan.headers else None


def _end_of_bytes(content: memoryview) -> int:
    """Where the zeros begin that reach to the end, on a boundary of entries."""
    used = len(bytes(content).rstrip(b"\0"))
    return min(used + -used % 8, len(content))
