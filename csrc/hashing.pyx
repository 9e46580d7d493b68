"""The hashes that place a name on the ring."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from csrc.hash64 cimport gt_murmur3, gt_xxh64


def xxh64(const uint8_t[::1] data not None, uint64_t seed=0):
    """XXH64 of a buffer."""
    return gt_xxh64(&data[0] if data.shape[0] else NULL, data.shape[0], seed)


def murmur3(const uint8_t[::1] data not None, uint32_t seed=0):
    """The low 64 bits of MurmurHash3_x64_128 of a buffer."""
    return gt_murmur3(&data[0] if data.shape[0] else NULL, data.shape[0], seed)
