/* CRC-32C (Castagnoli, RFC 3720 B.4): the fastest way that this processor has, chosen once.
 *
 * Each extension that includes this calls gt_crc32c_init while it is imported. GOUTUBE_CPU_PATH
 * forces a lower path; the name of one that this processor lacks changes nothing.
 */
#ifndef GT_CRC32C_H
#define GT_CRC32C_H

#include <stdlib.h>

#include "layout.h"

/* All state functions take and return the raw register, without the inversions at both ends. */
typedef uint32_t (*gt_crc32c_fn)(uint32_t, const uint8_t *, size_t);

enum { GT_CRC_LANE_BYTES = 512 };

static uint32_t gt_crc_tables[8][256];
/* What a byte of a register becomes when many zero bytes follow. */
typedef uint32_t gt_crc_skip_table[4][256];
static gt_crc_skip_table gt_crc_skips;       /* one lane of them */
static gt_crc_skip_table gt_crc_block_skips; /* one block of a batch's data */
static gt_crc32c_fn gt_crc32c_chosen;
static const char *gt_crc32c_path = "portable";

#define GT_CRC_POLY 0x82f63b78u

static uint32_t gt_crc32c_portable(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word = gt_load64(p) ^ crc;
        crc = 0;
        for (int i = 0; i < 8; i++) crc ^= gt_crc_tables[7 - i][(word >> 8 * i) & 255];
    }
    while (n--) crc = gt_crc_tables[0][(crc ^ *p++) & 255] ^ crc >> 8;
    return crc;
}

/* x^n mod P, reflected: what a register is multiplied by when n zero bits follow. */
static uint32_t gt_crc_multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
        if (a & bit) product ^= b;
        b = b & 1 ? b >> 1 ^ GT_CRC_POLY : b >> 1;
    }
    return product;
}

static uint32_t gt_crc_power(uint64_t bits) {
    uint32_t result = 1u << 31, base = 1u << 30;
    for (; bits; bits >>= 1, base = gt_crc_multiply(base, base))
        if (bits & 1) result = gt_crc_multiply(result, base);
    return result;
}

static inline uint32_t gt_crc_skip_zeros(gt_crc_skip_table skips, uint32_t crc) {
    return skips[0][crc & 255] ^ skips[1][crc >> 8 & 255] ^ skips[2][crc >> 16 & 255] ^
           skips[3][crc >> 24];
}

static void gt_crc_make_skips(gt_crc_skip_table skips, uint64_t zero_bytes) {
    uint32_t by = gt_crc_power(8 * zero_bytes);
    for (int k = 0; k < 4; k++)
        for (uint32_t n = 1; n < 256; n++) {
            uint32_t low = n & -n;
            skips[k][n] = low == n ? gt_crc_multiply(by, n << 8 * k)
                                   : skips[k][n ^ low] ^ skips[k][low];
        }
}

#if defined(__x86_64__) || defined(__aarch64__)

/* A state function made of a processor's crc32 instruction. A step waits for the one before but
 * three fit side by side, so long inputs are walked in three lanes and put together after. */
#define GT_CRC32C_BY_INSTRUCTION(NAME, TARGET, BY_8, BY_4, BY_1)                         \
    TARGET static uint32_t NAME(uint32_t crc, const uint8_t *p, size_t n) {              \
        const size_t lane = GT_CRC_LANE_BYTES;                                           \
        for (; n >= 3 * lane; p += 3 * lane, n -= 3 * lane) {                            \
            uint32_t second = 0, third = 0;                                              \
            for (size_t i = 0; i < lane; i += 8) {                                       \
                crc = (uint32_t)BY_8(crc, gt_load64(p + i));                             \
                second = (uint32_t)BY_8(second, gt_load64(p + lane + i));                \
                third = (uint32_t)BY_8(third, gt_load64(p + 2 * lane + i));              \
            }                                                                            \
            crc = gt_crc_skip_zeros(gt_crc_skips, crc) ^ second;                         \
            crc = gt_crc_skip_zeros(gt_crc_skips, crc) ^ third;                          \
        }                                                                                \
        for (; n >= 8; p += 8, n -= 8) crc = (uint32_t)BY_8(crc, gt_load64(p));          \
        if (n >= 4) {                                                                    \
            crc = BY_4(crc, gt_load32(p));                                               \
            p += 4;                                                                      \
            n -= 4;                                                                      \
        }                                                                                \
        while (n--) crc = BY_1(crc, *p++);                                               \
        return crc;                                                                      \
    }
#endif

#if defined(__x86_64__)
#include "crc32c_x86.h"
#elif defined(__aarch64__)
#include "crc32c_arm.h"
#endif

static void gt_crc32c_init(void) {
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ GT_CRC_POLY : crc >> 1;
        gt_crc_tables[0][n] = crc;
    }
    for (uint32_t n = 0; n < 256; n++)
        for (int k = 1; k < 8; k++) {
            uint32_t before = gt_crc_tables[k - 1][n];
            gt_crc_tables[k][n] = gt_crc_tables[0][before & 255] ^ before >> 8;
        }
    gt_crc_make_skips(gt_crc_block_skips, GT_BLOCK_BYTES);
    gt_crc32c_chosen = gt_crc32c_portable;
    const char *forced = getenv("GOUTUBE_CPU_PATH");
    if (forced && strcmp(forced, "portable") == 0) return;
#if defined(__x86_64__) || defined(__aarch64__)
    gt_crc_make_skips(gt_crc_skips, GT_CRC_LANE_BYTES);
    gt_crc32c_choose(forced);
#endif
}

/* The checksum of n bytes at p, going on from crc; gt_crc32c_init must have run. */
static inline uint32_t gt_crc32c(uint32_t crc, const uint8_t *p, size_t n) {
    return ~gt_crc32c_chosen(~crc, p, n);
}

/* The checksum of some bytes and a whole block behind them, out of both checksums. */
static inline uint32_t gt_crc32c_join_block(uint32_t crc, uint32_t block) {
    return gt_crc_skip_zeros(gt_crc_block_skips, crc) ^ block;
}

#endif
