"""The C library's allocator, told what a server of streams is like."""

from __future__ import annotations

import ctypes
from typing import Final

from goutube.limits import MIB

KEPT_BYTES: Final = 16 * MIB
"""What each of the allocator's arenas may keep of what was freed at its end."""
_BUFFER_BYTES_MAX: Final = 8 * MIB
"""Above the largest answer and the largest message that comes again and again."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def keep_freed_buffers() -> bool:
    """Have this process use the memory of its buffers again; False where the C library cannot.

    A read's answer and gRPC's copy of it are a mebibyte each. glibc hands such blocks back to the
    system when they are freed, unless it has happened to learn otherwise, and then each new one
    costs 256 page faults, which is more than to fill it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False  # not glibc
    # Both: once one of them is set, glibc no longer adapts the other.
    taken = mallopt(_M_MMAP_THRESHOLD, _BUFFER_BYTES_MAX), mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    return taken == (1, 1)
