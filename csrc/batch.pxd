from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "batch.h" nogil:
    uint64_t gt_tables_bytes(uint32_t record_count, uint16_t flags, uint64_t data_bytes) noexcept
    int gt_tables_judge(
        const uint8_t *tables, uint32_t record_count, uint16_t flags, uint32_t data_bytes) noexcept
    int gt_ends_from_lengths(uint8_t *ends, uint32_t record_count, uint64_t data_bytes) noexcept
    uint32_t gt_payload_close(
        uint8_t *tables, size_t tables_bytes, const uint8_t *data, size_t data_bytes,
        uint32_t record_count, uint16_t flags) noexcept
    int gt_batch_judge(
        uint32_t record_count, uint32_t flags, const uint8_t *tables, size_t tables_bytes,
        const uint8_t *data, size_t data_bytes, uint32_t checksum) noexcept
    uint32_t gt_last_delta(
        const uint8_t *tables, uint32_t record_count, uint16_t flags) noexcept
