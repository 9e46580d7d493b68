"""A disk over another one that is only read: what is written stays in memory, and is thrown away.

With it the very code that starts a node finds out what a start would find, and changes nothing.
A file that is written to is held in memory whole.
"""

from __future__ import annotations

import errno

from msgspec import Struct
from typing_extensions import override

from goutube.crash_points import CrashPoint
from goutube.model import Buffer
from goutube.ports import Disk, File, Room


class _Content(Struct):
    """What a name stands for: a file of the disk below until it is written to, then bytes."""

    below: str
    data: bytearray | None = None


class OverlayFile(File):
    """One open file."""

    def __init__(self, path: str, content: _Content, below: File | None) -> None:
        self.path = path
        self._content = content
        self._below = below

    @override
    def read(self, position: int, count: int) -> bytes:
        data = self._content.data
        if data is not None:
            return bytes(data[position : position + count])
        assert self._below is not None
        return self._below.read(position, count)

    @override
    def write(self, position: int, *buffers: Buffer) -> None:
        piece = b"".join(buffers)
        data = self._own()
        data.extend(bytes(max(0, position + len(piece) - len(data))))
        data[position : position + len(piece)] = piece

    @override
    def sync(self) -> None:
        """Nothing lasts."""

    @override
    def size(self) -> int:
        data = self._content.data
        if data is not None:
            return len(data)
        assert self._below is not None
        return self._below.size()

    @override
    def allocate(self, position: int, count: int) -> None:
        data = self._own()
        data.extend(bytes(max(0, position + count - len(data))))

    @override
    def truncate(self, size: int) -> None:
        data = self._own()
        del data[size:]
        data.extend(bytes(size - len(data)))

    @override
    def map(self) -> memoryview:
        data = self._content.data
        if data is not None:
            return memoryview(bytes(data))
        assert self._below is not None
        return self._below.map()

    @override
    def drop_cached(self) -> None:
        if self._content.data is None and self._below is not None:
            self._below.drop_cached()

    @override
    def read_stored(self, position: int, count: int) -> Buffer:
        return self.read(position, count)

    @override
    def rest(self) -> None:
        if self._below is not None:
            self._below.rest()

    @override
    def close(self) -> None:
        if self._below is not None:
            self._below.close()

    def _own(self) -> bytearray:
        if self._content.data is None:
            assert self._below is not None
            self._content.data = bytearray(self._below.read(0, self._below.size()))
        return self._content.data


class OverlayDisk(Disk):
    """One data directory as it is, and as it would become."""

    def __init__(self, below: Disk) -> None:
        self._disk = below
        self._files: dict[str, _Content | None] = {}
        """What is not as it is below; None: removed."""
        self._directories: set[str] = set()

    @override
    def open(self, path: str, *, create: bool = False, write: bool = True) -> OverlayFile:
        if create and self.exists(path):
            raise FileExistsError(errno.EEXIST, "there already", path)
        if create:
            self._files[path] = _Content(path, bytearray())
        content = self._files.setdefault(path, _Content(path))
        if content is None:
            raise FileNotFoundError(errno.ENOENT, "not there", path)
        below = None
        if content.data is None:
            try:
                below = self._disk.open(content.below, write=False)
            except FileNotFoundError:
                del self._files[path]
                raise
        return OverlayFile(path, content, below)

    @override
    def exists(self, path: str) -> bool:
        if path in self._files:
            return self._files[path] is not None
        return path in self._directories or self._disk.exists(path)

    @override
    def list(self, path: str) -> list[str]:
        start = path + "/" if path else ""
        found = set(self._disk.list(path))
        for name in [*self._files, *self._directories]:
            if name.startswith(start) and name != path:
                found.add(name[len(start) :].partition("/")[0])
        return [name for name in sorted(found) if self._files.get(start + name, name) is not None]

    @override
    def make_directory(self, path: str) -> None:
        self._directories.add(path)

    @override
    def rename(self, source: str, target: str) -> None:
        self.open(source, write=False).close()
        self._files[target], self._files[source] = self._files[source], None

    @override
    def remove(self, path: str) -> None:
        self._files[path] = None

    @override
    def sync_directory(self, path: str) -> None:
        """Nothing lasts."""

    @override
    def room(self) -> Room:
        return self._disk.room()

    @override
    def lock(self, path: str) -> None:
        """The disk below is locked by whoever looks at it."""

    @override
    def reached(self, point: CrashPoint) -> None:
        """Nothing is between two durable facts here."""
