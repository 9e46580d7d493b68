"""The ring that makes small writes of all shards durable, as geometry: where groups go and begin.

The file is two superblock slots, then the ring of pre-written bytes. Groups are strictly serial and
start on 4 KiB boundaries. A superblock says where replay begins and, for every shard, the durable
mark as of there. docs/FORMATS.md draws the bytes; ``goutube._native`` writes and judges groups.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goutube._native import (
    JOURNAL_BLOCK_BYTES,
    VERDICT_OK,
    VERDICT_UNKNOWN_FORMAT,
    JournalGroup,
    crc32c,
    find_group,
    read_group,
)
from goutube.crash_points import CrashPoint
from goutube.errors import CorruptionError, DataDirError
from goutube.limits import MIB
from goutube.ports import Disk, Entropy, File
from goutube.storage.group_mending import mended_group

JOURNAL_PATH: Final = "journal"
_MAGIC: Final = b"gtP1"
_SUPERBLOCK: Final = struct.Struct("<4sIIIQQQQ")
_SUPERBLOCK_BYTES: Final = 64
_MARK: Final = struct.Struct("<IIQQQQ")
_VERSION: Final = 1
_GROUP_VERSION: Final = 1
_GROUP_START: Final = struct.Struct("<4xB3xQ")
"""Version and number of a group."""


_ADVICE: Final = (
    "Restore the directory from a copy, or look at what would be given up with 'goutube log "
    "repair'; nothing was changed"
)


class DurableMark(Struct, frozen=True):
    """What is certainly durable of one replica: entries up to (index, term) of its generation."""

    shard: int
    generation: int
    replica: int
    index: int
    term: int
    commit: int


class Superblock(Struct, frozen=True):
    """Where replay begins: the group ``sequence`` at ``position``; ``marks`` hold as of there."""

    number: int
    seed: int
    position: int
    sequence: int
    ring_bytes: int
    marks: tuple[DurableMark, ...]

    def encode(self) -> bytes:
        """The slot's bytes, without the padding to the slot's size."""
        marks = b"".join(
            _MARK.pack(m.shard, m.generation, m.replica, m.index, m.term, m.commit)
            for m in self.marks
        )
        head = _SUPERBLOCK.pack(
            _MAGIC,
            _VERSION,
            self.seed,
            len(self.marks),
            self.number,
            self.position,
            self.sequence,
            self.ring_bytes,
        ).ljust(_SUPERBLOCK_BYTES - 4, b"\0")
        return head + struct.pack("<I", crc32c(marks, crc32c(head))) + marks

    @classmethod
    def decode(cls, slot: bytes) -> Superblock | None:
        """What ``encode`` made; None where the bytes are not a good superblock.

        Raises:
            DataDirError: a good superblock of an unknown version.
        """
        if len(slot) < _SUPERBLOCK_BYTES or slot[:4] != _MAGIC:
            return None
        _, version, seed, count, number, position, sequence, ring = _SUPERBLOCK.unpack_from(slot)
        end = _SUPERBLOCK_BYTES + count * _MARK.size
        checksum = struct.unpack_from("<I", slot, _SUPERBLOCK_BYTES - 4)[0]
        head = slot[: _SUPERBLOCK_BYTES - 4]
        if end > len(slot) or crc32c(slot[_SUPERBLOCK_BYTES:end], crc32c(head)) != checksum:
            return None
        if version != _VERSION:
            raise DataDirError(
                f"{JOURNAL_PATH} has version {version}; this release reads {_VERSION}. Use the "
                "release that wrote it; nothing was changed",
                path=JOURNAL_PATH,
                version=version,
            )
        marks = tuple(DurableMark(*m) for m in _MARK.iter_unpack(slot[_SUPERBLOCK_BYTES:end]))
        return cls(number, seed, position, sequence, ring, marks)


def _blocks(count: int) -> int:
    return -(-count // JOURNAL_BLOCK_BYTES) * JOURNAL_BLOCK_BYTES


class LostGroups(Struct, frozen=True):
    """Groups that were durable and are damaged: those from ``first`` on, ``next`` is whole."""

    position: int
    byte_count: int
    first: int
    next: int


class Journal:
    """The ring of one data directory.

    Attributes:
        head: where the next group goes if it fits before the ring's end.
        sequence: the next group's number.
        superblock: the newest one that is durable.
        oldest_replay: no group before this one is replayed, whichever superblock is bad.
        lost: damaged groups that ``replay`` has passed over.
        corrected: the numbers of those that it has put right.
        bad_slots: how many of the two superblocks were neither whole nor blank when it was opened.
    """

    def __init__(self, file: File, superblock: Superblock, shard_count: int) -> None:
        self.file = file
        self.superblock = superblock
        self.slot_bytes = _blocks(_SUPERBLOCK_BYTES + shard_count * _MARK.size)
        self.start = 2 * self.slot_bytes
        self.end = self.start + superblock.ring_bytes
        self.head = superblock.position
        self.sequence = superblock.sequence
        self.oldest_replay = 0
        self.bad_slots = 0
        self.lost: list[LostGroups] = []
        self.corrected: list[int] = []

    @property
    def seed(self) -> int:
        """What seeds the checksums of this ring's groups."""
        return self.superblock.seed

    @property
    def used_bytes(self) -> int:
        """How much of the ring would be replayed, or is skipped at its end."""
        return (self.head - self.superblock.position) % (self.end - self.start)

    def place(self, size: int) -> int | None:
        """Where a group of ``size`` bytes can be written now; None while the ring is full.

        The head never comes up to the tail from behind: equal means empty.
        """
        tail = self.superblock.position
        if self.head >= tail:
            if self.head + size <= self.end:
                return self.head if self.head + size != self.end or tail != self.start else None
            return self.start if self.start + size < tail else None
        return self.head if self.head + size < tail else None

    def advance(self, position: int, size: int) -> None:
        """Take in that a group of ``size`` bytes goes to ``position``."""
        self.head = position + size
        if self.head >= self.end:
            self.head = self.start
        self.sequence += 1

    def next_superblock(self, marks: Iterable[DurableMark]) -> Superblock:
        """A superblock that makes replay begin at the head."""
        return replace(
            self.superblock,
            number=self.superblock.number + 1,
            position=self.head,
            sequence=self.sequence,
            marks=tuple(marks),
        )

    def write_superblock(self, disk: Disk, superblock: Superblock) -> None:
        """Make a superblock durable in both slots, that of the older one first.

        In both, so that either may be damaged: the other must not lead to groups whose room was
        used again.
        """
        for number in (superblock.number, superblock.number + 1):
            slot = replace(superblock, number=number).encode().ljust(self.slot_bytes, b"\0")
            self.file.write(number % 2 * self.slot_bytes, slot)
            disk.reached(CrashPoint.SUPERBLOCK_WRITTEN)
            self.file.sync()
            disk.reached(CrashPoint.SUPERBLOCK_SYNCED)

    def wrote_superblock(self, superblock: Superblock) -> None:
        """Take in that a superblock is durable in both slots: groups before it make room."""
        self.oldest_replay = superblock.sequence
        self.superblock = replace(superblock, number=superblock.number + 1)

    def replay(
        self, trusted: Callable[[memoryview, JournalGroup], bool] = lambda _ring, _group: True
    ) -> Iterator[tuple[memoryview, JournalGroup]]:
        """The ring's bytes with each whole group in them, from the superblock's on, in order.

        A group of which one byte is wrong is put right, if what comes of it is ``trusted``. Others
        that are bad although a later one is good are noted as ``lost`` and passed over: since a
        group is written only when the one before it is synced, they were durable once. Afterwards
        the head is behind them all.

        Raises:
            DataDirError: the next group is of a version that this release does not know.
        """
        ring = memoryview(self.file.read(0, self.end))
        while True:
            group = self._group_at(ring, self.head) or self._group_at(ring, self.start)
            if group is None:
                mended = mended_group(ring, self.head, self.seed, self.sequence)
                group = self._group_at(mended, self.head) if mended is not None else None
                if mended is not None and group is not None and trusted(mended, group):
                    ring = mended
                    self.corrected.append(self.sequence)
                else:
                    group = self._first_later(ring)
            if group is None:
                return
            self.head = group.next_position if group.next_position < self.end else self.start
            self.sequence = group.sequence + 1
            yield ring, group

    def _first_later(self, ring: memoryview) -> JournalGroup | None:
        """The next whole group behind damaged ones, which are noted."""
        found: tuple[int, int] | None = None
        at = find_group(ring, self.start, self.seed, self.sequence)
        while at >= 0:
            sequence = _GROUP_START.unpack_from(ring, at)[1]
            found = min(found or (sequence, at), (sequence, at))
            at = find_group(ring, at + JOURNAL_BLOCK_BYTES, self.seed, self.sequence)
        if found is None:
            return None
        sequence, position = found
        size = (position - self.head) % (self.end - self.start)
        self.lost.append(LostGroups(self.head, size, self.sequence, sequence))
        return read_group(ring, position, self.seed, sequence)[1]

    def _group_at(self, ring: memoryview, position: int) -> JournalGroup | None:
        verdict, group = read_group(ring, position, self.seed, self.sequence)
        if verdict == VERDICT_UNKNOWN_FORMAT:
            version, sequence = _GROUP_START.unpack_from(ring, position)
            if sequence == self.sequence:
                raise DataDirError(
                    f"{self.file.path} holds at {position} a group of version {version}; this "
                    f"release reads {_GROUP_VERSION}. Use the release that wrote it",
                    path=self.file.path,
                    position=position,
                    version=version,
                )
        return group if verdict == VERDICT_OK else None


def create_journal(
    disk: Disk,
    entropy: Entropy,
    ring_bytes: int,
    shard_count: int,
    path: str = JOURNAL_PATH,
    marks: Sequence[DurableMark] = (),
) -> None:
    """Make the journal's file: every byte written once, so that a group's sync moves data alone."""
    disk.remove(path)
    file = disk.open(path, create=True)
    disk.reached(CrashPoint.JOURNAL_CREATED)
    try:
        slot_bytes = _blocks(_SUPERBLOCK_BYTES + shard_count * _MARK.size)
        seed = int.from_bytes(entropy.token_bytes(4), "little")
        ring_bytes = _blocks(ring_bytes)
        total = 2 * slot_bytes + ring_bytes
        zeros = bytes(MIB)
        for position in range(0, total, MIB):
            file.write(position, zeros[: min(MIB, total - position)])
        superblock = Superblock(0, seed, 2 * slot_bytes, 1, ring_bytes, tuple(marks))
        file.write(0, superblock.encode())
        disk.reached(CrashPoint.JOURNAL_WRITTEN)
        file.sync()
        disk.reached(CrashPoint.JOURNAL_SYNCED)
    finally:
        file.close()
    disk.sync_directory("")
    disk.reached(CrashPoint.JOURNAL_DURABLE)


def open_journal(disk: Disk, shard_count: int, *, write: bool = True) -> Journal:
    """Open the journal at its newest good superblock.

    Raises:
        CorruptionError: it is missing or cut off, or neither superblock is good.
    """
    if not disk.exists(JOURNAL_PATH):
        raise CorruptionError(f"the journal is missing. {_ADVICE}", path=JOURNAL_PATH, position=0)
    file = disk.open(JOURNAL_PATH, write=write)
    file.drop_cached()
    slot_bytes = _blocks(_SUPERBLOCK_BYTES + shard_count * _MARK.size)
    contents = [file.read(n * slot_bytes, slot_bytes) for n in range(2)]
    slots = [Superblock.decode(content) for content in contents]
    good = [slot for slot in slots if slot is not None]
    if not good:
        file.close()
        raise CorruptionError(
            f"both superblocks of the journal are damaged. {_ADVICE}",
            path=JOURNAL_PATH,
            position=0,
        )
    journal = Journal(file, max(good, key=lambda slot: slot.number), shard_count)
    if file.size() < journal.end:
        size = file.size()
        file.close()
        raise CorruptionError(
            f"the journal has {size} bytes instead of {journal.end}. {_ADVICE}",
            path=JOURNAL_PATH,
            position=size,
        )
    pairs = zip(slots, contents, strict=True)
    journal.bad_slots = sum(slot is None and any(content) for slot, content in pairs)
    return journal
