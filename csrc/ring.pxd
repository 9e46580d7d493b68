from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cdef extern from "ring.h" nogil:
    enum:
        GT_HASH_MD5
        GT_HASH_MURMUR3
        GT_HASH_XXH64

    struct gt_ring_key:
        const uint8_t *p
        size_t n

    struct gt_ring:
        const uint64_t *tokens
        const int32_t *owners
        const uint32_t *buckets
        size_t count
        int shift

    struct gt_ring_moves:
        uint64_t *starts
        uint64_t *ends
        int32_t *sources
        int32_t *targets
        size_t count

    uint64_t gt_ring_position(int hash, const uint8_t *p, size_t n) noexcept
    void gt_ring_positions(
        int hash, const gt_ring_key *keys, size_t count, uint64_t *out) noexcept
    size_t gt_ring_token_name(const char *name, size_t n, uint32_t number, char *out) noexcept
    bint gt_ring_owners_known(const int32_t *owners, size_t count, size_t names) noexcept
    void gt_ring_fill_buckets(
        const uint64_t *tokens, size_t count, int shift, uint32_t *buckets) noexcept
    size_t gt_ring_find(const gt_ring *ring, uint64_t position) noexcept
    void gt_ring_find_many(
        const gt_ring *ring, const uint64_t *positions, size_t count, int32_t *out) noexcept
    void gt_ring_lookup_many(
        const gt_ring *ring, int hash, const gt_ring_key *keys, size_t count,
        int32_t *out) noexcept
    size_t gt_ring_walk(
        const gt_ring *ring, uint64_t position, int32_t *marks, int32_t mark, int32_t *out,
        size_t wanted) noexcept
    void gt_ring_difference(
        const gt_ring *before, const gt_ring *after, const int32_t *same,
        gt_ring_moves *moves) noexcept
