from libc.stdint cimport uint8_t, uint64_t

cdef extern from "md5.h" nogil:
    void gt_md5_init() noexcept
    uint64_t gt_md5(const uint8_t *p, size_t n) noexcept
