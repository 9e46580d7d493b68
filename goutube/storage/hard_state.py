"""A replica's term and vote: two slots, written in turn, the newer good one counts."""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from goutube._native import crc32c
from goutube.crash_points import CrashPoint
from goutube.ports import Disk, File

SLOT_BYTES: Final = 4096
_SLOT: Final = struct.Struct("<4sIQQ16s")
STATE_BYTES: Final = _SLOT.size
"""Of a slot, before its checksum."""
HARD_STATE_VERSION: Final = 1
_CHECKSUM: Final = struct.Struct("<I")
_BYTES: Final = STATE_BYTES + _CHECKSUM.size
"""Of a slot that mean anything."""
_MAGIC: Final = b"gtH1"


class HardState(Struct, frozen=True):
    """The term that a replica is in and the incarnation it voted for in it (zeros: nobody)."""

    term: int
    vote: bytes

    def encode(self) -> bytes:
        """The body of a hard-state record in the journal, 24 bytes."""
        return struct.pack("<Q16s", self.term, self.vote)

    @classmethod
    def decode(cls, body: bytes) -> HardState:
        """What ``encode`` made."""
        term, vote = struct.unpack("<Q16s", body)
        return cls(term, vote)


NO_HARD_STATE: Final = HardState(0, bytes(16))


def hard_state_path(directory: str) -> str:
    """Where a shard's hard state lies."""
    return f"{directory}/hard-state"


def write_hard_state(disk: Disk, directory: str, state: HardState) -> None:
    """Make a hard state durable in the slot that does not hold the present one."""
    path = hard_state_path(directory)
    fresh = not disk.exists(path)
    if fresh:  # the shard's first segment, made by another job, may not be there yet
        disk.make_directory("shards")
        disk.make_directory(directory)
    file = disk.open(path, create=fresh)
    try:
        slots = [] if fresh else _read_slots(file)
        number, place = max(((n, p) for n, p, _ in slots), default=(0, 1))
        body = _SLOT.pack(_MAGIC, HARD_STATE_VERSION, number + 1, state.term, state.vote)
        slot = body + _CHECKSUM.pack(crc32c(body))
        # Of two that are damaged neither is to be told of again.
        for target in (1 - place,) if slots or fresh else (0, 1):
            file.write(target * SLOT_BYTES, slot.ljust(SLOT_BYTES, b"\0"))
        disk.reached(CrashPoint.HARD_STATE_WRITTEN)
        file.sync()
        disk.reached(CrashPoint.HARD_STATE_SYNCED)
    finally:
        file.close()
    # Also where the file was there: its maker may have been killed before its name was durable.
    disk.sync_directory(directory)
    disk.reached(CrashPoint.HARD_STATE_DURABLE)


def read_hard_state(disk: Disk, directory: str) -> HardState | None:
    """The newest good hard state; None where there is no file or neither slot is good."""
    return look_at_hard_state(disk, directory)[0]


def look_at_hard_state(disk: Disk, directory: str) -> tuple[HardState | None, int]:
    """The newest good hard state, if there is one, and how many slots are damaged."""
    path = hard_state_path(directory)
    if not disk.exists(path):
        return None, 0
    file = disk.open(path, write=False)
    try:
        slots = _read_slots(file)
        written = sum(any(_slot(file, place)[:_BYTES]) for place in range(2))
    finally:
        file.close()
    state = max(slots, key=lambda slot: slot[0])[2] if slots else None
    return state, written - len(slots)


def _slot(file: File, place: int) -> bytes:
    return file.read(place * SLOT_BYTES, SLOT_BYTES)


def _read_slots(file: File) -> list[tuple[int, int, HardState]]:
    """(number, place, state) of each slot whose checksum is right on the disk."""
    slots = []
    file.drop_cached()
    for place in range(2):
        slot = _slot(file, place)
        if len(slot) < _SLOT.size + _CHECKSUM.size or slot[:4] != _MAGIC:
            continue
        if _CHECKSUM.unpack_from(slot, _SLOT.size)[0] == crc32c(slot[: _SLOT.size]):
            _, _, number, term, vote = _SLOT.unpack_from(slot)
            slots.append((number, place, HardState(term, vote)))
    return slots
