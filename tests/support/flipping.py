"""A life whose files hold one of everything, and what may become of it where one byte is wrong."""

from __future__ import annotations

from functools import cache

from goutube.errors import CorruptionError
from goutube.node import AtOffset, DeleteStream, Read
from goutube.sim import MemoryDisk, World
from tests.support.commands import append

NAMES = ("a", "b", "c")
BIG = "big"


class Kept:
    """A disk after kill -9, and what its streams were told to hold."""

    def __init__(self) -> None:
        self.world = World(shard_count=1)
        self.disk = self.world.disk
        self.batches: dict[str, list[bytes]] = {}
        self._number = 0

    def write(self, count: int) -> None:
        """Append so many batches to each stream."""
        for _ in range(count):
            for name in NAMES:
                self._number += 1
                parts = [b"%s %06d %d." % (name.encode(), self._number, n) * 8 for n in range(3)]
                self.append(name, *parts)

    def append(self, name: str, *records: bytes) -> None:
        """Append one batch."""
        self.world.call(append(name, *records))
        self.batches.setdefault(name, []).append(b"".join(records))

    def drain(self) -> None:
        """A clean end, and another life behind it."""
        self.world.drain()
        self.kill()

    def kill(self) -> None:
        """The process ends, and the next one begins."""
        self.disk = self.world.disk.crash()
        self.world = self.world.restart(self.disk)

    def end(self, name: str) -> int:
        """Where a stream ends."""
        return sum(map(len, self.batches[name]))

    def bounds(self, name: str) -> set[tuple[int, int]]:
        """(first, after) of each batch of a stream."""
        found, end = set(), 0
        for batch in self.batches[name]:
            found.add((end, end + len(batch)))
            end += len(batch)
        return found


@cache
def lived() -> Kept:
    """Sealed segments, one of them compacted, an open one, two checkpoints, groups in the journal."""
    kept = Kept()
    kept.write(10)
    for _ in range(12):
        kept.append("gone", bytes(7000))
        kept.write(1)
    kept.append(BIG, b"".join(b"%06d" % number for number in range(12_000)))
    kept.world.call(DeleteStream("gone", 0))
    del kept.batches["gone"]
    kept.write(5)
    for _ in range(40):
        kept.world.clock.now_ms += 500
        kept.world.settle()
    kept.drain()
    kept.write(5)
    kept.drain()
    kept.write(8)
    kept.disk = kept.world.disk.crash()
    return kept


def found_in(world: World, name: str, batches: list[bytes]) -> list[tuple[int, int]]:
    """Read a stream from its start to its end; the ranges that are told to be lost.

    Whatever is returned is compared with what was appended.
    """
    content = b"".join(batches)
    offset, lost = 0, []
    while offset < len(content):
        try:
            answer = world.call(Read(name, 0, AtOffset(offset), None, 1 << 14, False, False))
        except CorruptionError as error:
            first = int(error.fields["first_offset"])
            after = int(error.fields["after_offset"])
            assert first <= offset < after, (name, offset, first, after)
            lost.append((first, after))
            offset = after
            continue
        assert answer.data, f"{name} ends at {offset}"
        assert answer.offset == offset
        assert bytes(answer.data) == content[offset : answer.next_offset]
        offset = answer.next_offset
    return lost


def flip(disk: MemoryDisk, path: str, position: int, mask: int) -> None:
    """Change bits of one byte on the disk."""
    disk.names[path].rot(position, mask)
