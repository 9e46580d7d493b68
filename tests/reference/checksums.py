"""Slow twin of the checksum kernel: CRC-32C one bit at a time, as RFC 3720 B.4 words it."""

from __future__ import annotations

POLYNOMIAL = 0x1EDC6F41


def crc32c(data: bytes, value: int = 0) -> int:
    """The checksum of ``data``, going on from ``value``."""
    register = _mirrored(value ^ 0xFFFFFFFF)
    for byte in data:
        for place in range(8):
            top = register >> 31 ^ byte >> place & 1
            register = (register << 1 & 0xFFFFFFFF) ^ (POLYNOMIAL if top else 0)
    return _mirrored(register) ^ 0xFFFFFFFF


def _mirrored(register: int) -> int:
    return int(f"{register:032b}"[::-1], 2)
