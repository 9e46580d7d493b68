"""Where the batches of each stream lie in a segment: growing in memory, then sorted in a file.

Both shapes answer the same questions by binary search. A row is one batch. Entries of many streams
interleave in a segment, so the index is dense: every batch has its row.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from goutube._native import EntryHeader, crc32c
from goutube.crash_points import INDEX_POINTS
from goutube.errors import CorruptionError, DataDirError
from goutube.ports import Disk
from goutube.storage.document import replace_file

_HEADER: Final = struct.Struct("<4sIIIQQIII")
_TERM: Final = struct.Struct("<QQ")
HEADER_BYTES: Final = 64
INDEX_VERSION: Final = 1
_MAGIC: Final = b"gtI1"
_WIDE_COLUMNS: Final = 4
_NARROW_COLUMNS: Final = 2


class IndexAbout(Struct, frozen=True):
    """What an index file says of its segment beside the rows: so that it need not be scanned.

    Attributes:
        terms: (index where it begins, term) of every run of one term; the first one at
            ``first_index``.
    """

    shard: int
    first_index: int
    generation: int
    last_index: int
    terms: list[tuple[int, int]]


class Row(NamedTuple):
    """One batch: its first byte and record in the stream, its time, its place in the segment."""

    offset: int
    ordinal: int
    stamp: int
    position: int
    entry_bytes: int


class StreamRows(Protocol):
    """The rows of one stream in one segment, in the order of their offsets."""

    def __len__(self) -> int:
        """How many rows."""

    def row(self, number: int) -> Row:
        """The row of a number from 0."""

    def at_offset(self, offset: int) -> int:
        """Number of the last row that begins at or before ``offset``; -1: none."""

    def at_ordinal(self, ordinal: int) -> int:
        """Number of the last row whose first record is at or before ``ordinal``; -1: none."""

    def before_stamp(self, stamp: int) -> int:
        """Number of the last row that begins before ``stamp``; -1: none."""


class _ActiveRows:
    """One stream's rows in an active index."""

    __slots__ = ("_index", "_numbers")

    def __init__(self, index: ActiveIndex, numbers: Sequence[int]) -> None:
        self._index = index
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def row(self, number: int) -> Row:
        return self._index.row(self._numbers[number])

    def at_offset(self, offset: int) -> int:
        return bisect_right(self._numbers, offset, key=self._index.offsets.__getitem__) - 1

    def at_ordinal(self, ordinal: int) -> int:
        return bisect_right(self._numbers, ordinal, key=self._index.ordinals.__getitem__) - 1

    def before_stamp(self, stamp: int) -> int:
        return bisect_left(self._numbers, stamp, key=self._index.stamps.__getitem__) - 1


class ActiveIndex:
    """The index of a segment that still grows: columns in arrival order, row numbers by stream.

    Args:
        headers: what a scan found of it, in order. Their rows cost less than those that come later:
            nearly all streams of a node that has just started will see no more of them.
    """

    __slots__ = (
        "_by_stream",
        "_found",
        "entry_bytes",
        "offsets",
        "ordinals",
        "positions",
        "stamps",
        "stream_ids",
    )

    def __init__(self, headers: Sequence[EntryHeader] = ()) -> None:
        batches = [header for header in headers if header.data_bytes]  # others have no row
        self.stream_ids = array("Q", [header.stream_id for header in batches])
        self.offsets = array("Q", [header.offset for header in batches])
        self.ordinals = array("Q", [header.ordinal for header in batches])
        self.stamps = array("Q", [header.stamp for header in batches])
        self.positions = array("I", [header.position for header in batches])
        self.entry_bytes = array("I", [header.entry_bytes for header in batches])
        by_stream = sorted(range(len(batches)), key=self.stream_ids.__getitem__)
        self._found = memoryview(array("I", by_stream))
        """Numbers of the first rows, by stream."""
        self._by_stream: dict[int, array[int]] = {}
        """Numbers of all rows of the streams of which one came later."""

    def __len__(self) -> int:
        return len(self.offsets)

    def add(
        self,
        stream_id: int,
        offset: int,
        ordinal: int,
        stamp: int,
        position: int,
        entry_bytes: int,
    ) -> None:
        """Take in one batch's row; a stream's batches come in the order of their offsets."""
        numbers = self._by_stream.get(stream_id)
        if numbers is None:
            numbers = self._by_stream[stream_id] = array("I", self._found_rows(stream_id))
        numbers.append(len(self.offsets))
        self.stream_ids.append(stream_id)
        self.offsets.append(offset)
        self.ordinals.append(ordinal)
        self.stamps.append(stamp)
        self.positions.append(position)
        self.entry_bytes.append(entry_bytes)

    def row(self, number: int) -> Row:
        """The row that came as ``number``-th, from 0."""
        return Row(
            self.offsets[number],
            self.ordinals[number],
            self.stamps[number],
            self.positions[number],
            self.entry_bytes[number],
        )

    def rows_of(self, stream_id: int) -> StreamRows | None:
        """The rows of a stream; None where it has no batch in this segment."""
        numbers = self._by_stream.get(stream_id) or self._found_rows(stream_id)
        return _ActiveRows(self, numbers) if numbers else None

    def _found_rows(self, stream_id: int) -> Sequence[int]:
        stream_of = self.stream_ids.__getitem__
        first = bisect_left(self._found, stream_id, key=stream_of)
        return self._found[first : bisect_right(self._found, stream_id, first, key=stream_of)]

    def encode(self, about: IndexAbout) -> bytes:
        """The index file (``encode_index``)."""
        import numpy as np  # noqa: PLC0415 - a start must not wait for it: only sealing needs it

        streams = np.frombuffer(self.stream_ids, np.uint64)
        offsets = np.frombuffer(self.offsets, np.uint64)
        order = np.lexsort((offsets, streams))
        wide = (self.stream_ids, self.offsets, self.ordinals, self.stamps)
        narrow = (self.positions, self.entry_bytes)
        return encode_index(
            about,
            [np.frombuffer(column, np.uint64)[order].tobytes() for column in wide]
            + [np.frombuffer(column, np.uint32)[order].tobytes() for column in narrow],
        )


def index_bytes(rows: int, terms: int) -> int:
    """How long an index file of so many rows and runs of terms is."""
    return HEADER_BYTES + (_WIDE_COLUMNS * 8 + _NARROW_COLUMNS * 4) * rows + _TERM.size * terms


def encode_index(about: IndexAbout, columns: Sequence[bytes]) -> bytes:
    """An index file: header, four columns of uint64, two of uint32, the runs of terms.

    ``columns`` are sorted by stream and offset.
    """
    body = b"".join([*columns, *(_TERM.pack(*run) for run in about.terms)])
    head = _HEADER.pack(
        _MAGIC,
        INDEX_VERSION,
        about.shard,
        about.generation,
        about.first_index,
        about.last_index,
        len(columns[0]) // 8,
        len(about.terms),
        crc32c(body),
    ).ljust(HEADER_BYTES - 4, b"\0")
    return head + struct.pack("<I", crc32c(head)) + body


class _SealedRows:
    """One stream's rows in a sealed index: the numbers from ``first`` to before ``after``."""

    __slots__ = ("_after", "_first", "_index")

    def __init__(self, index: SealedIndex, first: int, after: int) -> None:
        self._index = index
        self._first = first
        self._after = after

    def __len__(self) -> int:
        return self._after - self._first

    def row(self, number: int) -> Row:
        return self._index.row(self._first + number)

    def at_offset(self, offset: int) -> int:
        place = bisect_right(self._index.offsets, offset, self._first, self._after)
        return place - 1 - self._first

    def at_ordinal(self, ordinal: int) -> int:
        place = bisect_right(self._index.ordinals, ordinal, self._first, self._after)
        return place - 1 - self._first

    def before_stamp(self, stamp: int) -> int:
        place = bisect_left(self._index.stamps, stamp, self._first, self._after)
        return place - 1 - self._first


class SealedIndex:
    """An index file, searched in place.

    Args:
        content: the whole file, as ``ActiveIndex.encode`` made it; usually memory-mapped.
        path: for error messages.

    Raises:
        CorruptionError: the bytes do not match their checksum.
        DataDirError: the version is unknown.
    """

    __slots__ = ("about", "entry_bytes", "offsets", "ordinals", "positions", "stamps", "stream_ids")

    def __init__(self, content: memoryview, path: str) -> None:
        self.about, count = _check_header(content, path)
        start = HEADER_BYTES
        wide = content[start : start + _WIDE_COLUMNS * 8 * count].cast("Q")
        start += _WIDE_COLUMNS * 8 * count
        narrow = content[start : start + _NARROW_COLUMNS * 4 * count].cast("I")
        columns = [wide[n * count : (n + 1) * count] for n in range(_WIDE_COLUMNS)]
        columns += [narrow[n * count : (n + 1) * count] for n in range(_NARROW_COLUMNS)]
        self.stream_ids, self.offsets, self.ordinals, self.stamps = columns[:_WIDE_COLUMNS]
        self.positions, self.entry_bytes = columns[_WIDE_COLUMNS:]

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def byte_count(self) -> int:
        """Of the file."""
        return index_bytes(len(self), len(self.about.terms))

    def row(self, number: int) -> Row:
        """The row of a number, in the order of stream and offset."""
        return Row(
            self.offsets[number],
            self.ordinals[number],
            self.stamps[number],
            self.positions[number],
            self.entry_bytes[number],
        )

    def rows(self, first: int, after: int) -> StreamRows:
        """The rows from ``first`` to before ``after``, all of one stream."""
        return _SealedRows(self, first, after)

    def rows_of(self, stream_id: int) -> StreamRows | None:
        """The rows of a stream; None where it has no batch in this segment."""
        first = bisect_left(self.stream_ids, stream_id)
        after = bisect_right(self.stream_ids, stream_id, first)
        return None if first == after else _SealedRows(self, first, after)

    def streams(self) -> Iterator[tuple[int, int, int]]:
        """(stream id, its first row, one past its last row) of every stream."""
        first = 0
        while first < len(self):
            stream_id = self.stream_ids[first]
            after = bisect_right(self.stream_ids, stream_id, first)
            yield stream_id, first, after
            first = after


SegmentIndex = ActiveIndex | SealedIndex


def _check_header(content: memoryview, path: str) -> tuple[IndexAbout, int]:
    """What an index file says of its segment, and its number of rows; its checksums are right."""
    head = bytes(content[:HEADER_BYTES])
    if len(head) < HEADER_BYTES or head[:4] != _MAGIC:
        raise CorruptionError(f"{path} is not an index file", path=path, position=0)
    if struct.unpack_from("<I", head, HEADER_BYTES - 4)[0] != crc32c(head[:-4]):
        raise CorruptionError(f"the header of {path} is damaged", path=path, position=0)
    fields = _HEADER.unpack_from(head)
    _, version, shard, generation, first_index, last_index, count, runs, checksum = fields
    if version != INDEX_VERSION:
        raise DataDirError(f"{path} has index version {version}; this release knows 1", path=path)
    body = content[HEADER_BYTES:]
    if len(content) != index_bytes(count, runs) or crc32c(body) != checksum:
        raise CorruptionError(
            f"{path} does not match its checksum", path=path, position=HEADER_BYTES
        )
    terms = [(index, term) for index, term in _TERM.iter_unpack(body[count * 40 :])]
    return IndexAbout(shard, first_index, generation, last_index, terms), count


def read_index(disk: Disk, path: str) -> SealedIndex:
    """Map an index file and check it whole.

    Raises:
        CorruptionError: the bytes do not match their checksum.
        DataDirError: the version is unknown.
    """
    file = disk.open(path, write=False)
    try:
        return SealedIndex(file.map(), path)
    finally:
        file.close()


def put_index(disk: Disk, path: str, content: bytes) -> SealedIndex:
    """Put an index in its place, durable, and read it back; the one way in which they are written.

    A crash leaves the one before it, or none, or this; should that be damaged, the next start makes
    it anew. ``content`` is what ``encode_index`` made.

    Raises:
        CorruptionError: it was damaged when it was read, and so was the one written after it.
    """
    replace_file(disk, path, INDEX_POINTS, content)
    try:
        return read_index(disk, path)
    except CorruptionError:
        # Hardly written, and no longer whole; all that it says is known here still. Not for ever:
        # of a disk that spoils two of them nothing good is to be expected.
        replace_file(disk, path, INDEX_POINTS, content)
        return read_index(disk, path)
