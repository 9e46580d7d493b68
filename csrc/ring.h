/* Tokens on a circle of 2^64 positions: hashing keys, finding owners, walking, comparing two rings. */
#ifndef GT_RING_H
#define GT_RING_H

#include "hash64.h"
#include "md5.h"

enum gt_ring_hash { GT_HASH_MD5, GT_HASH_MURMUR3, GT_HASH_XXH64 };

enum {
    GT_RING_AHEAD = 16,  /* keys whose memory is asked for before it is read */
    GT_RING_LINEAR = 8,  /* tokens of one bucket that are not worth a binary search */
    GT_RING_CHUNK = 512  /* keys hashed before the first of them is looked up */
};

struct gt_ring_key {
    const uint8_t *p;
    size_t n;
};

/* Tokens in rising order; buckets[k] is the first token whose high bits are k or more. */
struct gt_ring {
    const uint64_t *tokens;
    const int32_t *owners;
    const uint32_t *buckets;
    size_t count;
    int shift;
};

/* The position of one key. */
static inline uint64_t gt_ring_position(int hash, const uint8_t *p, size_t n) {
    if (hash == GT_HASH_MD5) return gt_md5(p, n);
    return hash == GT_HASH_MURMUR3 ? gt_murmur3(p, n, 0) : gt_xxh64(p, n, 0);
}

/* The positions of many keys. */
static inline void gt_ring_positions(int hash, const struct gt_ring_key *keys, size_t count,
                                     uint64_t *out) {
    struct gt_md5_batch batch;
    gt_md5_batch_start(&batch);
    for (size_t i = 0; i < count; i++) {
        if (i + GT_RING_AHEAD < count) __builtin_prefetch(keys[i + GT_RING_AHEAD].p);
        if (hash == GT_HASH_MD5 && keys[i].n <= GT_MD5_SHORT_BYTES)
            gt_md5_batch_add(&batch, keys[i].p, keys[i].n, out + i);
        else
            out[i] = gt_ring_position(hash, keys[i].p, keys[i].n);
    }
    if (batch.filled) gt_md5_batch_end(&batch);
}

/* Writes the name of a node's token, "name-number"; returns its length. */
static inline size_t gt_ring_token_name(const char *name, size_t n, uint32_t number, char *out) {
    char digits[10];
    size_t count = 0;
    do digits[count++] = '0' + number % 10;
    while (number /= 10);
    memcpy(out, name, n);
    out[n++] = '-';
    while (count) out[n++] = digits[--count];
    return n;
}

/* Whether every owner has a name. */
static inline int gt_ring_owners_known(const int32_t *owners, size_t count, size_t names) {
    int32_t wrong = 0;
    for (size_t i = 0; i < count; i++) wrong |= (uint32_t)owners[i] >= names;
    return !wrong;
}

/* Fills buckets[0 .. 2^(64-shift)], the last one too. */
static inline void gt_ring_fill_buckets(const uint64_t *tokens, size_t count, int shift,
                                        uint32_t *buckets) {
    size_t last = (size_t)1 << (64 - shift), next = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t bucket = tokens[i] >> shift; next <= bucket; next++) buckets[next] = i;
    for (; next <= last; next++) buckets[next] = count;
}

/* The first token at or after a position, clockwise. */
static inline size_t gt_ring_find(const struct gt_ring *ring, uint64_t position) {
    size_t bucket = position >> ring->shift;
    size_t low = ring->buckets[bucket], high = ring->buckets[bucket + 1];
    while (high - low > GT_RING_LINEAR) {
        size_t middle = low + (high - low) / 2;
        if (ring->tokens[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < high && ring->tokens[low] < position) low++;
    return low == ring->count ? 0 : low;
}

/* The owners of many positions, in stages: each memory is asked for a while before it is read. */
static inline void gt_ring_find_many(const struct gt_ring *ring, const uint64_t *positions,
                                     size_t count, int32_t *out) {
    for (size_t i = 0; i < count + 3 * GT_RING_AHEAD; i++) {
        /* Unsigned: what is not there yet is beyond the count too. */
        size_t token = i - GT_RING_AHEAD, search = token - GT_RING_AHEAD;
        size_t owner = search - GT_RING_AHEAD;
        if (i < count) __builtin_prefetch(&ring->buckets[positions[i] >> ring->shift]);
        if (token < count)
            __builtin_prefetch(&ring->tokens[ring->buckets[positions[token] >> ring->shift]]);
        if (search < count) {
            out[search] = (int32_t)gt_ring_find(ring, positions[search]);
            __builtin_prefetch(&ring->owners[out[search]]);
        }
        if (owner < count) out[owner] = ring->owners[out[owner]];
    }
}

/* The owners of many keys. */
static inline void gt_ring_lookup_many(const struct gt_ring *ring, int hash,
                                       const struct gt_ring_key *keys, size_t count,
                                       int32_t *out) {
    uint64_t positions[GT_RING_CHUNK];
    for (size_t i = 0; i < count; i += GT_RING_CHUNK) {
        size_t chunk = count - i < GT_RING_CHUNK ? count - i : GT_RING_CHUNK;
        gt_ring_positions(hash, keys + i, chunk, positions);
        gt_ring_find_many(ring, positions, chunk, out + i);
    }
}

/* The first `wanted` distinct owners clockwise from a position; marks[owner] becomes `mark`, which
   none of them may be before. Returns how many there are. */
static inline size_t gt_ring_walk(const struct gt_ring *ring, uint64_t position, int32_t *marks,
                                  int32_t mark, int32_t *out, size_t wanted) {
    size_t found = 0, at = gt_ring_find(ring, position);
    for (size_t step = 0; step < ring->count && found < wanted; step++) {
        int32_t owner = ring->owners[at];
        if (marks[owner] != mark) {
            marks[owner] = mark;
            out[found++] = owner;
        }
        at = at + 1 == ring->count ? 0 : at + 1;
    }
    return found;
}

/* Arcs (start, end] of the circle, with the owner that each had and the one that it has. */
struct gt_ring_moves {
    uint64_t *starts, *ends;
    int32_t *sources, *targets;
    size_t count;
};

static inline void gt_ring_add_move(struct gt_ring_moves *moves, uint64_t start, uint64_t end,
                                    int32_t source, int32_t target) {
    size_t last = moves->count - 1;
    if (moves->count && moves->ends[last] == start && moves->sources[last] == source &&
        moves->targets[last] == target) {
        moves->ends[last] = end;
        return;
    }
    moves->starts[moves->count] = start;
    moves->ends[moves->count] = end;
    moves->sources[moves->count] = source;
    moves->targets[moves->count++] = target;
}

/* What differs between two rings, neighbouring arcs of one move joined. same[owner in before] is
   that owner's number in after, or -1. The arrays of moves hold as many as there are tokens. */
static inline void gt_ring_difference(const struct gt_ring *before, const struct gt_ring *after,
                                      const int32_t *same, struct gt_ring_moves *moves) {
    uint64_t last_before = before->tokens[before->count - 1];
    uint64_t last_after = after->tokens[after->count - 1];
    uint64_t start = last_before > last_after ? last_before : last_after;
    size_t i = 0, j = 0;
    moves->count = 0;
    while (i < before->count || j < after->count) {
        /* One's tokens at an end: its first owns what is left, up to the top of the circle. */
        int first = j == after->count || (i < before->count && before->tokens[i] < after->tokens[j]);
        uint64_t end = first ? before->tokens[i] : after->tokens[j];
        int32_t source = before->owners[i < before->count ? i : 0];
        int32_t target = after->owners[j < after->count ? j : 0];
        if (same[source] != target) gt_ring_add_move(moves, start, end, source, target);
        while (i < before->count && before->tokens[i] == end) i++;
        while (j < after->count && after->tokens[j] == end) j++;
        start = end;
    }
}

#endif
