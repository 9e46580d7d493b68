"""Writing a sealed segment anew without the batches that nobody needs: the disk's part of it.

The new file is the same segment under its next revision's name, with an index of its own. Entries
are copied byte for byte, under the same salt; each is verified on the way. The order is:

1. the new file under a temporary name, synced slice by slice, and its index, durable and read back;
2. the new file gets its name, which is synced: from here on a start takes it and not the old one;
3. the log uses the new one, then the old file and its index are removed.

Whatever a crash leaves, an index belongs to the one file whose name it bears. Before 2 a start
finds the old pair, and removes what is temporary and an index without its segment. After 2 it finds
both files, takes the one of the higher revision, which is whole, and removes the other.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from goutube._native import VERDICT_OK, pick_entries
from goutube.crash_points import CrashPoint
from goutube.limits import KIB, MIB
from goutube.ports import Disk, File
from goutube.storage.document import TEMPORARY
from goutube.storage.index import SealedIndex, encode_index, index_bytes, put_index
from goutube.storage.kept import KeptEntries, kept_bytes
from goutube.storage.segment import (
    SEGMENT_HEADER_BYTES,
    Segment,
    remove_segment_file,
    shard_directory,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    _Narrow = npt.NDArray[np.uint32]
    _Numbers = npt.NDArray[np.intp]

SLICE_BYTES: Final = MIB
"""Read, written and synced at once: no journal group waits behind a longer flush."""
_GAP_BYTES: Final = 64 * KIB
"""Dead bytes between two batches that are read along; more than this is skipped."""


class SegmentRewrite:
    """One sealed segment on its way to its next revision.

    Every method but the constructor does the disk's work; they are called one at a time, in the
    order ``plan``, ``copy`` until nothing is left, ``finish``, or ``abandon`` at any time.

    Args:
        dead: (first, one past the last) of the rows of its index whose batches go, rising.

    Attributes:
        bytes_before, bytes_after: of the file and its index, old and new; known once it is planned.
        copied_bytes: entries written so far.
        damage: position of an entry that must be copied and is not whole; None: none so far.
    """

    def __init__(self, segment: Segment, dead: Sequence[tuple[int, int]]) -> None:
        assert isinstance(segment.index, SealedIndex)
        assert segment.file is not None
        self.segment = segment
        self.bytes_before = self.bytes_after = 0
        self.copied_bytes = 0
        self.damage: int | None = None
        self._index = segment.index
        self._source: File = segment.file
        self._target: File | None = None
        name = replace(segment.header.name, revision=segment.header.name.revision + 1)
        self._made = Segment(
            replace(segment.header, name=name),
            segment.index,
            SEGMENT_HEADER_BYTES,
            segment.last_index,
            full=True,
            sealing=True,
            sealed=True,
        )
        self._dead = dead
        self._live: _Numbers
        self._by_place: _Numbers
        """Where among the live rows, which are in the index's order, those by position stand."""
        self._positions: _Narrow
        self._sizes: _Narrow
        self._ends: _Narrow
        self._next = 0
        self._indexes: list[bytes] = []

    @property
    def left(self) -> bool:
        """Whether there are batches still to be copied."""
        return self._next < len(self._positions)

    def plan(self) -> None:
        """Find out what stays, and how long the new file will be."""
        import numpy as np  # noqa: PLC0415 - a start must not wait for it

        turns = np.zeros(len(self._index) + 1, np.int32)
        dead = np.array(self._dead, np.intp).reshape(-1, 2)
        turns[dead[:, 0]] += 1
        turns[dead[:, 1]] -= 1
        self._live = np.flatnonzero(np.cumsum(turns[:-1]) == 0)
        positions = np.frombuffer(self._index.positions, np.uint32)[self._live]
        sizes = np.frombuffer(self._index.entry_bytes, np.uint32)[self._live]
        self._by_place = np.argsort(positions)
        self._positions, self._sizes = positions[self._by_place], sizes[self._by_place]
        self._ends = self._positions + self._sizes
        runs = int(np.count_nonzero(self._positions[1:] != self._ends[:-1])) + 1
        terms = self._index.about.terms
        self.bytes_before = self.segment.size + index_bytes(len(self._index), len(terms))
        self.bytes_after = (
            SEGMENT_HEADER_BYTES
            + int(sizes.sum(dtype=np.uint64))
            + kept_bytes(runs, len(terms))
            + index_bytes(len(self._live), len(terms))
        )

    def copy(self, disk: Disk) -> int:
        """Copy the next slice and sync it; returns how many bytes were read and written."""
        if self._target is None:
            path = self._made.path + TEMPORARY
            disk.remove(path)
            self._target = disk.open(path, create=True)
            disk.reached(CrashPoint.REWRITE_CREATED)
        moved = 0
        while self.left and moved < SLICE_BYTES and self.damage is None:
            moved += self._copy_window(self._target)
        disk.reached(CrashPoint.REWRITE_COPIED)
        self._target.sync()
        disk.reached(CrashPoint.REWRITE_FLUSHED)
        return moved

    def finish(self, disk: Disk) -> Segment:
        """Complete the new file and put it and its index beside the old ones; returns it.

        Raises:
            CorruptionError: the index is damaged, and so was one before it (``put_index``).
        """
        import numpy as np  # noqa: PLC0415 - as above

        made, about = self._made, self._index.about
        if self._target is None:
            self.copy(disk)
        assert self._target is not None
        kept = _kept(self._indexes, about.last_index, about.terms).encode()
        position = SEGMENT_HEADER_BYTES + self.copied_bytes
        made.header = replace(made.header, kept_position=position, kept_bytes=len(kept))
        made.size = made.reserved = position + len(kept)
        self._target.write(position, kept)
        self._target.write(0, made.header.encode())
        disk.reached(CrashPoint.REWRITE_WRITTEN)
        self._target.sync()
        disk.reached(CrashPoint.REWRITE_SYNCED)
        self._target.close()
        places = np.empty(len(self._live), np.uint32)
        after = np.cumsum(self._sizes, dtype=np.uint32)
        places[self._by_place] = SEGMENT_HEADER_BYTES + after - self._sizes
        index = self._index
        wide = (index.stream_ids, index.offsets, index.ordinals, index.stamps)
        columns = [np.frombuffer(column, np.uint64)[self._live].tobytes() for column in wide]
        sizes = np.frombuffer(index.entry_bytes, np.uint32)[self._live]
        columns += [places.tobytes(), sizes.tobytes()]
        made.index = put_index(disk, made.index_path, encode_index(about, columns))
        disk.reached(CrashPoint.REWRITE_INDEXED)
        disk.rename(made.path + TEMPORARY, made.path)
        disk.reached(CrashPoint.REWRITE_RENAMED)
        disk.sync_directory(shard_directory(made.header.shard))
        disk.reached(CrashPoint.REWRITE_DURABLE)
        made.file = disk.open(made.path, write=False)
        made.file.rest()
        return made

    def abandon(self, disk: Disk) -> None:
        """Leave nothing behind; the old file goes on being the segment."""
        if self._target is not None:
            self._target.close()
        for path in (self._made.path, self._made.index_path):
            disk.remove(path + TEMPORARY)
        disk.reached(CrashPoint.REWRITE_ABANDONED)
        remove_segment_file(disk, self._made)

    def _copy_window(self, target: File) -> int:
        """Copy batches that lie close together; returns the bytes read and written."""
        first, after = self._next, self._window_end()
        start = int(self._positions[first])
        count = int(self._ends[after - 1]) - start
        try:
            content = self._source.read(start, count)
        except OSError:
            self.damage = start
            return 0
        salt, sizes = self._made.header.salt, self._sizes[first:after]
        if len(content) < count:
            self.damage = start + len(content)
            return len(content)
        places = self._positions[first:after]
        pick = pick_entries(content, start, salt, places.data, sizes.data)
        if pick.verdict != VERDICT_OK:
            self.damage = pick.position
            return count
        target.write(SEGMENT_HEADER_BYTES + self.copied_bytes, pick.entries)
        self.copied_bytes += len(pick.entries)
        self._indexes.append(pick.indexes)
        self._next = after
        return count + len(pick.entries)

    def _window_end(self) -> int:
        """One past the last batch of the window that begins with the next one; at least that."""
        import numpy as np  # noqa: PLC0415 - as above

        first = self._next
        start = int(self._positions[first])
        most = int(np.searchsorted(self._positions, start + SLICE_BYTES // 2))
        gaps = self._positions[first + 1 : most] - self._ends[first : max(first, most - 1)]
        far = np.flatnonzero(gaps > _GAP_BYTES)
        return first + 1 + int(far[0]) if len(far) else max(most, first + 1)


def _kept(indexes: list[bytes], last_index: int, terms: list[tuple[int, int]]) -> KeptEntries:
    """The table of what was copied."""
    import numpy as np  # noqa: PLC0415 - as above

    kept = np.frombuffer(b"".join(indexes), np.uint64)
    ends = np.flatnonzero(np.diff(kept) != 1)
    firsts, lasts = array("Q"), array("Q")
    if len(kept):
        firsts.frombytes(kept[np.concatenate(([0], ends + 1))].tobytes())
        lasts.frombytes(kept[np.concatenate((ends, [len(kept) - 1]))].tobytes())
    return KeptEntries(last_index, firsts, lasts, terms)
