from libc.stdint cimport uint8_t, uint32_t

cdef extern from "crc32c.h" nogil:
    const char *gt_crc32c_path
    void gt_crc32c_init() noexcept
    uint32_t gt_crc32c(uint32_t crc, const uint8_t *p, size_t n) noexcept
