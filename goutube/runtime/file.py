"""One open regular file behind ``ports.File``."""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

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


class OsFile:
    """A regular file by its descriptor.

    Native threads work on the bare descriptor, so it must not be closed, and its number given to
    another file, while one of them has it: ``pin`` puts ``close`` off until ``unpin``.
    """

    __slots__ = ("_closing", "_fd", "_lock", "_pins", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._pins = 0
        self._closing = False
        self._lock = threading.Lock()

    def read(self, position: int, count: int) -> bytes:
        """Up to ``count`` bytes from ``position``; fewer only at the end of the file."""
        fd = self._open_fd()
        with described(self.path):
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
        fd = self._open_fd()
        views = [view for buffer in buffers if (view := memoryview(buffer).cast("B")).nbytes]
        first = 0
        with described(self.path):
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
        fd = self._open_fd()
        with described(self.path):
            os.fdatasync(fd)

    def size(self) -> int:
        """The file's length in bytes."""
        fd = self._open_fd()
        with described(self.path):
            return os.fstat(fd).st_size

    def allocate(self, position: int, count: int) -> None:
        """Reserve disk space for a range and extend the file over it; what is written there stays.

        Where the file system cannot reserve, the part beyond the end is written with zeros.
        """
        fd = self._open_fd()
        try:
            with described(self.path):
                os.posix_fallocate(fd, position, count)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED or position < 0 or count <= 0:
                raise
            self._write_zeros(max(position, self.size()), position + count)

    def truncate(self, size: int) -> None:
        """Cut or extend the file to ``size`` bytes."""
        fd = self._open_fd()
        with described(self.path):
            os.ftruncate(fd, size)

    def map(self) -> memoryview:
        """The whole file, read-only; it stays valid after ``close``."""
        fd = self._open_fd()
        if self.size() == 0:
            return memoryview(b"")
        with described(self.path):
            return memoryview(mmap.mmap(fd, 0, access=mmap.ACCESS_READ))

    def close(self) -> None:
        """Close the file, or have it closed by the last ``unpin``; closing twice is fine."""
        with self._lock:
            self._closing = True
            self._close_unpinned()

    def pin(self) -> int:
        """Keep the descriptor open until ``unpin`` and return its number.

        Raises:
            OSError: the file is closed.
        """
        with self._lock:
            fd = self._open_fd()
            self._pins += 1
        return fd

    def unpin(self) -> None:
        """Give back one ``pin``."""
        with self._lock:
            self._pins -= 1
            if self._closing:
                self._close_unpinned()

    def _open_fd(self) -> int:
        if self._fd < 0:
            raise OSError(errno.EBADF, "the file is closed", self.path)
        return self._fd

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
