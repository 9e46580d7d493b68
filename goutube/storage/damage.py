"""Damage: bytes that were durable and are not whole, and what of which streams they take along.

What is known of a shard's damage is a list on its log (``ShardLog.damages``). Damage that took
entries away, headers and all, is also kept in a document of the shard: once such a segment is
sealed its index has no rows for them, and nothing else would tell that they were there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from goutube._native import ENTRY_HEADER_BYTES
from goutube.crash_points import DAMAGE_POINTS
from goutube.errors import CorruptionError
from goutube.ports import Disk
from goutube.storage.document import read_document, write_document
from goutube.storage.index import Row
from goutube.storage.segment import Segment

_MAGIC: Final = b"gtD1"


class LostRange(Struct, frozen=True):
    """Bytes of one stream that cannot be read: the offsets from ``first`` to before ``after``."""

    stream_id: int
    first: int
    after: int


class Damage(Struct, frozen=True):
    """A range of bytes of one file that was durable and is not whole.

    Attributes:
        first_index, last_index: the entries that are gone with their headers, so that the log does
            not know where they stood; 0, 0 where it still knows.
        lost: what it takes of the streams, as far as that is known.
        accepted: ``goutube log repair --accept-loss`` gave it up; the streams in ``lost`` go on at
            ``after``.
    """

    path: str
    position: int
    byte_count: int
    first_index: int = 0
    last_index: int = 0
    lost: tuple[LostRange, ...] = ()
    accepted: bool = False

    def covers(self, other: Damage) -> bool:
        """Whether nothing of ``other`` is news to who knows of this."""
        if other.last_index:
            same = self.path == other.path
            return same and self.first_index <= other.first_index <= other.last_index <= (
                self.last_index
            )
        end, other_end = self.position + self.byte_count, other.position + other.byte_count
        return self.path == other.path and self.position <= other.position <= other_end <= end

    @property
    def where(self) -> str:
        """The place, as messages name it."""
        return f"{self.byte_count} bytes of {self.path} from {self.position} on"


class Mended(Struct, frozen=True):
    """A file that was damaged and cost nothing: what it held was made anew from other files.

    Attributes:
        missing: it was not there at all.
    """

    path: str
    reason: str
    missing: bool = False


def missing_file(path: str) -> Mended:
    """One that is gone as a whole."""
    return Mended(path, f"{path} is missing", missing=True)


def damage_path(directory: str) -> str:
    """Where a shard's damage is written down."""
    return f"{directory}/damage"


def write_damages(disk: Disk, directory: str, damages: list[Damage]) -> None:
    """Write down the damage that took entries away; other damage is found again by each look."""
    disk.make_directory("shards")
    disk.make_directory(directory)
    gone = [damage for damage in damages if damage.last_index]
    body = msgspec.json.encode(gone)
    write_document(disk, damage_path(directory), _MAGIC, body, DAMAGE_POINTS)


def read_damages(disk: Disk, directory: str) -> list[Damage] | None:
    """What ``write_damages`` wrote; None where that is damaged itself."""
    path = damage_path(directory)
    if not disk.exists(path):
        return []
    try:
        return msgspec.json.decode(read_document(disk, path, _MAGIC), type=list[Damage])
    except (CorruptionError, msgspec.DecodeError):
        return None


def damage_in(segments: Sequence[Segment], segment: Segment, position: int, size: int) -> Damage:
    """The damage of ``size`` bytes of a segment, widened to the batches that they belong to.

    A batch reaches to where the next one of its stream begins; the newest one of a stream reaches
    no farther than its bytes.
    """
    index = segment.index
    lost = []
    first, after_last = position, position + size
    end, sizes = position + size, index.entry_bytes
    for number, place in enumerate(index.positions):
        if place < end and position < place + sizes[number]:
            row, stream_id = index.row(number), index.stream_ids[number]
            after = _next_offset(segments, stream_id, row)
            lost.append(LostRange(stream_id, row.offset, after))
            first = min(first, row.position)
            after_last = max(after_last, row.position + row.entry_bytes)
    return Damage(segment.path, first, after_last - first, lost=tuple(lost))


def _next_offset(segments: Sequence[Segment], stream_id: int, row: Row) -> int:
    """Where the batch of a row ends, at the latest."""
    farthest = row.offset + row.entry_bytes - ENTRY_HEADER_BYTES
    for segment in segments:
        rows = segment.index.rows_of(stream_id)
        place = rows.at_offset(row.offset) + 1 if rows is not None else 0
        if rows is not None and place < len(rows):
            return min(rows.row(place).offset, farthest)
    return farthest
