"""One open regular file behind ``ports.File``."""

from __future__ import annotations

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from goutube._native import map_file
from goutube.model import Buffer

_VECTORS_MAX: Final = 1024
"""Buffers of one pwritev: Linux's IOV_MAX."""
_ZEROS_BYTES: Final = 1 << 20
_NOT_SUPPORTED: Final = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@contextmanager
def described(path: str) -> Iterator[None]:
    """Make an ``OSError`` in the block name ``path``, as seen from the data directory."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


class RestingFiles:
    """Files at rest whose descriptors are open; beyond ``open_max`` the least recently used closes.

    A node has far more sealed segments than a process may have descriptors.

    Args:
        open_again: opens a file, by its path, for reading.
    """

    def __init__(self, open_again: Callable[[str], int], open_max: int) -> None:
        self.open_again = open_again
        self._open_max = open_max
        self._files: OrderedDict[OsFile, None] = OrderedDict()
        self._lock = threading.Lock()

    def used(self, file: OsFile) -> None:
        """Take in that a file's descriptor was just used."""
        with self._lock:
            self._files[file] = None
            self._files.move_to_end(file)
            oldest = self._files.popitem(last=False)[0] if self._over() else None
        if oldest is not None:
            oldest.give_up()

    def forget(self, file: OsFile) -> None:
        """Take in that a file was closed."""
        with self._lock:
            self._files.pop(file, None)

    def _over(self) -> bool:
        return len(self._files) > self._open_max


class OsFile:
    """A regular file by its descriptor.

    Native threads work on the bare descriptor, so it must not be closed, and its number given to
    another file, while one of them has it: ``pin`` puts closing off until ``unpin``.

    Args:
        resting: whom the file is handed to when it is put to rest.
    """

    __slots__ = ("_closed", "_fd", "_giving_up", "_lock", "_pins", "_resting", "_rests", "path")

    def __init__(self, path: str, fd: int, resting: RestingFiles) -> None:
        self.path = path
        self._fd = fd
        self._pins = 0
        self._closed = False
        self._giving_up = False
        self._rests = False
        self._resting = resting
        self._lock = threading.Lock()

    def read(self, position: int, count: int) -> bytes:
        """Up to ``count`` bytes from ``position``; fewer only at the end of the file."""
        with self._descriptor() as fd:
            data = os.pread(fd, count, position)
            if len(data) == count or not data:
                return data
            pieces = [data]
            missing = count - len(data)
            while missing and (data := os.pread(fd, missing, position + count - missing)):
                pieces.append(data)
                missing -= len(data)
        return b"".join(pieces)

    def write(self, position: int, *buffers: Buffer) -> None:
        """Write all buffers one behind the other from ``position``; short writes are continued."""
        views = [view for buffer in buffers if (view := memoryview(buffer).cast("B")).nbytes]
        first = 0
        with self._descriptor() as fd:
            while first < len(views):
                written = os.pwritev(fd, views[first : first + _VECTORS_MAX], position)
                position += written
                while first < len(views) and written >= views[first].nbytes:
                    written -= views[first].nbytes
                    first += 1
                if written:
                    views[first] = views[first][written:]

    def sync(self) -> None:
        """Make what was written durable (fdatasync)."""
        with self._descriptor() as fd:
            os.fdatasync(fd)

    def size(self) -> int:
        """The file's length in bytes."""
        with self._descriptor() as fd:
            return os.fstat(fd).st_size

    def allocate(self, position: int, count: int) -> None:
        """Reserve disk space for a range and extend the file over it; what is written there stays.

        Where the file system cannot reserve, the part beyond the end is written with zeros.
        """
        try:
            with self._descriptor() as fd:
                os.posix_fallocate(fd, position, count)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED or position < 0 or count <= 0:
                raise
            self._write_zeros(max(position, self.size()), position + count)

    def truncate(self, size: int) -> None:
        """Cut or extend the file to ``size`` bytes."""
        with self._descriptor() as fd:
            os.ftruncate(fd, size)

    def map(self) -> memoryview:
        """The whole file, read-only; it stays valid after ``close``."""
        with self._descriptor() as fd:
            size = os.fstat(fd).st_size
            return map_file(fd, size) if size else memoryview(b"")

    def rest(self) -> None:
        """Nothing is written any more, all is synced: keep no descriptor for long between reads."""
        with self._lock:
            self._rests = True
            held = self._fd >= 0
        if held:
            self._resting.used(self)

    def close(self) -> None:
        """Close the file, or have it closed by the last ``unpin``; closing twice is fine."""
        self._resting.forget(self)
        with self._lock:
            self._closed = self._giving_up = True
            self._close_unpinned()

    def give_up(self) -> None:
        """Close the descriptor, or have it closed by the last ``unpin``; ``pin`` opens another."""
        with self._lock:
            self._giving_up = True
            self._close_unpinned()

    def pin(self) -> int:
        """Keep the descriptor open until ``unpin`` and return its number.

        Raises:
            OSError: the file is closed, or at rest and cannot be opened again.
        """
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, "the file is closed", self.path)
            if self._fd < 0:
                self._fd = self._resting.open_again(self.path)
            self._giving_up = False
            self._pins += 1
            fd, rests = self._fd, self._rests
        if rests:
            self._resting.used(self)
        return fd

    def unpin(self) -> None:
        """Give back one ``pin``."""
        with self._lock:
            self._pins -= 1
            if self._giving_up:
                self._close_unpinned()

    @contextmanager
    def _descriptor(self) -> Iterator[int]:
        fd = self.pin()
        try:
            with described(self.path):
                yield fd
        finally:
            self.unpin()

    def _close_unpinned(self) -> None:
        if self._pins == 0 and self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _write_zeros(self, position: int, after: int) -> None:
        zeros = bytes(min(_ZEROS_BYTES, max(0, after - position)))
        while position < after:
            piece = zeros[: after - position]
            self.write(position, piece)
            position += len(piece)
