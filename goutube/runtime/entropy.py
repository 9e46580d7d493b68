"""The kernel's random numbers behind ``ports.Entropy``."""

from __future__ import annotations

import os


class SystemEntropy:
    """Unpredictable bytes from the operating system."""

    __slots__ = ()

    def token_bytes(self, count: int) -> bytes:
        """``count`` random bytes."""
        return os.urandom(count)
