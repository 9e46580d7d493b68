"""One file of the disk in memory: what reads show of it, and what a power cut leaves of it."""

from __future__ import annotations

import errno
import os
from random import Random
from typing import Final

SECTOR_BYTES: Final = 512
"""What a disk writes whole or not at all."""


def sectors_of(position: int, end: int) -> range:
    """The numbers of the sectors that hold the bytes from ``position`` to before ``end``."""
    return range(position // SECTOR_BYTES, -(-end // SECTOR_BYTES))


class Inode:
    """A file behind its names.

    Attributes:
        cached: what reads show, the page cache.
        durable: what is certainly on the disk.
        dirty: sectors that were written since they were last synced; a cut keeps any of them.
        unreadable: sectors whose reading fails, until they are written again.
    """

    __slots__ = ("cached", "dirty", "durable", "shrunk_to", "unreadable")

    def __init__(self) -> None:
        self.cached = bytearray()
        self.durable = bytearray()
        self.dirty: set[int] = set()
        self.unreadable: set[int] = set()
        self.shrunk_to: int | None = None
        """The least length that the file had since it was last synced, if it was cut."""

    def copy(self) -> Inode:
        """The same file, for another disk."""
        copied = Inode()
        copied.cached[:] = self.cached
        copied.durable[:] = self.durable
        copied.dirty |= self.dirty
        copied.unreadable |= self.unreadable
        copied.shrunk_to = self.shrunk_to
        return copied

    def read(self, position: int, count: int) -> bytes:
        """What the page cache shows.

        Raises:
            OSError: EIO, where a sector cannot be read.
        """
        return self._readable(self.cached, position, count)

    def read_stored(self, position: int, count: int) -> bytes:
        """What is on the disk, whatever the page cache shows.

        Raises:
            OSError: EIO, where a sector cannot be read.
        """
        return self._readable(self.durable, position, count)

    def _readable(self, content: bytearray, position: int, count: int) -> bytes:
        data = bytes(content[position : position + count])
        if self.unreadable and not self.unreadable.isdisjoint(
            sectors_of(position, position + len(data))
        ):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data

    def write(self, position: int, content: bytes) -> None:
        """Put bytes into the page cache."""
        end = position + len(content)
        self.extend(end)
        self.cached[position:end] = content
        sectors = sectors_of(position, end)
        self.dirty.update(sectors)
        self.unreadable.difference_update(sectors)

    def extend(self, size: int) -> None:
        """Make the file at least ``size`` bytes long; what is new reads as zeros."""
        if len(self.cached) < size:
            self.cached.extend(bytes(size - len(self.cached)))

    def truncate(self, size: int) -> None:
        """Cut or extend the file."""
        if size < len(self.cached):
            # The disk has the old bytes behind the cut until the cut itself is synced.
            self.dirty.update(sectors_of(size, max(len(self.cached), len(self.durable))))
            del self.cached[size:]
            self.shrunk_to = size if self.shrunk_to is None else min(size, self.shrunk_to)
        self.extend(size)

    def sync(self) -> None:
        """Bring the dirty sectors and the length to the disk."""
        self._settle_length()
        for sector in self.dirty:
            self._copy(self.durable, sector)
        self.dirty.clear()

    def fail_sync(self, chance: Random) -> None:
        """A sync that fails: any of the dirty sectors reach the disk, and all count as clean.

        So the next sync succeeds, and reads show what the disk does not have (Linux does so).
        """
        if chance.random() < 0.5:
            self._settle_length()
        for sector in sorted(self.dirty):
            if chance.random() < 0.5:
                self._copy(self.durable, sector)
        self.dirty.clear()

    def drop_clean(self) -> None:
        """Drop from the page cache what counts as clean: it is read from the disk again."""
        kept = {sector: self._sector(self.cached, sector) for sector in self.dirty}
        size = len(self.cached)
        self.cached[:] = self.durable[:size]
        self.extend(size)
        for sector, content in kept.items():
            self.cached[sector * SECTOR_BYTES : sector * SECTOR_BYTES + len(content)] = content

    def after_cut(self, chance: Random) -> Inode:
        """What a power cut at this moment leaves: any length on the way, any dirty sectors."""
        content = bytearray(self.durable)
        if self.shrunk_to is not None and chance.random() < 0.5:
            del content[self.shrunk_to :]
        size = len(content)
        if len(self.cached) > size and chance.random() < 0.5:
            size = chance.choice([len(self.cached), chance.randint(size, len(self.cached))])
        content.extend(bytes(size - len(content)))
        kept = chance.choice([0.0, 0.1, 0.5, 0.5, 0.9, 1.0])
        for sector in sorted(self.dirty):
            if chance.random() < kept:
                self._copy(content, sector)
        left = Inode()
        left.cached[:] = left.durable[:] = content
        left.unreadable |= self.unreadable
        return left

    def rot(self, position: int, mask: int) -> None:
        """Change bits of one byte on the disk; the page cache has not seen the old ones."""
        self.durable[position] ^= mask
        self.cached[position] ^= mask

    def _settle_length(self) -> None:
        size = len(self.cached)
        del self.durable[size:]
        self.durable.extend(bytes(size - len(self.durable)))
        self.shrunk_to = None

    def _sector(self, content: bytearray, sector: int) -> bytearray:
        start = sector * SECTOR_BYTES
        return content[start : start + SECTOR_BYTES]

    def _copy(self, content: bytearray, sector: int) -> None:
        """Copy a sector from the cache as far as ``content`` reaches."""
        start = sector * SECTOR_BYTES
        end = min(start + SECTOR_BYTES, len(content), len(self.cached))
        if start < end:
            content[start:end] = self.cached[start:end]
