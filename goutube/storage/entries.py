"""What stands in a shard's log: kinds, flags, and an entry before it has its place."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from msgspec import Struct

from goutube.limits import MIB
from goutube.model import Batch, Buffer, ProducerStamp

FLAG_CREATES: Final = 1
"""The entry makes its stream: its control section begins with the stream's name and properties."""
FLAG_SEALS: Final = 2
"""No byte of the stream follows this entry."""
STAGED_BYTES: Final = MIB
"""Entries of so much are not joined by more on their way: long writes are made in parts."""


class SegmentName(Struct, frozen=True):
    """Which segment of a shard: its first index, the generation that made it, and which file of it.

    Attributes:
        revision: how often it was compacted; each time it gets files of its own.
    """

    first_index: int
    generation: int
    revision: int = 0

    @property
    def file_name(self) -> str:
        """The segment's file name in its shard's directory."""
        return f"{self._stem}.seg"

    @property
    def index_name(self) -> str:
        """The file name of its index."""
        return f"{self._stem}.idx"

    @property
    def heads_name(self) -> str:
        """The file name of its heads, which are there while it is open."""
        return f"{self._stem}.heads"

    @property
    def _stem(self) -> str:
        stem = f"{self.first_index:020d}-{self.generation:06d}"
        return f"{stem}-{self.revision:06d}" if self.revision else stem

    @classmethod
    def parse(cls, file_name: str) -> SegmentName | None:
        """The name that a file's name spells; None for files that are no segments."""
        stem, _, ending = file_name.partition(".")
        numbers = stem.split("-")
        if ending == "seg" and len(numbers) in (2, 3) and all(n.isdecimal() for n in numbers):
            return cls(*map(int, numbers))
        return None


class EntryKind(IntEnum):
    """What an entry does. Numbers are never reused; 7 to 10 are kept for replication."""

    BATCH = 1
    CREATE = 2
    SEAL = 3
    TRIM = 4
    DELETE = 5
    CHANGE = 6


class NewEntry(Struct, frozen=True, gc=False):
    """An entry as the leader proposes it; the log gives it index, position and header.

    Attributes:
        stream_id: 0 together with ``FLAG_CREATES``: the log fills in the id that the index makes.
        offset: where the stream ends before this entry, in bytes.
        ordinal: how many records the stream has before this entry.
        stamp_ms: the leader's time of the first record.
        control: what the leader has to say, by kind (docs/FORMATS.md).
    """

    kind: EntryKind
    flags: int
    stream_id: int
    offset: int
    ordinal: int
    stamp_ms: int
    control: bytes = b""
    batch: Batch | None = None
    producer: ProducerStamp | None = None
    producer_time_ms: int = 0


class StagedEntries(Struct):
    """Consecutive entries of one shard, encoded, on their way to one segment."""

    name: SegmentName
    position: int
    last_index: int
    last_term: int
    byte_count: int
    buffers: list[Buffer]
