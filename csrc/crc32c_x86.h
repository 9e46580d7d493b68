/* CRC-32C on x86-64: the crc32 instruction, and folding by carry-less multiplication.
 *
 * Folding follows Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction" (Intel, 2009), in the reflected domain. A 128-bit lane that is moved on by d bits is
 * its first half times x^(d+64) and its second times x^d, mod P. A carry-less product of reflected
 * numbers comes out one bit short, and the constants are 32 bits wide in 64: hence the exponents
 * d+32 and d-32, shifted left by one. The constants are computed at start, not written down.
 * A register that moves on is multiplied the same way; the crc32 instruction reduces the product.
 */
#ifndef GT_CRC32C_X86_H
#define GT_CRC32C_X86_H

#include <immintrin.h>

/* For each distance in bits: the multipliers of a lane's first and second half. */
static uint64_t gt_fold_by_128[2], gt_fold_by_256[2], gt_fold_by_512[2], gt_fold_by_1024[2];
static uint64_t gt_fold_by_2048[2], gt_fold_by_page[2], gt_fold_by_gap[2];

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

__attribute__((target("sse4.2,pclmul"))) static uint32_t gt_crc32c_fold(uint32_t crc,
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

/* Folding and the crc32 instruction keep different units of a processor busy, so the first part of a
 * block is folded while the instruction walks three lanes behind it. Blocks come in three sizes: the
 * larger one is, the less it costs to put its parts together. */
enum { GT_BLOCK_SIZES = 3, GT_STRIDE_BYTES = 40 };
static const size_t gt_block_rounds[GT_BLOCK_SIZES] = {64, 16, 4};
/* For each size of block, what moves a register on over one, two and three lanes. */
static uint64_t gt_block_shifts[GT_BLOCK_SIZES][3];

struct gt_lanes {
    const uint8_t *at;
    size_t bytes; /* of each; they follow one another */
    size_t block; /* from here to the same place in the next block */
    uint64_t crc[3];
};

/* One stride of each lane. The hardware follows a stream of reads to the end of its page and no
 * further, so the next block is asked for while this one is read. */
__attribute__((target("sse4.2"), always_inline)) static inline void gt_walk(struct gt_lanes *lanes) {
#pragma GCC unroll 3
    for (size_t k = 0; k < 3; k++) __builtin_prefetch(lanes->at + k * lanes->bytes + lanes->block);
#pragma GCC unroll 5
    for (size_t i = 0; i < GT_STRIDE_BYTES; i += 8)
        for (size_t k = 0; k < 3; k++)
            lanes->crc[k] =
                _mm_crc32_u64(lanes->crc[k], gt_load64(lanes->at + k * lanes->bytes + i));
    lanes->at += GT_STRIDE_BYTES;
}

/* A register times a power of x. */
__attribute__((target("sse4.2,pclmul"))) static inline uint32_t gt_crc_shift(uint64_t crc,
                                                                             uint64_t by) {
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128((int64_t)by), 0);
    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/* The register behind a block: of its folded part, and of the lanes behind that. */
__attribute__((target("sse4.2,pclmul"))) static inline uint32_t
gt_join_block(__m128i folded, const struct gt_lanes *lanes, const uint64_t *shifts) {
    return gt_crc_shift(gt_crc_lane(folded), shifts[2]) ^ gt_crc_shift(lanes->crc[0], shifts[1]) ^
           gt_crc_shift(lanes->crc[1], shifts[0]) ^ (uint32_t)lanes->crc[2];
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t gt_crc32c_pclmul(uint32_t crc,
                                                                          const uint8_t *p,
                                                                          size_t n) {
    if (n < 4 * (64 + 3 * GT_STRIDE_BYTES)) return gt_crc32c_fold(crc, p, n);
    for (int size = 0; size < GT_BLOCK_SIZES; size++) {
        const size_t rounds = gt_block_rounds[size];
        const size_t block = rounds * (64 + 3 * GT_STRIDE_BYTES);
        for (; n >= block; n -= block, p += block) {
            const __m128i *q = (const __m128i *)p;
            struct gt_lanes lanes = {p + 64 * rounds, GT_STRIDE_BYTES * rounds, block, {0}};
            __m128i a = _mm_xor_si128(_mm_loadu_si128(q), _mm_cvtsi32_si128((int)crc));
            __m128i b = _mm_loadu_si128(q + 1), c = _mm_loadu_si128(q + 2);
            __m128i d = _mm_loadu_si128(q + 3);
            __m128i by = _mm_loadu_si128((const __m128i *)gt_fold_by_512);
            for (size_t left = rounds; gt_walk(&lanes), --left;) {
                q += 4;
                __builtin_prefetch((const uint8_t *)q + block);
                a = gt_fold(a, by, _mm_loadu_si128(q));
                b = gt_fold(b, by, _mm_loadu_si128(q + 1));
                c = gt_fold(c, by, _mm_loadu_si128(q + 2));
                d = gt_fold(d, by, _mm_loadu_si128(q + 3));
            }
            by = _mm_loadu_si128((const __m128i *)gt_fold_by_128);
            a = gt_fold(gt_fold(gt_fold(a, by, b), by, c), by, d);
            crc = gt_join_block(a, &lanes, gt_block_shifts[size]);
        }
    }
    return gt_crc32c_fold(crc, p, n);
}

#define GT_AVX2 __attribute__((target("avx2,vpclmulqdq,pclmul,sse4.2")))

GT_AVX2 static inline __m256i gt_fold_pair(__m256i lanes, __m256i by, __m256i next) {
    __m256i low = _mm256_clmulepi64_epi128(lanes, by, 0x00);
    __m256i high = _mm256_clmulepi64_epi128(lanes, by, 0x11);
    return _mm256_xor_si256(_mm256_xor_si256(low, high), next);
}

GT_AVX2 static inline __m256i gt_load_pair(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

GT_AVX2 static inline __m256i gt_pair_multipliers(const uint64_t *pair) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)pair));
}

/* The same with two lanes in each register, for processors that have no AVX-512. */
GT_AVX2 static uint32_t gt_crc32c_avx2(uint32_t crc, const uint8_t *p, size_t n) {
    if (n < 4 * (128 + 3 * GT_STRIDE_BYTES)) return gt_crc32c_fold(crc, p, n);
    for (int size = 0; size < GT_BLOCK_SIZES; size++) {
        const size_t rounds = gt_block_rounds[size];
        const size_t block = rounds * (128 + 3 * GT_STRIDE_BYTES);
        for (; n >= block; n -= block, p += block) {
            const uint8_t *q = p;
            struct gt_lanes lanes = {p + 128 * rounds, GT_STRIDE_BYTES * rounds, block, {0}};
            __m256i a = gt_load_pair(q), b = gt_load_pair(q + 32);
            __m256i c = gt_load_pair(q + 64), d = gt_load_pair(q + 96);
            a = _mm256_xor_si256(a, _mm256_zextsi128_si256(_mm_cvtsi32_si128((int)crc)));
            __m256i by = gt_pair_multipliers(gt_fold_by_1024);
            for (size_t left = rounds; gt_walk(&lanes), --left;) {
                q += 128;
                __builtin_prefetch(q + block);
                __builtin_prefetch(q + block + 64);
                a = gt_fold_pair(a, by, gt_load_pair(q));
                b = gt_fold_pair(b, by, gt_load_pair(q + 32));
                c = gt_fold_pair(c, by, gt_load_pair(q + 64));
                d = gt_fold_pair(d, by, gt_load_pair(q + 96));
            }
            by = gt_pair_multipliers(gt_fold_by_256);
            a = gt_fold_pair(gt_fold_pair(gt_fold_pair(a, by, b), by, c), by, d);
            __m128i step = _mm_loadu_si128((const __m128i *)gt_fold_by_128);
            __m128i last = _mm256_extracti128_si256(a, 1);
            crc = gt_join_block(gt_fold(_mm256_castsi256_si128(a), step, last), &lanes,
                                gt_block_shifts[size]);
        }
    }
    /* Before a tail call GCC leaves it out, and what follows runs four times slower. */
    _mm256_zeroupper();
    return gt_crc32c_fold(crc, p, n);
}

#include "crc32c_avx512.h"

static void gt_crc32c_choose(const char *forced) {
    __builtin_cpu_init();
    gt_fold_distance(gt_fold_by_128, 128);
    gt_fold_distance(gt_fold_by_256, 256);
    gt_fold_distance(gt_fold_by_512, 512);
    gt_fold_distance(gt_fold_by_1024, 1024);
    gt_fold_distance(gt_fold_by_2048, 2048);
    gt_fold_distance(gt_fold_by_page, 8 * GT_CRC_PAGE_BYTES);
    gt_fold_distance(gt_fold_by_gap, 8 * ((GT_CRC_PAGES - 1) * GT_CRC_PAGE_BYTES + 64));
    for (size_t size = 0; size < GT_BLOCK_SIZES; size++)
        for (size_t lanes = 1; lanes <= 3; lanes++) {
            uint64_t bits = 8 * lanes * GT_STRIDE_BYTES * gt_block_rounds[size];
            gt_block_shifts[size][lanes - 1] = (uint64_t)gt_crc_power(bits - 32) << 1;
        }
    if (!__builtin_cpu_supports("sse4.2")) return;
    gt_crc32c_chosen = gt_crc32c_sse42;
    gt_crc32c_path = "sse42";
    if ((forced && strcmp(forced, "sse42") == 0) || !__builtin_cpu_supports("pclmul")) return;
    gt_crc32c_chosen = gt_crc32c_pclmul;
    gt_crc32c_path = "pclmul";
    if ((forced && strcmp(forced, "pclmul") == 0) || !__builtin_cpu_supports("avx2") ||
        !__builtin_cpu_supports("vpclmulqdq"))
        return;
    gt_crc32c_chosen = gt_crc32c_avx2;
    gt_crc32c_path = "avx2";
    if (forced && strcmp(forced, "avx2") == 0) return;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
        gt_crc32c_chosen = gt_crc32c_vpclmul;
        gt_crc32c_path = "vpclmul";
    }
}

#endif
