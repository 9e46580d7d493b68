"""The hash functions that place names on the ring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from goutube._native import HASH_MD5, HASH_MURMUR3, HASH_XXH64, md5_64, murmur3, xxh64
from goutube.errors import ConfigError

KeyHash = Callable[[bytes], int]

_FUNCTIONS: Final[dict[str, KeyHash]] = {"md5": md5_64, "murmur3": murmur3, "xxh64": xxh64}
KERNEL_HASHES: Final = {"md5": HASH_MD5, "murmur3": HASH_MURMUR3, "xxh64": HASH_XXH64}
"""What the kernel of the ring calls the functions: it computes the same, many at a time."""
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
