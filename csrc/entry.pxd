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
    struct gt_walk:
        const uint8_t *at
        const uint8_t *end
        uint32_t salt
        uint64_t next_index, term, check_from
    struct gt_step:
        gt_entry entry
        const uint8_t *start
        uint32_t delta
    void gt_entry_encode(uint8_t *p, uint32_t salt, const gt_entry *e) noexcept
    int gt_entry_judge(const uint8_t *p, const uint8_t *end, uint32_t salt, gt_entry *e) noexcept
    int gt_head_judge(const gt_walk *w, gt_step *step) noexcept
    int gt_walk_judge(const gt_walk *w, gt_step *step) noexcept
    int gt_walk_run(gt_walk *w, gt_step *steps, size_t room, size_t *taken) noexcept
