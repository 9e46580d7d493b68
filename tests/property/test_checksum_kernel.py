"""CRC-32C: every way to compute it agrees with the twin, with two packages, and with itself in parts."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import crc32c as other
import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube._native import CPU_PATH, crc32c
from tests.reference import checksums

PATHS = ("portable", "sse42", "pclmul", "avx2", "vpclmul", "armv8")
LENGTHS = [
    *range(300),
    511,
    512,
    513,
    *range(735, 738),  # the blocks of pclmul: 4, 16 and 64 rounds of 184 bytes
    *range(991, 994),  # those of avx2: of 248
    1023,
    1535,
    1536,
    1537,
    *range(2943, 2946),
    3071,
    3072,
    *range(3967, 3970),
    4097,
    *range(11775, 11778),
    *range(15871, 15874),
    2 * 15872 + 3968 + 992 + 129,
    65535,
    32767,
    65536,
    70001,
    98304 + 65,
]


def _samples() -> list[tuple[bytes, int]]:
    chance = random.Random(3720)
    return [(chance.randbytes(n), chance.getrandbits(32)) for n in LENGTHS]


def test_known_answers():
    """The check value, and the examples of RFC 3720 B.4."""
    assert crc32c(b"123456789") == checksums.crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0
    assert crc32c(b"", 77) == 77


@given(st.binary(max_size=400), st.integers(0, 2**32 - 1))
def test_any_bytes(data, value):
    """The kernel and the twin agree, whatever stands before."""
    assert crc32c(data, value) == checksums.crc32c(data, value)


@pytest.mark.parametrize("path", PATHS)
def test_each_path(path):
    """Each path, forced in a process of its own, agrees with two packages at all lengths and places."""
    code = "from tests.property import test_checksum_kernel as t; t.compare()"
    environment = os.environ | {"GOUTUBE_CPU_PATH": path}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    if run.stdout != path:
        pytest.skip(f"this processor has no {path}")


def compare() -> None:
    """Run in a child of the test above: says which path was in use."""
    for data, value in _samples():
        expected = google_crc32c.extend(value, data)
        assert crc32c(data, value) == expected == other.crc32c(data, value), len(data)
        for start in (1, 3, 7, 8, 13, 64):
            part = memoryview(data)[start:]
            assert crc32c(part, value) == other.crc32c(part, value), (len(data), start)
    sys.stdout.write(CPU_PATH)


@given(st.binary(max_size=3000), st.integers(0, 3000), st.integers(0, 2**32 - 1))
def test_going_on(data, at, value):
    """The checksum of a whole is the checksum of its end going on from that of its start."""
    assert crc32c(data[at:], crc32c(data[:at], value)) == crc32c(data, value)


def test_misuse():
    """What is no contiguous buffer, or no 32-bit value, is refused."""
    for wrong in (None, "text", 7):
        with pytest.raises(TypeError):
            crc32c(wrong)
    with pytest.raises(BufferError):
        crc32c(memoryview(b"abcd")[::2])
    for value in (-1, 2**32):
        with pytest.raises(OverflowError):
            crc32c(b"", value)


def test_the_buffer_is_let_go():
    """A buffer that was read can grow again."""
    data = bytearray(70000)
    crc32c(data)
    data.append(1)
