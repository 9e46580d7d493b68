"""A disk in memory with a page cache: what was not synced can be lost, names and sectors.

It promises no more than POSIX does, which is less than ext4 and XFS do: a name lasts once its
directory was synced, bytes last once their file was.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from random import Random

from msgspec import Struct
from typing_extensions import override

from goutube.crash_points import CrashAt, CrashPoint
from goutube.errors import DataDirError
from goutube.model import Buffer
from goutube.ports import Disk, File, Room
from goutube.sim.inode import Inode
from goutube.sim.stepping import PowerCutError, stop_here


class NameChange(Struct, frozen=True):
    """A change of directories that is not durable yet.

    Attributes:
        directories: the ones that must be synced; two for a move from one to another.
        gone: the name that is there no more.
        made: the name that is there now, of ``inode``; of a directory if that is None.
    """

    directories: tuple[str, ...]
    gone: str = ""
    made: str = ""
    inode: Inode | None = None


class MemoryFile(File):
    """One open file."""

    def __init__(self, disk: MemoryDisk, path: str, inode: Inode) -> None:
        self.disk = disk
        self.path = path
        self.inode = inode
        self.rests = False

    @override
    def read(self, position: int, count: int) -> bytes:
        self.disk.look(self.path)
        return self.inode.read(position, count)

    @override
    def write(self, position: int, *buffers: Buffer) -> None:
        assert not self.rests, f"{self.path} is written after it was put to rest"
        content = b"".join(buffers)
        dead = self.disk.dead
        try:
            self.disk.step(f"write {self.path} {position} {len(content)}")
        except (OSError, PowerCutError):
            if not dead:  # it fails, or ends, anywhere in the middle
                self._write(position, content[: self.disk.chance.randint(0, len(content))])
            raise
        self._write(position, content)

    def _write(self, position: int, content: bytes) -> None:
        """Write what there is room for: a short write is gone on with, and then told of."""
        room = self.disk.room_for(self.inode, position + len(content))
        self.inode.write(position, content[: max(0, room - position)])
        if room < position + len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)

    @override
    def sync(self) -> None:
        try:
            self.disk.step(f"sync {self.path}")
        except OSError as error:
            self.inode.fail_sync(self.disk.chance)
            raise OSError(errno.EIO, os.strerror(errno.EIO), self.path) from error
        self.inode.sync()

    @override
    def size(self) -> int:
        return len(self.inode.cached)

    @override
    def allocate(self, position: int, count: int) -> None:
        self.disk.step(f"allocate {self.path} {position} {count}")
        if self.disk.room_for(self.inode, position + count) < position + count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        self.inode.extend(position + count)

    @override
    def truncate(self, size: int) -> None:
        self.disk.step(f"truncate {self.path} {size}")
        self.inode.truncate(size)

    @override
    def map(self) -> memoryview:
        self.disk.look(self.path)
        return memoryview(self.inode.read(0, len(self.inode.cached)))

    @override
    def drop_cached(self) -> None:
        self.inode.drop_clean()

    @override
    def read_stored(self, position: int, count: int) -> bytes:
        return self.inode.read_stored(position, count)

    @override
    def rest(self) -> None:
        assert not self.inode.dirty, f"{self.path} is put to rest before it is synced"
        self.rests = True

    @override
    def close(self) -> None:
        """Nothing is held."""


class MemoryDisk(Disk):
    """One data directory.

    Args:
        chance: decides what a failing operation leaves behind.

    Attributes:
        names: what is there now, path by path; ``directories`` likewise.
        durable_names, durable_directories: what is certainly there after a power cut; ``changes``
            lead from these to the others.
        capacity: of all files together, in bytes.
        steps: the operations so far that change something.
        log: what they were; ``on_step`` is told of each.
        cut_at: the operation of this number, from 0, and all behind it raise ``PowerCutError``;
            ``dead`` tells whether that has happened.
        crash_at: a place that is reached so often raises it, too; ``points`` counts them.
        looks: the readings of files so far.
        fail: operations that begin with a key raise its error, for as long as it stands there.
    """

    def __init__(self, chance: Random | None = None) -> None:
        self.chance = chance or Random(0)
        self.names: dict[str, Inode] = {}
        self.directories = {""}
        self.steps = 0
        self.log: list[str] = []
        self.on_step: Callable[[str], None] | None = None
        self.cut_at: int | None = None
        self.dead = False
        self.crash_at: CrashAt | None = None
        self.points: Counter[CrashPoint] = Counter()
        self.fail: dict[str, OSError] = {}
        self._fail_at: tuple[int, OSError] | None = None
        self.looks = 0
        self._fail_look_at: int | None = None
        self.capacity = 1 << 40
        self._locked = False
        self.durable_names: dict[str, Inode] = {}
        self.durable_directories = {""}
        self.changes: list[NameChange] = []

    # Faults

    def step(self, what: str) -> None:
        """Count one operation.

        Raises:
            PowerCutError: the power goes before it.
            OSError: it was told to fail.
        """
        stop_here()
        if self.cut_at is not None and self.steps >= self.cut_at:
            self.dead = True
            raise PowerCutError(what)
        self.steps += 1
        self.log.append(what)
        if self.on_step is not None:
            self.on_step(what)
        if self._fail_at is not None and self.steps > self._fail_at[0]:
            (_, error), self._fail_at = self._fail_at, None
            raise error
        for start, error in self.fail.items():
            if what.startswith(start):
                raise error

    def cut_off(self, later: int) -> None:
        """Let so many operations more be done."""
        self.cut_at = self.steps + later

    def fail_once(self, number: int, error: OSError) -> None:
        """The operation of this number, from 0, fails; those behind it do not."""
        self._fail_at = number, error

    def look(self, path: str) -> None:
        """Count one reading of a file.

        Raises:
            OSError: EIO, if it was told to fail.
        """
        self.looks += 1
        if self.looks - 1 == self._fail_look_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    def fail_look_once(self, number: int) -> None:
        """The reading of this number, from 0, fails; those behind it do not."""
        self._fail_look_at = number

    @property
    def free(self) -> int:
        """Space left; the disk is made smaller or larger by setting it."""
        return self.capacity - self._used()

    @free.setter
    def free(self, count: int) -> None:
        self.capacity = self._used() + count

    def room_for(self, inode: Inode, size: int) -> int:
        """How long a file may become that wants to become ``size`` bytes long."""
        have = len(inode.cached)
        return size if size <= have else min(size, have + max(0, self.free))

    def _used(self) -> int:
        return sum(len(inode.cached) for inode in self.names.values())

    def drop_caches(self) -> None:
        """Drop clean pages, as the kernel may at any moment."""
        for inode in self.names.values():
            inode.drop_clean()

    # Names

    @override
    def open(self, path: str, *, create: bool = False, write: bool = True) -> MemoryFile:
        if create:
            if path in self.names:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            parent = self._parent(path)
            self.step(f"create {path}")
            self.names[path] = Inode()
            self.changes.append(NameChange((parent,), made=path, inode=self.names[path]))
        elif path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return MemoryFile(self, path, self.names[path])

    @override
    def exists(self, path: str) -> bool:
        return path in self.names or path in self.directories

    @override
    def list(self, path: str) -> list[str]:
        start = path + "/" if path else ""
        found = {
            name[len(start) :].partition("/")[0]
            for name in [*self.names, *self.directories]
            if name.startswith(start) and name != path
        }
        return sorted(found - {""})

    @override
    def make_directory(self, path: str) -> None:
        parent = self._parent(path)
        self.step(f"make_directory {path}")
        if path not in self.directories:
            self.directories.add(path)
            self.changes.append(NameChange((parent,), made=path))
        self.sync_directory(parent)

    @override
    def rename(self, source: str, target: str) -> None:
        directories = tuple(dict.fromkeys((self._parent(source), self._parent(target))))
        if source not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
        self.step(f"rename {source} {target}")
        inode = self.names[target] = self.names.pop(source)
        self.changes.append(NameChange(directories, source, target, inode))

    @override
    def remove(self, path: str) -> None:
        if path in self.names:
            self.step(f"remove {path}")
            del self.names[path]
            self.changes.append(NameChange((self._parent(path),), gone=path))

    @override
    def sync_directory(self, path: str) -> None:
        """Make a directory's changes durable, and those of others that they follow from."""
        self.step(f"sync_directory {path}")
        wanted, due, left = {path}, [], []
        for change in reversed(self.changes):
            if wanted.isdisjoint(change.directories):
                left.append(change)
            else:
                wanted.update(change.directories)
                due.append(change)
        self.changes = left[::-1]
        for change in reversed(due):
            self.apply(change)

    @override
    def room(self) -> Room:
        return Room(max(0, self.free), 1 << 32)

    @override
    def lock(self, path: str) -> None:
        if self._locked:
            raise DataDirError("the data directory is in use by another agent")
        self._locked = True

    @override
    def reached(self, point: CrashPoint) -> None:
        self.points[point] += 1
        if self.crash_at == (point, self.points[point]):
            self.cut_off(0)
            self.dead = True
            raise PowerCutError(point)

    def _parent(self, path: str) -> str:
        parent = path.rpartition("/")[0]
        if parent not in self.directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), parent)
        return parent

    def apply(self, change: NameChange) -> None:
        """Make a change of names durable."""
        self.durable_names.pop(change.gone, None)
        if change.inode is not None:
            self.durable_names[change.made] = change.inode
        elif change.made:
            self.durable_directories.add(change.made)

    # Ends

    def crash(self) -> MemoryDisk:
        """What the next process finds after kill -9: all that was written, synced or not."""
        copies = {
            id(inode): inode.copy()
            for inode in [
                *self.names.values(),
                *self.durable_names.values(),
                *(change.inode for change in self.changes if change.inode is not None),
            ]
        }
        left = type(self)(self.chance)
        left.names = {name: copies[id(inode)] for name, inode in self.names.items()}
        left.directories = set(self.directories)
        left.capacity = self.capacity
        left.durable_names = {name: copies[id(inode)] for name, inode in self.durable_names.items()}
        left.durable_directories = set(self.durable_directories)
        left.changes = [
            NameChange(
                change.directories,
                change.gone,
                change.made,
                None if change.inode is None else copies[id(change.inode)],
            )
            for change in self.changes
        ]
        return left

    def power_cut(self, chance: Random) -> MemoryDisk:
        """What the next start finds after a power cut.

        Of each directory any number of its changes, from the first on; of each file any of its
        unsynced sectors.
        """
        left = type(self)(self.chance)
        left.capacity = self.capacity
        left.durable_names = dict(self.durable_names)
        left.durable_directories = set(self.durable_directories)
        counts = Counter(path for change in self.changes for path in change.directories)
        luck = {path: chance.choice([0, n, chance.randint(0, n)]) for path, n in counts.items()}
        for change in self.changes:
            done = all(luck[path] > 0 for path in change.directories)
            for path in change.directories:
                luck[path] = luck[path] - 1 if done else 0
            if done:
                left.apply(change)
        left.forget_orphans()
        left.durable_names = {
            name: inode.after_cut(chance) for name, inode in sorted(left.durable_names.items())
        }
        left.names = dict(left.durable_names)
        left.directories = set(left.durable_directories)
        return left

    def forget_orphans(self) -> None:
        """Forget what lies in a directory that did not last."""
        there = self.durable_directories
        for path in sorted(there):
            if path and path.rpartition("/")[0] not in there:
                there.discard(path)
        for name in list(self.durable_names):
            if name.rpartition("/")[0] not in there:
                del self.durable_names[name]
