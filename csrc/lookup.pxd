from libc.stdint cimport uint64_t

cdef extern from "lookup.h" nogil:
    struct gt_key:
        uint64_t number
        const char *text
        size_t size

    struct gt_lookup:
        void **objects
        size_t room, used, count, width
        gt_key (*key_of)(const void *object) noexcept
        uint64_t (*hash_of)(const char *text, size_t size) noexcept

    size_t gt_lookup_bytes(size_t room, size_t width) noexcept
    void **gt_lookup_at(const gt_lookup *map, size_t slot) noexcept
    Py_ssize_t gt_lookup_find(const gt_lookup *map, const gt_key *key) noexcept
    void gt_lookup_take(gt_lookup *map, void *object) noexcept
    bint gt_lookup_move(gt_lookup *map, size_t room) noexcept
    bint gt_lookup_grow(gt_lookup *map) noexcept
    void *gt_lookup_replace(gt_lookup *map, size_t slot, void *object) noexcept
    void *gt_lookup_remove(gt_lookup *map, size_t gap) noexcept
