"""The machine's clocks behind ``ports.Clock``."""

from __future__ import annotations

import time
from typing import Final

_NS_PER_MS: Final = 1_000_000


class SystemClock:
    """Time of day, and the time since the machine was started, its sleep included.

    CLOCK_BOOTTIME rather than CLOCK_MONOTONIC: a machine that was suspended must see that leases
    and deadlines have passed meanwhile.
    """

    __slots__ = ()

    def wall_ms(self) -> int:
        """Unix time in milliseconds; it may jump."""
        return time.time_ns() // _NS_PER_MS

    def monotonic_ms(self) -> int:
        """Milliseconds since boot; never runs back."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _NS_PER_MS
