"""The real file system behind ``ports.Disk``: one data directory, and nothing outside it.

Every name is looked up from an open directory, part by part, and no symbolic link is followed, so a
name can never lead out of the data directory, not even while somebody changes it underneath.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from goutube.crash_points import CrashAt, CrashPoint
from goutube.errors import DataDirError
from goutube.ports import Room
from goutube.runtime.file import OsFile, RestingFiles, described

_FILE_MODE: Final = 0o600
_FILES_UNCOUNTED: Final = 1 << 32
_DIRECTORY_MODE: Final = 0o700
_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_RESTING_OPEN_MAX: Final = 256
"""Descriptors kept for files at rest: reads of as many segments at once open none anew."""
# O_NONBLOCK changes nothing for a regular file; without it, to open a FIFO is to wait for a writer.


class OsDisk:
    """One data directory on the real file system. Safe to use from several threads.

    Args:
        root: the directory; it is created (mode 0700) when only its last part is missing.
        write: False for one that is only looked at: it must be there, and may be read-only.
        crash_at: where this process is to kill itself, for a test of what the next one finds.

    Raises:
        DataDirError: it cannot be made, is no directory, or this process may not use it so.
    """

    def __init__(self, root: Path, *, write: bool = True, crash_at: CrashAt | None = None) -> None:
        self.root = root
        self._crash_at = crash_at
        self._times_left = crash_at.nth if crash_at is not None else 0
        self._crash_lock = threading.Lock()
        if write:
            _make_root(root)
        try:
            # The root itself may be a symbolic link: where data lies is the operator's choice.
            self._root_fd = os.open(root, _DIRECTORY_FLAGS & ~os.O_NOFOLLOW)
        except OSError as error:
            raise _unusable(root, error) from error
        if write and not os.access(root, os.R_OK | os.W_OK | os.X_OK):
            os.close(self._root_fd)
            raise DataDirError(
                f"the data directory {root} cannot be written to: its file system is read-only, or "
                "it belongs to another user. Give it to the user that runs the agent (mode 0700), "
                "or set data_dir to another directory",
                data_dir=str(root),
            )
        self._locks: list[int] = []
        self._resting = RestingFiles(self._open_to_read, _RESTING_OPEN_MAX)

    def open(self, path: str, *, create: bool = False, write: bool = True) -> OsFile:
        """Open a regular file; symbolic links, directories and devices are refused.

        Raises:
            OSError: it is missing, no regular file, or (``create``) there already.
        """
        flags = os.O_RDWR if write else os.O_RDONLY
        if create:
            flags |= os.O_CREAT | os.O_EXCL
        return OsFile(path, self._open_regular(path, flags), self._resting)

    def exists(self, path: str) -> bool:
        """Whether a file or directory of this name is there."""
        try:
            with self._parent(path) as (parent, name):
                os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def list(self, path: str) -> list[str]:
        """The names in a directory, sorted; none when the directory is missing."""
        try:
            with self._directory(path) as directory:
                return sorted(os.listdir(directory))  # noqa: PTH208 - by descriptor
        except FileNotFoundError:
            return []

    def make_directory(self, path: str) -> None:
        """Create a directory and sync its parent; an existing one is fine."""
        with self._parent(path) as (parent, name), described(path):
            try:
                os.mkdir(name, _DIRECTORY_MODE, dir_fd=parent)
            except FileExistsError:
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
                if not stat.S_ISDIR(found.st_mode):
                    raise
            os.fsync(parent)

    def rename(self, source: str, target: str) -> None:
        """Put ``source`` in the place of ``target`` in one step; not durable by itself."""
        with (
            self._parent(source) as (source_parent, source_name),
            self._parent(target) as (target_parent, target_name),
            described(source),
        ):
            os.rename(source_name, target_name, src_dir_fd=source_parent, dst_dir_fd=target_parent)

    def remove(self, path: str) -> None:
        """Remove a file; a missing one is fine."""
        try:
            with self._parent(path) as (parent, name), described(path):
                os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in a directory durable."""
        with self._directory(path) as directory, described(path):
            os.fsync(directory)

    def room(self) -> Room:
        """What is left for this process; a quota may allow less than it says."""
        with described(str(self.root)):
            found = os.fstatvfs(self._root_fd)
        # A file system that makes room for files as it goes tells of none.
        files = found.f_favail if found.f_files else _FILES_UNCOUNTED
        return Room(found.f_bavail * found.f_frsize, files)

    def lock(self, path: str) -> None:
        """Hold the lock file until ``close`` or the end of the process, however it ends.

        Raises:
            DataDirError: another process holds it.
        """
        with self._parent(path) as (parent, name), described(path):
            fd = os.open(name, _FILE_FLAGS | os.O_RDWR | os.O_CREAT, _FILE_MODE, dir_fd=parent)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            named = f" (process {holder})" if holder.isdecimal() else ""
            raise DataDirError(
                f"the data directory {self.root} is in use by another agent{named}. Stop that one, "
                "or set data_dir to another directory",
                data_dir=str(self.root),
                holder=holder,
            ) from None
        self._locks.append(fd)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)

    def reached(self, point: CrashPoint) -> None:
        """Kill this process if it was started to end here; else nothing."""
        if self._crash_at is None or point is not self._crash_at.point:
            return
        with self._crash_lock:
            self._times_left -= 1
            if self._times_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def close(self) -> None:
        """Give up the locks and the directory; closing twice is fine. Open files stay open."""
        while self._locks:
            os.close(self._locks.pop())
        if self._root_fd >= 0:
            os.close(self._root_fd)
            self._root_fd = -1

    def _open_to_read(self, path: str, flags: int) -> int:
        return self._open_regular(path, os.O_RDONLY | flags)

    def _open_regular(self, path: str, flags: int) -> int:
        with self._parent(path) as (parent, name), described(path):
            fd = os.open(name, _FILE_FLAGS | flags, _FILE_MODE, dir_fd=parent)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "is not a regular file", path)
        return fd

    @contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        """Walk to a directory from the root; an empty path is the root."""
        directory = os.open(".", _DIRECTORY_FLAGS, dir_fd=self._root_fd)
        try:
            for part in _parts(path) if path else ():
                with described(path):
                    inner = os.open(part, _DIRECTORY_FLAGS, dir_fd=directory)
                os.close(directory)
                directory = inner
            yield directory
        finally:
            os.close(directory)

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        folder, _, name = "/".join(_parts(path)).rpartition("/")
        with self._directory(folder) as directory:
            yield directory, name


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ValueError(f"{path!r} is no path inside a data directory")
    return parts


def _make_root(root: Path) -> None:
    try:
        root.mkdir(_DIRECTORY_MODE)
    except FileExistsError:
        return
    except OSError as error:
        raise _unusable(root, error) from error
    parent = os.open(root.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _unusable(root: Path, error: OSError) -> DataDirError:
    match error.errno:
        case errno.ENOENT:
            advice = (
                f"{root.parent} does not exist; create it, or set data_dir to another directory"
            )
        case errno.ENOTDIR:
            advice = "it is a file, or lies below one; set data_dir to a directory"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            advice = "let the user that runs the agent write there, or set data_dir elsewhere"
        case _:
            advice = "set data_dir to another directory"
    return DataDirError(
        f"the data directory {root} cannot be used ({error.strerror}): {advice}",
        data_dir=str(root),
    )
