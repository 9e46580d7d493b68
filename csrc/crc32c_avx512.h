/* CRC-32C by folding four 128-bit lanes in each register, where there is AVX-512.
 *
 * Part of crc32c_x86.h, which says how folding works.
 */
#ifndef GT_CRC32C_AVX512_H
#define GT_CRC32C_AVX512_H

enum { GT_CRC_PAGE_BYTES = 4096, GT_CRC_PAGES = 8 };

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
    if (n < 512) {
        _mm256_zeroupper();
        return gt_crc32c_fold(crc, p, n);
    }
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
    crc = gt_crc_wide(a);
    _mm256_zeroupper();
    return gt_crc32c_fold(crc, p, n % 256);
}

#endif
