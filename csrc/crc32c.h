/* CRC-32C (Castagnoli, RFC 3720 B.4): the fastest way that this processor has, chosen once. */
#ifndef GT_CRC32C_H
#define GT_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* All state functions take and return the raw register, without the inversions at both ends. */
typedef uint32_t (*gt_crc32c_fn)(uint32_t, const uint8_t *, size_t);

static uint32_t gt_crc_tables[8][256];
static gt_crc32c_fn gt_crc32c_chosen;
static const char *gt_crc32c_path = "portable";

#define GT_CRC_POLY 0x82f63b78u

static uint32_t gt_crc32c_portable(uint32_t crc, const uint8_t *p, size_t n) {
    while (n >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        word ^= crc;
        crc = 0;
        for (int i = 0; i < 8; i++) crc ^= gt_crc_tables[7 - i][(word >> 8 * i) & 255];
        p += 8;
        n -= 8;
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
    gt_crc32c_chosen = gt_crc32c_portable;
    const char *forced = getenv("GOUTUBE_CPU_PATH");
    if (forced && strcmp(forced, "portable") == 0) return;
#if defined(__x86_64__) || defined(__aarch64__)
    gt_crc32c_choose(forced);
#endif
}

/* The checksum of n bytes at p, going on from crc; gt_crc32c_init must have run. */
static inline uint32_t gt_crc32c(uint32_t crc, const uint8_t *p, size_t n) {
    return ~gt_crc32c_chosen(~crc, p, n);
}

#endif
