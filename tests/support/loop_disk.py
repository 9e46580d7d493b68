"""A file system of its own in a file, whose power can be cut."""

import errno
import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

from goutube.limits import MIB
from tests.support.agents import RestartedAgent

IMAGE_BYTES = 2048 * MIB
"""Sparse: only what is written takes room."""
GOING_DOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: _IOR('X', 125, __u32), linux/fs.h and xfs_fs.h."""
WITHOUT_LOG_FLUSH = 2
TEAR_WHILE = "TEAR_WHILE"
"""The variable with the path of the file that is there while an agent may cut its own power."""


def why_not(kind):
    """Why there can be no such file system on this machine; empty if there can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    return "" if shutil.which(f"mkfs.{kind}") else f"mkfs.{kind} is not installed"


class LoopDisk:
    """A mounted ext4 or XFS.

    ``cut`` is a power cut as far as the file system is concerned: from one moment to the next it
    writes nothing more to its device, neither data nor its own log, and everything that was only in
    the page cache is gone with the unmounting.
    """

    def __init__(self, folder, kind):
        self._image = folder / f"{kind}.image"
        self.mount_point = folder / f"{kind}.mounted"
        self.mount_point.mkdir()
        with self._image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        subprocess.run([f"mkfs.{kind}", "-q", self._image], check=True, capture_output=True)

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, *_):
        self.unmount()
        self._image.unlink()

    def mount(self):
        """Mount; the file system's own log is replayed."""
        subprocess.run(["mount", "-o", "loop", self._image, self.mount_point], check=True)

    def unmount(self):
        """Unmount; nobody may have a file open."""
        subprocess.run(["umount", self.mount_point], check=True)

    def cut(self):
        """Write nothing from this moment on."""
        try:
            directory = os.open(self.mount_point, os.O_RDONLY)
        except OSError as error:
            if error.errno == errno.EIO:
                return  # it was cut by somebody else
            raise
        fcntl.ioctl(directory, GOING_DOWN, struct.pack("I", WITHOUT_LOG_FLUSH))
        os.close(directory)


class PoweredAgent(RestartedAgent):
    """An agent on a disk of its own, whose ends are power cuts."""

    def __init__(self, disk, *settings, environ=(), **options):
        self._may_tear = disk.mount_point.with_suffix(".may-tear")
        environ = {TEAR_WHILE: str(self._may_tear), **dict(environ)}
        super().__init__(disk.mount_point / "data", *settings, environ=environ, **options)
        self._disk = disk
        self.torn_count = 0
        """How often the process had cut the power itself, and was gone."""

    def tear(self):
        """Wait until a process that can cuts the power itself, in the middle of a write."""
        self._may_tear.touch()
        self.child.wait(timeout=100)
        self._may_tear.unlink()

    def end(self, *arguments):
        """Cut the power, and mount the disk as it is found after that."""
        self.torn_count += self.child.poll() is not None
        self._disk.cut()
        status = super().end(*arguments)
        self._disk.unmount()
        self._disk.mount()
        return status
