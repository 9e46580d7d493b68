"""The hash functions that place names on the ring."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from goutube._native import murmur3, xxh64
from goutube.errors import ConfigError

KeyHash = Callable[[bytes], int]


def _md5(key: bytes) -> int:
    return int.from_bytes(hashlib.md5(key, usedforsecurity=False).digest()[:8], "little")


_FUNCTIONS: Final[dict[str, KeyHash]] = {"md5": _md5, "murmur3": murmur3, "xxh64": xxh64}
HASH_FUNCTIONS: Final = tuple(_FUNCTIONS)


def hash_function(name: str) -> KeyHash:
    """The function of a name in ``HASH_FUNCTIONS``: bytes to an unsigned 64-bit position.

    ``md5`` takes the digest's first 8 bytes as a little-endian number, as the Go ring does;
    ``xxh64`` and ``murmur3`` (x64 128, low half) are seeded with 0.

    Raises:
        ConfigError: no function of this name.
    """
    try:
        return _FUNCTIONS[name]
    except KeyError:
        known = ", ".join(HASH_FUNCTIONS)
        raise ConfigError(f"no hash function {name!r}; there are {known}", value=name) from None
