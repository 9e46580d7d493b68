"""The hashes that place a name on the ring."""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from csrc.buffer cimport take_buffer
from csrc.hash64 cimport gt_murmur3, gt_xxh64
from csrc.md5 cimport gt_md5


def xxh64(data, uint64_t seed=0):
    """XXH64 of a buffer."""
    cdef Py_buffer view
    cdef const uint8_t *start = take_buffer(data, &view)
    seed = gt_xxh64(start, view.len, seed)
    PyBuffer_Release(&view)
    return seed


def murmur3(data, uint32_t seed=0):
    """The low 64 bits of MurmurHash3_x64_128 of a buffer."""
    cdef Py_buffer view
    cdef const uint8_t *start = take_buffer(data, &view)
    cdef uint64_t hash = gt_murmur3(start, view.len, seed)
    PyBuffer_Release(&view)
    return hash


def md5_64(data):
    """The first 8 bytes of a buffer's MD5 digest (RFC 1321), as a little-endian number."""
    cdef Py_buffer view
    cdef const uint8_t *start = take_buffer(data, &view)
    cdef uint64_t hash = gt_md5(start, view.len)
    PyBuffer_Release(&view)
    return hash
