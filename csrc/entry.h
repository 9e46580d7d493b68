/* One entry of a log: its header taken apart and judged, its payload verified (docs/FORMATS.md). */
#ifndef GT_ENTRY_H
#define GT_ENTRY_H

#include "crc32c.h"
#include "layout.h"

struct gt_entry {
    uint8_t kind;
    uint16_t flags;
    uint64_t index, term, stream_id, offset, ordinal, stamp, producer_stamp, sequence;
    const uint8_t *producer_id; /* 16 bytes, in the buffer that was judged */
    uint32_t epoch, record_count, control_bytes, tables_bytes, data_bytes;
    uint32_t control_checksum, checksum;
    size_t entry_bytes; /* with the padding */
};

/* How long the tables of a batch are, by what its header says. */
static inline uint64_t gt_tables_bytes(uint32_t record_count, uint16_t flags, uint64_t data_bytes) {
    uint64_t words = record_count;
    if (flags & GT_FLAG_DELTAS) words += record_count;
    if (flags & GT_FLAG_BLOCKS) words += (data_bytes + GT_BLOCK_BYTES - 1) / GT_BLOCK_BYTES;
    return 4 * words;
}

/* Judge the header at p; nothing in it is believed before its checksum is right. */
static inline int gt_entry_judge(const uint8_t *p, const uint8_t *end, uint32_t salt,
                                 struct gt_entry *e) {
    if (end - p < GT_ENTRY_HEADER_BYTES) return GT_TORN;
    if (gt_load32(p) != GT_ENTRY_MAGIC) return GT_BAD_HEADER;
    if (gt_crc32c(salt, p, 124) != gt_load32(p + 124)) return GT_BAD_HEADER;
    e->kind = p[5];
    e->flags = gt_load16(p + 6);
    e->index = gt_load64(p + 8);
    e->term = gt_load64(p + 16);
    e->stream_id = gt_load64(p + 24);
    e->offset = gt_load64(p + 32);
    e->ordinal = gt_load64(p + 40);
    e->stamp = gt_load64(p + 48);
    e->producer_stamp = gt_load64(p + 56);
    e->producer_id = p + 64;
    e->sequence = gt_load64(p + 80);
    e->epoch = gt_load32(p + 88);
    e->record_count = gt_load32(p + 92);
    e->control_bytes = gt_load32(p + 96);
    e->tables_bytes = gt_load32(p + 100);
    e->data_bytes = gt_load32(p + 104);
    e->control_checksum = gt_load32(p + 112);
    e->checksum = gt_load32(p + 116);
    if (p[4] != 1 || (e->flags & ~GT_FLAGS_KNOWN) || e->kind == 0 || e->kind > GT_KIND_MAX ||
        p[120] != 0)
        return GT_UNKNOWN_FORMAT;
    if (e->control_bytes > GT_CONTROL_BYTES_MAX || e->data_bytes > GT_DATA_BYTES_MAX ||
        e->record_count > GT_RECORDS_MAX || gt_load32(p + 108) != e->data_bytes ||
        (e->record_count == 0) != (e->data_bytes == 0) ||
        ((e->flags & GT_FLAG_BLOCKS) != 0) != (e->data_bytes > GT_BLOCK_BYTES) ||
        e->tables_bytes != gt_tables_bytes(e->record_count, e->flags, e->data_bytes))
        return GT_BAD_TABLE;
    e->entry_bytes = gt_round_up((size_t)GT_ENTRY_HEADER_BYTES + e->control_bytes +
                                     e->tables_bytes + e->data_bytes,
                                 GT_ENTRY_ALIGN);
    return GT_OK;
}

/* Judge the ends and deltas of a batch's tables against each other and the data's length. */
static inline int gt_tables_judge(const uint8_t *tables, uint32_t record_count, uint16_t flags,
                                  uint32_t data_bytes) {
    uint32_t before = 0;
    for (uint32_t i = 0; i < record_count; i++) {
        uint32_t end = gt_load32(tables + 4 * (size_t)i);
        if (end <= before) return GT_BAD_TABLE;
        before = end;
    }
    if (before != data_bytes) return GT_BAD_TABLE;
    if (flags & GT_FLAG_DELTAS) {
        const uint8_t *deltas = tables + 4 * (size_t)record_count;
        if (record_count && gt_load32(deltas) != 0) return GT_BAD_TABLE;
        for (uint32_t i = 1; i < record_count; i++)
            if (gt_load32(deltas + 4 * (size_t)i) < gt_load32(deltas + 4 * (size_t)i - 4))
                return GT_BAD_TABLE;
    }
    return GT_OK;
}

/* Where the block checksums stand in the tables. */
static inline const uint8_t *gt_block_sums(const uint8_t *tables, uint32_t record_count,
                                           uint16_t flags) {
    return tables + (flags & GT_FLAG_DELTAS ? 8 : 4) * (size_t)record_count;
}

/* Verify every checksum of a payload whose table length has been judged. */
static inline int gt_payload_judge(const uint8_t *tables, size_t tables_bytes, const uint8_t *data,
                                   uint32_t data_bytes, uint32_t record_count, uint16_t flags,
                                   uint32_t checksum) {
    uint32_t sum = gt_crc32c(0, tables, tables_bytes);
    if (!(flags & GT_FLAG_BLOCKS))
        return gt_crc32c(sum, data, data_bytes) == checksum ? GT_OK : GT_BAD_CHECKSUM;
    if (sum != checksum) return GT_BAD_CHECKSUM;
    const uint8_t *sums = gt_block_sums(tables, record_count, flags);
    for (uint32_t at = 0; at < data_bytes; at += GT_BLOCK_BYTES, sums += 4) {
        uint32_t size = data_bytes - at < GT_BLOCK_BYTES ? data_bytes - at : GT_BLOCK_BYTES;
        if (gt_crc32c(0, data + at, size) != gt_load32(sums)) return GT_BAD_CHECKSUM;
    }
    return GT_OK;
}

/* Milliseconds from a batch's first record to its last. */
static inline uint32_t gt_last_delta(const uint8_t *tables, uint32_t record_count, uint16_t flags) {
    if (!(flags & GT_FLAG_DELTAS) || record_count == 0) return 0;
    return gt_load32(tables + 8 * (size_t)record_count - 4);
}

#endif
