/* The numbers of the formats (docs/FORMATS.md) and the verdicts about bytes; the only place with them. */
#ifndef GT_LAYOUT_H
#define GT_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum gt_verdict {
    GT_OK = 0,
    GT_END = 1,
    GT_TORN = 2,
    GT_BAD_HEADER = 3,
    GT_BAD_TABLE = 4,
    GT_BAD_CHECKSUM = 5,
    GT_UNKNOWN_FORMAT = 6,
    GT_TOO_LONG = 7,
    GT_WOULD_BLOCK = 8,
    GT_IO_ERROR = 9
};

enum {
    GT_ENTRY_HEADER_BYTES = 128,
    GT_HEAD_BYTES = 136, /* a header and its last record's delta, in a file of heads */
    GT_ENTRY_ALIGN = 8,
    GT_BLOCK_BYTES = 65536,
    GT_FLAG_CREATES = 1,
    GT_FLAG_SEALS = 2,
    GT_FLAG_BLOCKS = 4,
    GT_FLAG_DELTAS = 8,
    GT_FLAGS_KNOWN = 15,
    GT_KIND_MAX = 10,
    GT_CONTROL_BYTES_MAX = 16384,
    GT_RECORDS_MAX = 1 << 20,
    GT_DATA_BYTES_MAX = 16 << 20,
    GT_GROUP_HEAD_BYTES = 64,
    GT_GROUP_MARK_BYTES = 40,
    GT_GROUP_RECORD_BYTES = 40,
    GT_GROUP_BYTES_MAX = 1 << 30,
    GT_JOURNAL_BLOCK_BYTES = 4096,
    GT_NOGIL_BYTES = 65536 /* from here on a call lets other threads run meanwhile */
};

#define GT_ENTRY_MAGIC 0x31457467u /* "gtE1" */
#define GT_GROUP_MAGIC 0x314a7467u /* "gtJ1" */

/* Unaligned little-endian access: one instruction where the processor agrees. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define GT_LITTLE16(v) __builtin_bswap16(v)
#define GT_LITTLE32(v) __builtin_bswap32(v)
#define GT_LITTLE64(v) __builtin_bswap64(v)
#else
#define GT_LITTLE16(v) (v)
#define GT_LITTLE32(v) (v)
#define GT_LITTLE64(v) (v)
#endif

static inline uint16_t gt_load16(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return GT_LITTLE16(v);
}

static inline uint32_t gt_load32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return GT_LITTLE32(v);
}

static inline uint64_t gt_load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return GT_LITTLE64(v);
}

static inline void gt_store16(uint8_t *p, uint16_t v) {
    v = GT_LITTLE16(v);
    memcpy(p, &v, sizeof v);
}

static inline void gt_store32(uint8_t *p, uint32_t v) {
    v = GT_LITTLE32(v);
    memcpy(p, &v, sizeof v);
}

static inline void gt_store64(uint8_t *p, uint64_t v) {
    v = GT_LITTLE64(v);
    memcpy(p, &v, sizeof v);
}

static inline size_t gt_round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

#endif
