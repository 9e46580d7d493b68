"""Reading a sealed segment and its index again, to see that the disk still has what was written.

It is read slice by slice past the page cache, every checksum is compared, and what is not whole is
told by its position. Nothing is written but an index that is damaged: it is made anew from the
segment. The disk's part of it; when it is done, and what follows, is the node's business.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Generator
from typing import Final

from goutube._native import (
    ENTRY_ALIGN,
    ENTRY_HEADER_BYTES,
    VERDICT_TORN,
    EntryHeader,
    EntryScan,
    find_entry,
    scan_entries,
)
from goutube.errors import CorruptionError, DataDirError
from goutube.limits import MIB
from goutube.ports import Disk, File
from goutube.storage.index import ActiveIndex, SealedIndex, put_index
from goutube.storage.kept import KeptEntries
from goutube.storage.scanning import EVERY_INDEX, kept_entries, scan_segment
from goutube.storage.segment import (
    SEGMENT_HEADER_BYTES,
    Segment,
    SegmentHeader,
)

_SLICE_BYTES: Final = MIB
_PIECE_BYTES: Final = 4096
"""How finely it is found out which bytes of a slice the disk does not give."""
_INDEX: Final = struct.Struct("<Q")
_SIZES: Final = struct.Struct("<III")
_INDEX_AT: Final = 8
_SIZES_AT: Final = 96
"""Of the index and the three lengths in an entry's header."""


class SegmentScrub:
    """One sealed segment that is read again; call ``step`` until nothing is ``left``.

    Attributes:
        left: whether there is more to be read.
        bad_index: what is wrong with the index; empty: nothing.
        missing: whether the segment's file is not there.
    """

    def __init__(self, segment: Segment) -> None:
        assert segment.file is not None
        self.segment = segment
        self.left = True
        self.bad_index = ""
        self.missing = False
        self._file: File = segment.file
        self._header = segment.header
        self._end = segment.header.kept_position or segment.size
        """Of the entries."""
        self._position = SEGMENT_HEADER_BYTES
        self._next_index = segment.header.name.first_index
        self._lost_from: int | None = None
        """Where an entry should stand and none was found yet."""
        self._wanted = _SLICE_BYTES
        self._bad: list[tuple[int, int]] = []
        self._steps: Generator[int] | None = None

    def step(self, disk: Disk) -> int:
        """Read and check the next slice; how many bytes were read.

        Raises:
            OSError: the disk does not say why it gives nothing; nothing is known of the rest.
        """
        if self._steps is None:
            self._steps = self._check(disk)
        try:
            return next(self._steps)
        except StopIteration:
            self.left = False
        except FileNotFoundError:
            self.left, self.missing = False, True
        return 0

    def take_bad(self) -> list[tuple[int, int]]:
        """(position, bytes) of what was found not to be whole since the last call."""
        bad, self._bad = sorted(self._bad), []
        merged: list[tuple[int, int]] = []
        for position, count in bad:
            start, before = merged[-1] if merged else (0, -1)
            if position <= start + before:
                merged[-1] = start, max(before, position + count - start)
            else:
                merged.append((position, count))
        return merged

    def _check(self, disk: Disk) -> Generator[int]:
        yield self._check_index(disk)
        head = self._read(0, SEGMENT_HEADER_BYTES)
        try:
            SegmentHeader.decode(head, self.segment.path)
        except (CorruptionError, DataDirError):
            self._bad.append((0, SEGMENT_HEADER_BYTES))
        while self._position < self._end:
            count = min(self._wanted, self._end - self._position)
            content = self._read(self._position, count)
            settled = self._judge(content, last=len(content) < count)
            self._position += settled
            if len(content) < count:
                self._bad.append((self._position, self._end - self._position))
                break
            yield len(content)
        if self._lost_from is not None:
            self._bad.append((self._lost_from, self._position - self._lost_from))
        if self._header.compacted:
            self._check_kept()

    def _check_index(self, disk: Disk) -> int:
        path = self.segment.index_path
        try:
            file = disk.open(path, write=False)
            try:
                content = memoryview(file.read_stored(0, file.size()))
            finally:
                file.close()
        except FileNotFoundError:
            self.bad_index = f"{path} is missing"
            return 0
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.bad_index = f"{path} cannot be read: {error.strerror}"
            return 0
        try:
            SealedIndex(content, path)
        except (CorruptionError, DataDirError) as error:
            self.bad_index = error.message
        return len(content)

    def _check_kept(self) -> None:
        position, count = self._header.kept_position, self._header.kept_bytes
        try:
            KeptEntries.decode(self._read(position, count), self.segment.path, position)
        except CorruptionError:
            self._bad.append((position, count))

    def _judge(self, content: memoryview, *, last: bool) -> int:
        """Check the entries in a slice; how many of its bytes need not be seen again.

        ``last``: no further ones can be had.
        """
        last = last or self._position + len(content) == self._end
        salt, at = self._header.salt, 0
        self._wanted = _SLICE_BYTES
        while at < len(content):
            if self._lost_from is not None:
                at = self._find(content, at)
                if self._lost_from is not None:
                    return len(content) if last else at
            scan = scan_entries(content, at, salt, self._next_index, 0, 0)
            if scan.headers:
                self._next_index = scan.headers[-1].index + 1
            at = scan.position
            if at == len(content):
                break
            alone = _read_entry(content, at, salt)
            if alone.verdict == VERDICT_TORN and not last:
                self._wanted = max(_SLICE_BYTES, _entry_bytes(content[at:]))
                break
            at = self._pass_bad(alone.headers, at)
        return at

    def _pass_bad(self, alone: list[EntryHeader], at: int) -> int:
        """Go on where what stands there is not the entry that was expected; where to."""
        entry = alone[0] if alone else None
        if entry is None or entry.index < self._next_index:
            self._lost_from = self._position + at
            return at + ENTRY_ALIGN
        if entry.index > self._next_index:  # a compaction left some out, or damage took them
            self._next_index = entry.index
            return at
        self._bad.append((self._position + at, entry.entry_bytes))
        self._next_index += 1
        return at + entry.entry_bytes

    def _find(self, content: memoryview, at: int) -> int:
        """Where the next good entry stands, or from where on it may still come."""
        found = find_entry(content, at, self._header.salt, self._next_index)
        if found < 0:
            return max(at, len(content) - ENTRY_HEADER_BYTES + ENTRY_ALIGN)
        assert self._lost_from is not None
        self._bad.append((self._lost_from, self._position + found - self._lost_from))
        self._lost_from = None
        self._next_index = _INDEX.unpack_from(content, found + _INDEX_AT)[0]
        return found

    def _read(self, position: int, count: int) -> memoryview:
        """What the disk has; what it fails to give is asked for once more, in pieces."""
        try:
            return memoryview(self._file.read_stored(position, count))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        content = bytearray(count)
        for at in range(0, count, _PIECE_BYTES):
            size = min(_PIECE_BYTES, count - at)
            try:
                piece = self._file.read_stored(position + at, size)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                self._bad.append((position + at, size))
            else:
                content[at : at + len(piece)] = piece
        return memoryview(content)


def _read_entry(content: memoryview, at: int, salt: int) -> EntryScan:
    """The entry that stands at a place, whatever its index; its payload is not looked at."""
    field = content[at + _INDEX_AT : at + _INDEX_AT + _INDEX.size]
    index = _INDEX.unpack(field)[0] if len(field) == _INDEX.size else 0
    return scan_entries(content, at, salt, index, 0, EVERY_INDEX, 1)


def _entry_bytes(content: memoryview) -> int:
    """How long an entry is whose good header stands here; 0 where less than a header does."""
    if len(content) < ENTRY_HEADER_BYTES:
        return 0
    size: int = ENTRY_HEADER_BYTES + sum(_SIZES.unpack_from(content, _SIZES_AT))
    return size + -size % ENTRY_ALIGN


def remake_index(disk: Disk, segment: Segment) -> SealedIndex:
    """Make a sealed segment's index anew from its entries, durable.

    Raises:
        CorruptionError: some of them are damaged; or the new index is, and so was one before it.
    """
    assert segment.file is not None
    assert isinstance(segment.index, SealedIndex)
    header, about = segment.header, segment.index.about
    content = segment.file.map()
    runs = [(header.name.first_index, about.last_index)]
    if header.compacted:
        runs = list(kept_entries(header, content, segment.path, about.last_index).runs())
    scan = scan_segment(content, header, segment.path, runs)
    if scan.gaps:
        raise CorruptionError(
            f"{segment.index_path} cannot be made anew: {segment.path} is damaged, too",
            path=segment.path,
            position=scan.gaps[0].position,
        )
    return put_index(disk, segment.index_path, ActiveIndex(scan.headers).encode(about))
