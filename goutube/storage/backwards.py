"""CRC-32C computed backwards: what it went on from, and which byte is wrong if only one is."""

from __future__ import annotations

import struct
from functools import cache
from typing import Final

from goutube._native import crc32c

_POLYNOMIAL: Final = 0x82F63B78
"""Of CRC-32C, reflected."""
_ONES: Final = 0xFFFFFFFF
_CHECKSUM: Final = struct.Struct("<I")


@cache
def _tables() -> tuple[list[int], dict[int, int]]:
    """What one byte makes of an empty register, and which byte it was by the upper byte of that."""
    forwards = [_advance(byte) for byte in range(256)]
    return forwards, {value >> 24: byte for byte, value in enumerate(forwards)}


def _advance(register: int) -> int:
    """A register one zero byte on."""
    for _ in range(8):
        register = register >> 1 ^ (_POLYNOMIAL if register & 1 else 0)
    return register


def seed_of(data: bytes, checksum: int) -> int:
    """What CRC-32C must have gone on from so that ``data`` has this checksum."""
    forwards, by_top = _tables()
    register = checksum ^ _ONES
    for byte in reversed(data):
        place = by_top[register >> 24]
        register = ((register ^ forwards[place]) << 8 & _ONES) | (place ^ byte)
    return register ^ _ONES


def wrong_byte(size: int, difference: int) -> tuple[int, int] | None:
    """Which of ``size`` bytes is wrong, and in which bits, if no other is; None: more than one is.

    ``difference`` is that of the two checksums, bit by bit. Of bytes that are wrong at random one
    in ``2**24 / size`` looks like this: whoever puts it right must check what comes of it.
    """
    forwards, by_top = _tables()
    register = difference
    for behind in range(size):
        place = by_top[register >> 24]
        register = ((register ^ forwards[place]) << 8 & _ONES) | place
        if register < 256:
            return size - 1 - behind, register
    return None


def wrong_byte_of(sealed: bytes, seed: int) -> tuple[int, int] | None:
    """``wrong_byte`` of bytes that end with their own checksum, which may be what is wrong.

    They do not match it.
    """
    covered = len(sealed) - _CHECKSUM.size
    stored = _CHECKSUM.unpack_from(sealed, covered)[0]
    difference = _CHECKSUM.pack(crc32c(sealed[:covered], seed) ^ stored)
    wrong = [place for place, bits in enumerate(difference) if bits]
    if len(wrong) == 1:
        return covered + wrong[0], difference[wrong[0]]
    return wrong_byte(covered, _CHECKSUM.unpack(difference)[0])
