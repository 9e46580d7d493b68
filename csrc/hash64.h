/* The key hashes that place names on the ring: XXH64 and MurmurHash3 x64 128 (its low half). */
#ifndef GT_HASH64_H
#define GT_HASH64_H

#include "layout.h"

static inline uint64_t gt_rotl64(uint64_t x, int r) { return x << r | x >> (64 - r); }

#define GT_XX1 0x9E3779B185EBCA87ull
#define GT_XX2 0xC2B2AE3D27D4EB4Full
#define GT_XX3 0x165667B19E3779F9ull
#define GT_XX4 0x85EBCA77C2B2AE63ull
#define GT_XX5 0x27D4EB2F165667C5ull

static inline uint64_t gt_xx_round(uint64_t acc, uint64_t lane) {
    return gt_rotl64(acc + lane * GT_XX2, 31) * GT_XX1;
}

/* XXH64, by its specification (Collet, xxHash fast digest algorithm). */
static inline uint64_t gt_xxh64(const uint8_t *p, size_t n, uint64_t seed) {
    const uint8_t *end = p + n;
    uint64_t hash = seed + GT_XX5;
    if (n >= 32) {
        uint64_t acc[4] = {seed + GT_XX1 + GT_XX2, seed + GT_XX2, seed, seed - GT_XX1};
        for (; end - p >= 32; p += 32)
            for (int i = 0; i < 4; i++) acc[i] = gt_xx_round(acc[i], gt_load64(p + 8 * i));
        hash = gt_rotl64(acc[0], 1) + gt_rotl64(acc[1], 7) + gt_rotl64(acc[2], 12) +
               gt_rotl64(acc[3], 18);
        for (int i = 0; i < 4; i++) hash = (hash ^ gt_xx_round(0, acc[i])) * GT_XX1 + GT_XX4;
    }
    hash += n;
    for (; end - p >= 8; p += 8)
        hash = gt_rotl64(hash ^ gt_xx_round(0, gt_load64(p)), 27) * GT_XX1 + GT_XX4;
    if (end - p >= 4) {
        hash = gt_rotl64(hash ^ gt_load32(p) * GT_XX1, 23) * GT_XX2 + GT_XX3;
        p += 4;
    }
    for (; p < end; p++) hash = gt_rotl64(hash ^ *p * GT_XX5, 11) * GT_XX1;
    hash = (hash ^ hash >> 33) * GT_XX2;
    hash = (hash ^ hash >> 29) * GT_XX3;
    return hash ^ hash >> 32;
}

#define GT_MM1 0x87c37b91114253d5ull
#define GT_MM2 0x4cf5ad432745937full

static inline uint64_t gt_mm_mix(uint64_t k) {
    k = (k ^ k >> 33) * 0xff51afd7ed558ccdull;
    k = (k ^ k >> 33) * 0xc4ceb9fe1a85ec53ull;
    return k ^ k >> 33;
}

/* The first of the two words of MurmurHash3_x64_128 (Appleby, SMHasher). */
static inline uint64_t gt_murmur3(const uint8_t *p, size_t n, uint32_t seed) {
    uint64_t a = seed, b = seed, tail[2] = {0, 0};
    size_t left = n;
    for (; left >= 16; p += 16, left -= 16) {
        a ^= gt_rotl64(gt_load64(p) * GT_MM1, 31) * GT_MM2;
        a = (gt_rotl64(a, 27) + b) * 5 + 0x52dce729;
        b ^= gt_rotl64(gt_load64(p + 8) * GT_MM2, 33) * GT_MM1;
        b = (gt_rotl64(b, 31) + a) * 5 + 0x38495ab5;
    }
    for (size_t i = 0; i < left; i++) tail[i / 8] |= (uint64_t)p[i] << 8 * (i % 8);
    b ^= gt_rotl64(tail[1] * GT_MM2, 33) * GT_MM1;
    a ^= gt_rotl64(tail[0] * GT_MM1, 31) * GT_MM2;
    a ^= n;
    b ^= n;
    a += b;
    b += a;
    a = gt_mm_mix(a);
    b = gt_mm_mix(b);
    return a + b;
}

#endif
