/* The tables of a batch, made and judged, and the checksums of its payload (docs/FORMATS.md). */
#ifndef GT_BATCH_H
#define GT_BATCH_H

#include "crc32c.h"
#include "layout.h"

/* How long the tables of a batch are, by what its header says. */
static inline uint64_t gt_tables_bytes(uint32_t record_count, uint16_t flags, uint64_t data_bytes) {
    uint64_t words = record_count;
    if (flags & GT_FLAG_DELTAS) words += record_count;
    if (flags & GT_FLAG_BLOCKS) words += (data_bytes + GT_BLOCK_BYTES - 1) / GT_BLOCK_BYTES;
    return 4 * words;
}

/* Where the block checksums stand in the tables. */
static inline const uint8_t *gt_block_sums(const uint8_t *tables, uint32_t record_count,
                                           uint16_t flags) {
    return tables + (flags & GT_FLAG_DELTAS ? 8 : 4) * (size_t)record_count;
}

/* Judge the ends and deltas of a batch's tables against each other and the data's length. */
static inline int gt_tables_judge(const uint8_t *tables, uint32_t record_count, uint16_t flags,
                                  uint32_t data_bytes) {
    if (record_count == 0) return data_bytes == 0 ? GT_OK : GT_BAD_TABLE;
    const uint8_t *deltas = tables + 4 * (size_t)record_count;
    /* Faults are gathered, not left at once: so the compiler compares many records at a time. */
    uint32_t faults = gt_load32(tables) == 0 || gt_load32(deltas - 4) != data_bytes;
    for (size_t at = 4; at < 4 * (size_t)record_count; at += 4)
        faults |= gt_load32(tables + at) <= gt_load32(tables + at - 4);
    if (flags & GT_FLAG_DELTAS) {
        faults |= gt_load32(deltas) != 0;
        for (size_t at = 4; at < 4 * (size_t)record_count; at += 4)
            faults |= gt_load32(deltas + at) < gt_load32(deltas + at - 4);
    }
    return faults ? GT_BAD_TABLE : GT_OK;
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

/* Turn the lengths that stand where the ends will be into the ends; they must fill the data. */
static inline int gt_ends_from_lengths(uint8_t *ends, uint32_t record_count, uint64_t data_bytes) {
    uint64_t end = 0;
    uint32_t empty = 0;
    for (size_t at = 0; at < 4 * (size_t)record_count; at += 4) {
        uint32_t length = gt_load32(ends + at);
        empty |= length == 0;
        end += length;
        gt_store32(ends + at, (uint32_t)end);
    }
    return empty || end != data_bytes ? GT_BAD_TABLE : GT_OK;
}

/* Write the block checksums behind the other tables; returns the payload's checksum. */
static inline uint32_t gt_payload_close(uint8_t *tables, size_t tables_bytes, const uint8_t *data,
                                        size_t data_bytes, uint32_t record_count, uint16_t flags) {
    if (!(flags & GT_FLAG_BLOCKS))
        return gt_crc32c(gt_crc32c(0, tables, tables_bytes), data, data_bytes);
    uint8_t *sums = tables + (gt_block_sums(tables, record_count, flags) - tables);
    for (size_t at = 0; at < data_bytes; at += GT_BLOCK_BYTES, sums += 4) {
        size_t size = data_bytes - at < GT_BLOCK_BYTES ? data_bytes - at : GT_BLOCK_BYTES;
        gt_store32(sums, gt_crc32c(0, data + at, size));
    }
    return gt_crc32c(0, tables, tables_bytes);
}

/* Judge the numbers of a batch, then its tables, then its checksums; flags are a batch's alone. */
static inline int gt_batch_judge(uint32_t record_count, uint32_t flags, const uint8_t *tables,
                                 size_t tables_bytes, const uint8_t *data, size_t data_bytes,
                                 uint32_t checksum) {
    if (flags & ~(uint32_t)(GT_FLAG_BLOCKS | GT_FLAG_DELTAS)) return GT_UNKNOWN_FORMAT;
    if (record_count == 0 || record_count > GT_RECORDS_MAX || data_bytes > GT_DATA_BYTES_MAX ||
        ((flags & GT_FLAG_BLOCKS) != 0) != (data_bytes > GT_BLOCK_BYTES) ||
        tables_bytes != gt_tables_bytes(record_count, (uint16_t)flags, data_bytes))
        return GT_BAD_TABLE;
    int verdict = gt_tables_judge(tables, record_count, (uint16_t)flags, (uint32_t)data_bytes);
    if (verdict != GT_OK) return verdict;
    return gt_payload_judge(tables, tables_bytes, data, (uint32_t)data_bytes, record_count,
                            (uint16_t)flags, checksum);
}

/* Milliseconds from a batch's first record to its last. */
static inline uint32_t gt_last_delta(const uint8_t *tables, uint32_t record_count, uint16_t flags) {
    if (!(flags & GT_FLAG_DELTAS) || record_count == 0) return 0;
    return gt_load32(tables + 8 * (size_t)record_count - 4);
}

#endif
