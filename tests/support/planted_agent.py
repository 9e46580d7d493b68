"""An agent with a planted fault, for the tests of the power cuts.

``python -m tests.support.planted_agent FAULT agent ...`` runs it. The faults stand between the product
and the system, or take the place of a function of the product.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import threading
from pathlib import Path
from unittest.mock import patch

import goutube.agent.assembly as assembly
from goutube._native import complete_group, crc32c, read_group
from goutube.cli import main
from goutube.ports import WriteGroup
from goutube.runtime import DiskJobs, OsDisk, OsFile
from tests.support.loop_disk import GOING_DOWN, TEAR_WHILE, WITHOUT_LOG_FLUSH

LATE_S = 1.0
TORN_AT = 12
"""Which of the journal groups that could be torn is, once the power may go."""
BLOCK_BYTES = 4096


def names_unsynced():
    """Directories are not synced: the product syncs all else by fdatasync."""
    os.fsync = lambda _fd: None


def rename_first():
    """A temporary file is renamed, and synced a second later."""
    open_file, rename = OsDisk.open, OsDisk.rename

    class Late(OsFile):
        __slots__ = ()

        def sync(self):
            """Later."""

    def opened(disk, path, *, create=False, write=True):
        file = open_file(disk, path, create=create, write=write)
        if create and path.endswith(".tmp"):
            file.__class__ = Late
        return file

    def renamed(disk, source, target):
        rename(disk, source, target)
        later = threading.Timer(LATE_S, lambda: open_file(disk, target).sync())
        later.daemon = True
        later.start()

    OsDisk.open, OsDisk.rename = opened, renamed


class TornJobs(DiskJobs):
    """The power goes in the middle of a journal group: its first half is on the disk, nothing else."""

    _torn_at = TORN_AT

    def _submit(self, job, fd):
        may_go = isinstance(job, WriteGroup) and sum(map(len, job.buffers)) >= 4 * BLOCK_BYTES
        if may_go and Path(os.environ[TEAR_WHILE]).exists():
            self._torn_at -= 1
            if self._torn_at == 0:
                tear(job, fd)
        super()._submit(job, fd)


def tear(job, fd):
    """Write the first half of a group, and cut the power."""
    head, *rest = job.buffers
    complete_group(job.seed, head, rest)
    content = b"".join(job.buffers)
    os.pwrite(fd, content[: len(content) // 2 // BLOCK_BYTES * BLOCK_BYTES], job.position)
    os.fdatasync(fd)
    fcntl.ioctl(fd, GOING_DOWN, struct.pack("I", WITHOUT_LOG_FLUSH))
    os.kill(os.getpid(), signal.SIGKILL)


def torn():
    """No fault of the product: the power goes at the worst moment."""
    assembly.DiskJobs = TornJobs


def unchecked():
    """The same, and the checksums of journal groups are not compared: they are made to fit."""
    torn()

    def unchecked_group(buffer, position, seed, sequence):
        size = 64 + int.from_bytes(buffer[position + 24 : position + 28], "little")
        group = bytearray(buffer[position : position + size])
        if size % BLOCK_BYTES == 0 and len(group) == size and group[:4] == b"gtJ1":
            group[36:40] = crc32c(memoryview(group)[64:], seed).to_bytes(4, "little")
            group[60:64] = crc32c(memoryview(group)[:60], seed).to_bytes(4, "little")
            content = b"".join([bytes(buffer[:position]), group, bytes(buffer[position + size :])])
            return read_group(content, position, seed, sequence)
        return read_group(buffer, position, seed, sequence)

    patch("goutube.storage.journal.read_group", unchecked_group).start()


FAULTS = {
    "names-unsynced": names_unsynced,
    "rename-first": rename_first,
    "torn": torn,
    "unchecked": unchecked,
}

if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    main()
