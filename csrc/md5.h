/* MD5 (RFC 1321) of short keys, cut to its first 8 bytes: one key, or many at once in vector lanes. */
#ifndef GT_MD5_H
#define GT_MD5_H

#include <stdlib.h>

#include "layout.h"

#define GT_MD5_MIX_F(x, y, z) (z ^ (x & (y ^ z)))
#define GT_MD5_MIX_G(x, y, z) (y ^ (z & (x ^ y)))
#define GT_MD5_MIX_H(x, y, z) (x ^ y ^ z)
#define GT_MD5_MIX_I(x, y, z) (y ^ (x | ~z))
#define GT_MD5_STEP(f, a, b, c, d, s, k, t)      \
    a += GT_MD5_MIX_##f(b, c, d) + words[k] + t; \
    a = (a << s | a >> (32 - s)) + b;
#define GT_MD5_ROW(f, s0, s1, s2, s3, k0, k1, k2, k3, t0, t1, t2, t3) \
    GT_MD5_STEP(f, a, b, c, d, s0, k0, t0)                           \
    GT_MD5_STEP(f, d, a, b, c, s1, k1, t1)                           \
    GT_MD5_STEP(f, c, d, a, b, s2, k2, t2)                           \
    GT_MD5_STEP(f, b, c, d, a, s3, k3, t3)

/* The digest of one 64-byte block (RFC 1321, 3.4), on plain words or on vectors of them alike. */
#define GT_MD5_BLOCK(name, word, attributes)                                                       \
    attributes static void name(word state[4], const word words[16]) {                             \
        word a = state[0], b = state[1], c = state[2], d = state[3];                               \
    GT_MD5_ROW(F, 7, 12, 17, 22,  0,  1,  2,  3, 0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee)   \
    GT_MD5_ROW(F, 7, 12, 17, 22,  4,  5,  6,  7, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501)   \
    GT_MD5_ROW(F, 7, 12, 17, 22,  8,  9, 10, 11, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be)   \
    GT_MD5_ROW(F, 7, 12, 17, 22, 12, 13, 14, 15, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821)   \
    GT_MD5_ROW(G, 5, 9, 14, 20,  1,  6, 11,  0, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa)    \
    GT_MD5_ROW(G, 5, 9, 14, 20,  5, 10, 15,  4, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8)    \
    GT_MD5_ROW(G, 5, 9, 14, 20,  9, 14,  3,  8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed)    \
    GT_MD5_ROW(G, 5, 9, 14, 20, 13,  2,  7, 12, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a)    \
    GT_MD5_ROW(H, 4, 11, 16, 23,  5,  8, 11, 14, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c)   \
    GT_MD5_ROW(H, 4, 11, 16, 23,  1,  4,  7, 10, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70)   \
    GT_MD5_ROW(H, 4, 11, 16, 23, 13,  0,  3,  6, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05)   \
    GT_MD5_ROW(H, 4, 11, 16, 23,  9, 12, 15,  2, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665)   \
    GT_MD5_ROW(I, 6, 10, 15, 21,  0,  7, 14,  5, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039)   \
    GT_MD5_ROW(I, 6, 10, 15, 21, 12,  3, 10,  1, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1)   \
    GT_MD5_ROW(I, 6, 10, 15, 21,  8, 15,  6, 13, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1)   \
    GT_MD5_ROW(I, 6, 10, 15, 21,  4, 11,  2,  9, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391)   \
        state[0] += a;                                                                             \
        state[1] += b;                                                                             \
        state[2] += c;                                                                             \
        state[3] += d;                                                                             \
    }

enum { GT_MD5_LANES = 16, GT_MD5_SHORT_BYTES = 55 /* key, mark and length fit one block */ };

/* The compiler cuts these vectors to what the processor has. */
typedef uint32_t gt_md5_lanes __attribute__((vector_size(4 * GT_MD5_LANES), may_alias));

GT_MD5_BLOCK(gt_md5_block, uint32_t, )
GT_MD5_BLOCK(gt_md5_lanes_portable, gt_md5_lanes, )
#if defined(__x86_64__)
GT_MD5_BLOCK(gt_md5_lanes_avx2, gt_md5_lanes, __attribute__((target("avx2"))))
GT_MD5_BLOCK(gt_md5_lanes_avx512, gt_md5_lanes, __attribute__((target("avx512f"))))
#endif

static void (*gt_md5_lanes_chosen)(gt_md5_lanes *, const gt_md5_lanes *) = gt_md5_lanes_portable;

/* Chooses by the processor, once, at import. A GOUTUBE_CPU_PATH, which is about CRC-32C, lowers this
   choice too: "portable" to plain vectors, any other to AVX2. */
static inline void gt_md5_init(void) {
    const char *forced = getenv("GOUTUBE_CPU_PATH");
    if (forced && strcmp(forced, "portable") == 0) return;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) gt_md5_lanes_chosen = gt_md5_lanes_avx2;
    if (!forced && __builtin_cpu_supports("avx512f")) gt_md5_lanes_chosen = gt_md5_lanes_avx512;
#endif
}

#define GT_MD5_START {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u}

/* The first 8 bytes of the digest as a little-endian number. */
static inline uint64_t gt_md5(const uint8_t *p, size_t n) {
    uint32_t state[4] = GT_MD5_START, words[16];
    uint8_t block[64];
    size_t left = n;
    for (; left >= 64; p += 64, left -= 64) {
        for (int i = 0; i < 16; i++) words[i] = gt_load32(p + 4 * i);
        gt_md5_block(state, words);
    }
    memset(block, 0, sizeof block);
    memcpy(block, p, left);
    block[left] = 0x80;
    for (int i = 0; i < 16; i++) words[i] = gt_load32(block + 4 * i);
    if (left > GT_MD5_SHORT_BYTES) {
        gt_md5_block(state, words);
        memset(words, 0, sizeof words);
    }
    words[14] = (uint32_t)(n << 3);
    words[15] = (uint32_t)((uint64_t)n >> 29);
    gt_md5_block(state, words);
    return state[0] | (uint64_t)state[1] << 32;
}

/* Keys of up to GT_MD5_SHORT_BYTES waiting for the block that hashes all of them at once. */
struct gt_md5_batch {
    uint32_t words[16][GT_MD5_LANES] __attribute__((aligned(64)));
    uint64_t *out[GT_MD5_LANES];
    int filled;
};

static inline void gt_md5_batch_start(struct gt_md5_batch *batch) {
    memset(batch->words, 0, sizeof batch->words);
    batch->filled = 0;
}

static inline void gt_md5_batch_end(struct gt_md5_batch *batch) {
    static const uint32_t start[4] = GT_MD5_START;
    gt_md5_lanes state[4];
    for (int i = 0; i < 4; i++) state[i] = start[i] - (gt_md5_lanes){0};
    gt_md5_lanes_chosen(state, (const gt_md5_lanes *)batch->words);
    for (int lane = 0; lane < batch->filled; lane++)
        *batch->out[lane] = state[0][lane] | (uint64_t)state[1][lane] << 32;
}

/* Adds a short key; its hash is at *out when the batch is full, or ended. */
static inline void gt_md5_batch_add(struct gt_md5_batch *batch, const uint8_t *p, size_t n,
                                    uint64_t *out) {
    int lane = batch->filled++;
    uint32_t last = 0x80u;
    for (size_t i = 0; i < n / 4; i++) batch->words[i][lane] = gt_load32(p + 4 * i);
    for (size_t i = n; i > n / 4 * 4; i--) last = last << 8 | p[i - 1];
    batch->words[n / 4][lane] = last;
    batch->words[14][lane] = (uint32_t)n << 3;
    batch->out[lane] = out;
    if (batch->filled == GT_MD5_LANES) {
        gt_md5_batch_end(batch);
        gt_md5_batch_start(batch);
    }
}

#endif
