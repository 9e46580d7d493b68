from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "entry.h" nogil:
    struct gt_entry:
        uint8_t kind
        uint16_t flags
        uint64_t index, term, stream_id, offset, ordinal, stamp, producer_stamp, sequence
        const uint8_t *producer_id
        uint32_t epoch, record_count, control_bytes, tables_bytes, data_bytes
        uint32_t control_checksum, checksum
        size_t entry_bytes
    uint64_t gt_tables_bytes(uint32_t record_count, uint16_t flags, uint64_t data_bytes) noexcept
    int gt_entry_judge(const uint8_t *p, const uint8_t *end, uint32_t salt, gt_entry *e) noexcept
    int gt_tables_judge(
        const uint8_t *tables, uint32_t record_count, uint16_t flags, uint32_t data_bytes) noexcept
    int gt_payload_judge(
        const uint8_t *tables, size_t tables_bytes, const uint8_t *data, uint32_t data_bytes,
        uint32_t record_count, uint16_t flags, uint32_t checksum) noexcept
    uint32_t gt_last_delta(
        const uint8_t *tables, uint32_t record_count, uint16_t flags) noexcept
