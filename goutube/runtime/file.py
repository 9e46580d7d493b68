"""One open regular file behind ``ports.File``."""

from __future__ import annotations

import errno
import mmap
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
_BLOCK_BYTES: Final = 4096
"""Direct reads begin and end on multiples of it: no disk has larger blocks."""
_NOT_SUPPORTED: Final = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@contextmanager
def described(path: str) -> Iterator[None]:
    """Make an ``OSError`` in the block name ``path``, as seen from the data directory."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def _fill(fd: int, memory: memoryview, position: int) -> int:
    """Read from a position on until the memory is full or the file ends; how many bytes."""
    have = 0
    while have < len(memory) and (count := os.preadv(fd, [memory[have:]], position + have)):
        have += count
        if have % _BLOCK_BYTES:
            break  # only at the end of the file; a direct read could not go on from here
    return have


class RestingFiles:
    """Files at rest whose descriptors are open; beyond ``open_max`` the least recently used closes.

    A node has far more sealed segments than a process may have descriptors.

    Args:
        open_again: opens a file, by its path, for reading; with further flags.
    """

    def __init__(self, open_again: Callable[[str, int], int], open_max: int) -> None:
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


def lost(error: OSError) -> OSError:
    """The error of a sync that failed: one for want of room has lost bytes like any other."""
    return OSError(errno.EIO, f"{os.strerror(errno.EIO)} (its sync said: {error.strerror})")


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
            try:
                os.fdatasync(fd)
            except OSError as error:
                raise lost(error) from error

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

    def filled(self, position: int) -> list[tuple[int, int]]:
        """(start, end) of what is not certainly zeros from ``position`` on.

        Space that was only reserved is not, where the file system can tell.
        """
        ranges = []
        with self._descriptor() as fd:
            size = os.fstat(fd).st_size
            while position < size:
                try:
                    start = os.lseek(fd, position, os.SEEK_DATA)
                except OSError as error:
                    if error.errno == errno.ENXIO:
                        break  # nothing but holes
                    raise
                position = os.lseek(fd, start, os.SEEK_HOLE)
                ranges.append((start, position))
        return ranges

    def drop_cached(self) -> None:
        """Let the next reads come from the disk, as far as the page cache counts as clean."""
        with self._descriptor() as fd:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def read_stored(self, position: int, count: int) -> Buffer:
        """``read`` past the page cache, which is left as it is."""
        start = position - position % _BLOCK_BYTES
        wanted = -(-(position + count - start) // _BLOCK_BYTES) * _BLOCK_BYTES
        with described(self.path):
            try:
                fd = self._resting.open_again(self.path, os.O_DIRECT)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                return self._read_dropped(position, count)
            try:
                content = mmap.mmap(-1, wanted)  # direct reads want memory on a page's boundary
                have = _fill(fd, memoryview(content), start)
            finally:
                os.close(fd)
        return memoryview(content)[position - start : max(0, min(have, position - start + count))]

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
                self._fd = self._resting.open_again(self.path, 0)
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

    def _read_dropped(self, position: int, count: int) -> bytes:
        """``read_stored`` where there are no direct reads: what the cache had is dropped, too."""
        self.drop_cached()
        try:
            return self.read(position, count)
        finally:
            self.drop_cached()

    def _write_zeros(self, position: int, after: int) -> None:
        zeros = bytes(min(_ZEROS_BYTES, max(0, after - position)))
        while position < after:
            piece = zeros[: after - position]
            self.write(position, piece)
            position += len(piece)
