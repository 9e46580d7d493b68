"""What clients append: records that tell who they are, so that each is known where it is found."""

from __future__ import annotations

import struct
from random import Random
from typing import Final

from goutube.model import Buffer

_HEAD: Final = struct.Struct("<4sII")
_MAGIC: Final = b"gtSR"
_STRIDE: Final = 7_919
_POOL_BYTES: Final = 1 << 18
_POOL: Final = Random(0).randbytes(2 * _POOL_BYTES)

RECORD_BYTES_MIN: Final = _HEAD.size


def make_record(number: int, size: int) -> bytes:
    """The record with this number; its bytes follow from number and size."""
    start = number * _STRIDE % _POOL_BYTES
    return _HEAD.pack(_MAGIC, number, size) + _POOL[start : start + size - _HEAD.size]


def read_head(content: Buffer, position: int) -> tuple[int, int] | None:
    """(number, size) of the record that begins here; None where none does."""
    if len(content) - position < _HEAD.size:
        return None
    magic, number, size = _HEAD.unpack_from(content, position)
    return (number, size) if magic == _MAGIC else None
