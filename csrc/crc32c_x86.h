/* CRC-32C on x86-64: the crc32 instruction, and folding by carry-less multiplication.
 *
 * Folding follows Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction" (Intel, 2009), in the reflected domain. A 128-bit lane that is moved on by d bits is
 * its first half times x^(d+64) and its second times x^d, mod P. A carry-less product of reflected
 * numbers comes out one bit short, and the constants are 32 bits wide in 64: hence the exponents
 * d+32 and d-32, shifted left by one. The constants are computed at start, not written down.
 */
#ifndef GT_CRC32C_X86_H
#define GT_CRC32C_X86_H

#include <immintrin.h>

enum { GT_CRC_PAGE_BYTES = 4096, GT_CRC_PAGES = 8 };

/* For each distance in bits: the multipliers of a lane's first and second half. */
static uint64_t gt_fold_by_128[2], gt_fold_by_512[2], gt_fold_by_2048[2];
static uint64_t gt_fold_by_page[2], gt_fold_by_gap[2];

static void gt_fold_distance(uint64_t *pair, uint64_t bits) {
    pair[0] = (uint64_t)gt_crc_power(bits + 32) << 1;
    pair[1] = (uint64_t)gt_crc_power(bits - 32) << 1;
}

GT_CRC32C_BY_INSTRUCTION(gt_crc32c_sse42, __attribute__((target("sse4.2"))), _mm_crc32_u64,
                         _mm_crc32_u32, _mm_crc32_u8)

__attribute__((target("sse4.2,pclmul"))) static inline __m128i gt_fold(__m128i lane, __m128i by,
                                                                       __m128i next) {
    __m128i low = _mm_clmulepi64_si128(lane, by, 0x00);
    __m128i high = _mm_clmulepi64_si128(lane, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* The register that 16 bytes leave behind, from an empty one. */
__attribute__((target("sse4.2"))) static inline uint32_t gt_crc_lane(__m128i lane) {
    uint64_t wide = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(lane));
    return (uint32_t)_mm_crc32_u64(wide, (uint64_t)_mm_extract_epi64(lane, 1));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t gt_crc32c_pclmul(uint32_t crc,
                                                                          const uint8_t *p,
                                                                          size_t n) {
    if (n < 128) return gt_crc32c_sse42(crc, p, n);
    const __m128i *q = (const __m128i *)p;
    __m128i a = _mm_xor_si128(_mm_loadu_si128(q), _mm_cvtsi32_si128((int)crc));
    __m128i b = _mm_loadu_si128(q + 1), c = _mm_loadu_si128(q + 2), d = _mm_loadu_si128(q + 3);
    __m128i by = _mm_loadu_si128((const __m128i *)gt_fold_by_512);
    size_t rounds = n / 64 - 1;
    for (q += 4; rounds--; q += 4) {
        a = gt_fold(a, by, _mm_loadu_si128(q));
        b = gt_fold(b, by, _mm_loadu_si128(q + 1));
        c = gt_fold(c, by, _mm_loadu_si128(q + 2));
        d = gt_fold(d, by, _mm_loadu_si128(q + 3));
    }
    by = _mm_loadu_si128((const __m128i *)gt_fold_by_128);
    a = gt_fold(gt_fold(gt_fold(a, by, b), by, c), by, d);
    return gt_crc32c_sse42(gt_crc_lane(a), (const uint8_t *)q, n % 64);
}

__attribute__((target("avx512f,avx512vl,vpclmulqdq,pclmul,sse4.2"))) static inline __m512i
gt_fold_wide(__m512i lane, __m512i by, __m512i next) {
    __m512i low = _mm512_clmulepi64_epi128(lane, by, 0x00);
    __m512i high = _mm512_clmulepi64_epi128(lane, by, 0x11);
    return _mm512_ternarylogic_epi64(low, high, next, 0x96);
}

/* The register that 64 bytes leave behind, from an empty one. */
__attribute__((target("avx512f,avx512vl,vpclmulqdq,pclmul,sse4.2"))) static inline uint32_t
gt_crc_wide(__m512i wide) {
    __m128i step = _mm_loadu_si128((const __m128i *)gt_fold_by_128);
    __m128i lane = _mm512_castsi512_si128(wide);
    lane = gt_fold(lane, step, _mm512_extracti32x4_epi32(wide, 1));
    lane = gt_fold(lane, step, _mm512_extracti32x4_epi32(wide, 2));
    lane = gt_fold(lane, step, _mm512_extracti32x4_epi32(wide, 3));
    return gt_crc_lane(lane);
}

__attribute__((target("avx512f,avx512vl"))) static inline __m512i
gt_fold_multipliers(const uint64_t *pair) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)pair));
}

/* Whole rounds of eight pages, walked side by side. The hardware prefetches each stream of reads to
 * the end of its page and no further: eight streams, each asking for its next page, draw nearly half
 * as much again from memory as one (bench/README.md). Between rounds a lane moves on over the
 * others' pages. */
__attribute__((target("avx512f,avx512vl,vpclmulqdq,pclmul,sse4.2"))) static uint32_t
gt_crc32c_pages(uint32_t crc, const uint8_t *p, size_t rounds) {
    const size_t page = GT_CRC_PAGE_BYTES, round = GT_CRC_PAGES * page;
    const __m512i near = gt_fold_multipliers(gt_fold_by_512);
    const __m512i far = gt_fold_multipliers(gt_fold_by_gap);
    __m512i lanes[GT_CRC_PAGES];
    for (int k = 0; k < GT_CRC_PAGES; k++) lanes[k] = _mm512_loadu_si512(p + k * page);
    lanes[0] = _mm512_xor_si512(lanes[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)crc)));
    for (size_t at = 64;; at = 64) {
        for (; at < page; at += 64) {
#pragma GCC unroll 8
            for (int k = 0; k < GT_CRC_PAGES; k++) {
                __builtin_prefetch(p + k * page + at + round);
                lanes[k] = gt_fold_wide(lanes[k], near, _mm512_loadu_si512(p + k * page + at));
            }
        }
        if (--rounds == 0) break;
        p += round;
#pragma GCC unroll 8
        for (int k = 0; k < GT_CRC_PAGES; k++)
            lanes[k] = gt_fold_wide(lanes[k], far, _mm512_loadu_si512(p + k * page));
    }
    const __m512i by = gt_fold_multipliers(gt_fold_by_page);
    for (int k = 1; k < GT_CRC_PAGES; k++) lanes[0] = gt_fold_wide(lanes[0], by, lanes[k]);
    return gt_crc_wide(lanes[0]);
}

__attribute__((target("avx512f,avx512vl,vpclmulqdq,pclmul,sse4.2"))) static uint32_t
gt_crc32c_vpclmul(uint32_t crc, const uint8_t *p, size_t n) {
    const size_t round = GT_CRC_PAGES * GT_CRC_PAGE_BYTES;
    if (n >= round) {
        crc = gt_crc32c_pages(crc, p, n / round);
        p += n - n % round;
        n %= round;
    }
    if (n < 512) return gt_crc32c_pclmul(crc, p, n);
    __m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 64);
    __m512i c = _mm512_loadu_si512(p + 128), d = _mm512_loadu_si512(p + 192);
    a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)crc)));
    __m512i by = gt_fold_multipliers(gt_fold_by_2048);
    size_t rounds = n / 256 - 1;
    for (p += 256; rounds--; p += 256) {
        a = gt_fold_wide(a, by, _mm512_loadu_si512(p));
        b = gt_fold_wide(b, by, _mm512_loadu_si512(p + 64));
        c = gt_fold_wide(c, by, _mm512_loadu_si512(p + 128));
        d = gt_fold_wide(d, by, _mm512_loadu_si512(p + 192));
    }
    by = gt_fold_multipliers(gt_fold_by_512);
    a = gt_fold_wide(gt_fold_wide(gt_fold_wide(a, by, b), by, c), by, d);
    return gt_crc32c_pclmul(gt_crc_wide(a), p, n % 256);
}

static void gt_crc32c_choose(const char *forced) {
    __builtin_cpu_init();
    gt_fold_distance(gt_fold_by_128, 128);
    gt_fold_distance(gt_fold_by_512, 512);
    gt_fold_distance(gt_fold_by_2048, 2048);
    gt_fold_distance(gt_fold_by_page, 8 * GT_CRC_PAGE_BYTES);
    gt_fold_distance(gt_fold_by_gap, 8 * ((GT_CRC_PAGES - 1) * GT_CRC_PAGE_BYTES + 64));
    if (!__builtin_cpu_supports("sse4.2")) return;
    gt_crc32c_chosen = gt_crc32c_sse42;
    gt_crc32c_path = "sse42";
    if ((forced && strcmp(forced, "sse42") == 0) || !__builtin_cpu_supports("pclmul")) return;
    gt_crc32c_chosen = gt_crc32c_pclmul;
    gt_crc32c_path = "pclmul";
    if (forced && strcmp(forced, "pclmul") == 0) return;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("vpclmulqdq")) {
        gt_crc32c_chosen = gt_crc32c_vpclmul;
        gt_crc32c_path = "vpclmul";
    }
}

#endif
