from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "hash64.h" nogil:
    uint64_t gt_xxh64(const uint8_t *p, size_t n, uint64_t seed) noexcept
    uint64_t gt_murmur3(const uint8_t *p, size_t n, uint32_t seed) noexcept
