"""CRC-32C beside its rivals: zlib's CRC-32, which is another polynomial, and google-crc32c."""

from __future__ import annotations

import random
import zlib

import google_crc32c
import pytest

from goutube._native import crc32c
from goutube.limits import KIB, MIB

RIVALS = {"goutube": crc32c, "google": google_crc32c.value, "zlib": zlib.crc32}


@pytest.mark.parametrize("size", [64, 4 * KIB, MIB])
@pytest.mark.parametrize("rival", RIVALS)
def test_checksum(benchmark, rival, size):
    """One checksum of one buffer."""
    data = random.Random(1).randbytes(size)
    value = benchmark(RIVALS[rival], data)
    assert value == RIVALS[rival](data)
    assert crc32c(data) == google_crc32c.value(data)
