"""What lies in wait for certain operations, and bits that rot and are put right again."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msgspec import Struct

from goutube.sim.disk import MemoryDisk
from goutube.sim.inode import SECTOR_BYTES

_ROTTING = (".seg", ".idx", "checkpoint-0", "checkpoint-1", "hard-state")


class Rot(Struct, frozen=True):
    """One byte of a file that is not what was written."""

    path: str
    position: int
    mask: int
    rotten: bytes
    """The sector as it is with the wrong byte."""

    def heal(self, disk: MemoryDisk) -> None:
        """Put the byte right, unless it was written anew.

        Behind it in its sector a segment may have grown; other files are replaced as a whole.
        """
        inode = disk.names.get(self.path)
        if inode is None:
            return
        start = self.position // SECTOR_BYTES * SECTOR_BYTES
        sector, place = inode.durable[start : start + SECTOR_BYTES], self.position - start
        first, after = (place, place + 1) if self.path.endswith(".seg") else (0, SECTOR_BYTES)
        if sector[first:after] == self.rotten[first:after]:
            inode.rot(self.position, self.mask)


def let_rot(disk: MemoryDisk, chance: Random) -> Rot | None:
    """Change one bit of something that has been on the disk for a while; None: there is nothing.

    The journal is left out: one bit of a group that was never followed by another cannot be told
    from a group that was never written whole.
    """
    paths = [
        path
        for path, inode in sorted(disk.names.items())
        if path.endswith(_ROTTING)
        and inode.durable
        and not inode.dirty
        and disk.durable_names.get(path) is inode
    ]
    if not paths:
        return None
    path = chance.choice(paths)
    inode = disk.names[path]
    position = chance.randrange(min(len(inode.durable), len(inode.cached)))
    mask = 1 << chance.randrange(8)
    inode.rot(position, mask)
    start = position // SECTOR_BYTES * SECTOR_BYTES
    return Rot(path, position, mask, bytes(inode.durable[start : start + SECTOR_BYTES]))


class Ambush(Struct):
    """Strikes once, right behind the operation of its kind that ``skip`` others come before."""

    kind: str
    skip: int
    strike: Callable[[], None]

    def look(self, step: str) -> None:
        """An operation begins."""
        if step.startswith(self.kind):
            if self.skip == 0:
                self.strike()
            self.skip -= 1
