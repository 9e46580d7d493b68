"""A disk in memory with a page cache: what was not synced can be lost, sector by sector."""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass, field

from goutube.errors import DataDirError

SECTOR = 512


class PowerCutError(Exception):
    """The power went in the middle of an operation."""


@dataclass
class Inode:
    """One file: what reads show, and what a power cut leaves."""

    cached: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)


class MemoryFile:
    """One open file; fulfils ``ports.File``."""

    def __init__(self, disk: MemoryDisk, path: str, inode: Inode) -> None:
        self.disk = disk
        self.path = path
        self.inode = inode
        self.rests = False

    def read(self, position, count):
        return bytes(self.inode.cached[position : position + count])

    def write(self, position, *buffers):
        assert not self.rests, f"{self.path} is written after it was put to rest"
        content = b"".join(bytes(buffer) for buffer in buffers)
        self.disk.step(f"write {self.path} {position} {len(content)}")
        cached = self.inode.cached
        if len(cached) < position + len(content):
            cached.extend(bytes(position + len(content) - len(cached)))
        cached[position : position + len(content)] = content
        self.inode.dirty.update(range(position // SECTOR, -(-(position + len(content)) // SECTOR)))

    def sync(self):
        self.disk.step(f"sync {self.path}")
        self.inode.durable = bytearray(self.inode.cached)
        self.inode.dirty.clear()

    def size(self):
        return len(self.inode.cached)

    def allocate(self, position, count):
        self.disk.step(f"allocate {self.path} {position} {count}")
        if len(self.inode.cached) < position + count:
            self.inode.cached.extend(bytes(position + count - len(self.inode.cached)))

    def truncate(self, size):
        self.disk.step(f"truncate {self.path} {size}")
        del self.inode.cached[size:]
        self.inode.cached.extend(bytes(size - len(self.inode.cached)))

    def map(self):
        return memoryview(bytes(self.inode.cached))

    def rest(self):
        assert not self.inode.dirty, f"{self.path} is put to rest before it is synced"
        self.rests = True

    def close(self):
        pass


class MemoryDisk:
    """Fulfils ``ports.Disk``; ``cut`` makes what a power cut at this moment leaves behind."""

    def __init__(self, names: dict[str, Inode] | None = None, directories: set[str] | None = None):
        self.names = names or {}
        self.durable_names = dict(self.names)
        self.directories = directories or {""}
        self.steps = 0
        self.log: list[str] = []
        self.cut_at: int | None = None
        self.fail: dict[str, OSError] = {}
        self._fail_at: tuple[int, OSError] | None = None
        self.free = 1 << 40

    def step(self, what: str) -> None:
        """Count one operation; the power may go before it."""
        if self.cut_at is not None and self.steps >= self.cut_at:
            raise PowerCutError(what)
        self.steps += 1
        self.log.append(what)
        if self._fail_at is not None and self.steps > self._fail_at[0]:
            (_, error), self._fail_at = self._fail_at, None
            raise error
        for start, error in self.fail.items():
            if what.startswith(start):
                raise error

    def fail_once(self, number: int, error: OSError) -> None:
        """The operation of this number, from 0, fails; those behind it do not."""
        self._fail_at = number, error

    def open(self, path, *, create=False, write=True):
        if create:
            if path in self.names:
                raise FileExistsError(path)
            self._look_for_parent(path)
            self.step(f"create {path}")
            self.names[path] = Inode()
        elif path not in self.names:
            raise FileNotFoundError(path)
        return MemoryFile(self, path, self.names[path])

    def exists(self, path):
        return path in self.names or path in self.directories

    def list(self, path):
        start = path + "/" if path else ""
        found = {
            name[len(start) :].partition("/")[0]
            for name in [*self.names, *self.directories]
            if name.startswith(start) and name != path
        }
        return sorted(found - {""})

    def make_directory(self, path):
        self._look_for_parent(path)
        self.directories.add(path)

    def _look_for_parent(self, path):
        parent = path.rpartition("/")[0]
        if parent not in self.directories:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", parent)

    def rename(self, source, target):
        self.step(f"rename {source} {target}")
        self.names[target] = self.names.pop(source)

    def remove(self, path):
        if path in self.names:
            self.step(f"remove {path}")
            del self.names[path]

    def sync_directory(self, path):
        self.step(f"sync_directory {path}")
        start = path + "/" if path else ""
        inside = lambda name: name.startswith(start) and "/" not in name[len(start) :]  # noqa: E731
        self.durable_names = {n: i for n, i in self.durable_names.items() if not inside(n)}
        self.durable_names |= {n: i for n, i in self.names.items() if inside(n)}

    def free_bytes(self):
        return self.free

    def lock(self, path):
        if getattr(self, "locked", False):
            raise DataDirError("in use")
        self.locked = True

    def crash(self) -> MemoryDisk:
        """What the next process finds after kill -9: all that was written."""
        names = {
            name: Inode(bytearray(i.cached), bytearray(i.durable), set(i.dirty))
            for name, i in self.names.items()
        }
        left = MemoryDisk(names, set(self.directories))
        left.durable_names = {
            name: next((names[n] for n, other in self.names.items() if other is i), i)
            for name, i in self.durable_names.items()
        }
        return left

    def power_cut(self, chance: random.Random) -> MemoryDisk:
        """What the next start finds after a power cut: any subset of the unsynced sectors."""
        names: dict[str, Inode] = {}
        for name, inode in sorted(self.durable_names.items()):
            content = bytearray(inode.durable)
            size = len(inode.durable)
            if len(inode.cached) > size and chance.random() < 0.5:
                size = chance.randint(size, len(inode.cached))
            content.extend(bytes(max(0, size - len(content))))
            for sector in sorted(inode.dirty):
                if chance.random() < 0.5:
                    start = sector * SECTOR
                    part = inode.cached[start : min(start + SECTOR, size)]
                    content[start : start + len(part)] = part
            names[name] = Inode(bytearray(content), bytearray(content))
        return MemoryDisk(names, set(self.directories))
