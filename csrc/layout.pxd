from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "layout.h" nogil:
    enum:
        GT_OK, GT_END, GT_TORN, GT_BAD_HEADER, GT_BAD_TABLE, GT_BAD_CHECKSUM, GT_UNKNOWN_FORMAT
        GT_TOO_LONG, GT_WOULD_BLOCK, GT_IO_ERROR
        GT_ENTRY_HEADER_BYTES, GT_HEAD_BYTES, GT_ENTRY_ALIGN, GT_BLOCK_BYTES
        GT_FLAG_BLOCKS, GT_FLAG_DELTAS, GT_FLAGS_KNOWN
        GT_CONTROL_BYTES_MAX, GT_RECORDS_MAX, GT_DATA_BYTES_MAX
        GT_GROUP_BYTES_MAX, GT_GROUP_HEAD_BYTES, GT_GROUP_MARK_BYTES, GT_GROUP_RECORD_BYTES
        GT_JOURNAL_BLOCK_BYTES
        GT_ENTRY_MAGIC, GT_GROUP_MAGIC, GT_NOGIL_BYTES
    uint16_t gt_load16(const uint8_t *p) noexcept
    uint32_t gt_load32(const uint8_t *p) noexcept
    uint64_t gt_load64(const uint8_t *p) noexcept
    void gt_store16(uint8_t *p, uint16_t v) noexcept
    void gt_store32(uint8_t *p, uint32_t v) noexcept
    void gt_store64(uint8_t *p, uint64_t v) noexcept
    size_t gt_round_up(size_t n, size_t step) noexcept
