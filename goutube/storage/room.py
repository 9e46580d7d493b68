"""What to do without room on the disk: tell it from a failure, and hold some back beforehand."""

from __future__ import annotations

import errno
from typing import Final

from goutube.crash_points import CrashPoint
from goutube.ports import Disk

RESERVE_PATH: Final = "reserve"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


def lacks_room(error: BaseException | None) -> bool:
    """Whether no space, no file or no quota was left for what was tried; nothing is broken."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def hold_reserve(disk: Disk, byte_count: int) -> None:
    """Take space that nobody needs, so that it can be given back when there is none.

    Raises:
        OSError: there is not that much; what was taken is given back.
    """
    disk.remove(RESERVE_PATH)
    file = disk.open(RESERVE_PATH, create=True)
    disk.reached(CrashPoint.RESERVE_CREATED)
    try:
        file.allocate(0, byte_count)
        disk.reached(CrashPoint.RESERVE_HELD)
    except OSError:
        disk.remove(RESERVE_PATH)
        raise
    finally:
        file.close()


def holds_reserve(disk: Disk, byte_count: int) -> bool:
    """Whether the reserve is there in full."""
    if not disk.exists(RESERVE_PATH):
        return False
    file = disk.open(RESERVE_PATH, write=False)
    try:
        return file.size() == byte_count
    finally:
        file.close()


def release_reserve(disk: Disk) -> None:
    """Give the reserve back; the log may go on with it for a while."""
    disk.remove(RESERVE_PATH)
    disk.reached(CrashPoint.RESERVE_RELEASED)
