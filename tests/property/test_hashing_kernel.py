"""XXH64, MurmurHash3 and MD5 agree with the packages that the world uses."""

from __future__ import annotations

from hashlib import md5

import mmh3
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from goutube._native import md5_64, murmur3, xxh64


def _murmur3(data: bytes, seed: int) -> int:
    return mmh3.hash64(data, seed, x64arch=True, signed=False)[0]


def _md5(data: bytes) -> int:
    return int.from_bytes(md5(data).digest()[:8], "little")


@pytest.mark.parametrize("length", range(140))
def test_every_length(length):
    """Every way in which an input can end."""
    data = bytes((7 * i + length) & 255 for i in range(length))
    assert xxh64(data) == xxhash.xxh64_intdigest(data)
    assert murmur3(data) == _murmur3(data, 0)
    assert md5_64(data) == _md5(data)


@given(st.binary(max_size=300), st.integers(0, 2**64 - 1))
def test_xxh64(data, seed):
    """Any bytes under any seed."""
    assert xxh64(data, seed) == xxhash.xxh64_intdigest(data, seed)


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_murmur3(data, seed):
    """Any bytes under any seed; the low half, unsigned."""
    assert murmur3(data, seed) == _murmur3(data, seed)


@given(st.binary(max_size=300))
def test_md5(data):
    """Any bytes: the first half of the digest, the lowest byte first."""
    assert md5_64(data) == _md5(data)


@given(st.binary(min_size=1, max_size=80), st.integers(1, 8))
def test_any_place(data, start):
    """The answer depends on the bytes alone, not on where in memory they stand."""
    moved = memoryview(bytes(start) + data)[start:]
    assert xxh64(moved) == xxh64(data)
    assert murmur3(moved) == murmur3(data)


@pytest.mark.parametrize("kernel", [xxh64, murmur3])
def test_misuse(kernel):
    """What is no buffer, or no seed, is refused."""
    with pytest.raises(TypeError):
        kernel("text")
    with pytest.raises(OverflowError):
        kernel(b"", -1)
