/* Objects in the order in which they came, found by a key that each of them holds: a number or a
 * text. Without Python. The order depends on no hash.
 *
 * One block of memory: `room` objects, of which `used` are taken, then `width` slots. A slot holds
 * the number of an object, counted from 1, or 0. A search goes from the slot that the key's hash
 * leads to up to an empty one, and there always is one. */
#ifndef GT_LOOKUP_H
#define GT_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { GT_LOOKUP_ROOM_LEAST = 8 };

typedef struct gt_key {
    uint64_t number;
    const char *text; /* NULL: the key is the number */
    size_t size;
} gt_key;

typedef struct gt_lookup {
    void **objects; /* NULL where one was removed */
    uint32_t *slots;
    size_t room, used, count, width;
    gt_key (*key_of)(const void *object);
    uint64_t (*hash_of)(const char *text, size_t size);
} gt_lookup;

static inline size_t gt_lookup_bytes(size_t room, size_t width) {
    return room * sizeof(void *) + width * sizeof(uint32_t);
}

static inline uint64_t gt_lookup_hash(const gt_lookup *map, const gt_key *key) {
    /* The golden ratio: numbers that follow one another come to lie evenly. */
    return key->text ? map->hash_of(key->text, key->size) : key->number * 0x9e3779b97f4a7c15u;
}

/* The slot at which a search begins: the high half of a product. */
static inline size_t gt_lookup_home(const gt_lookup *map, const gt_key *key) {
    return (size_t)(((unsigned __int128)gt_lookup_hash(map, key) * map->width) >> 64);
}

static inline size_t gt_lookup_next(const gt_lookup *map, size_t slot) {
    return slot + 1 < map->width ? slot + 1 : 0;
}

static inline void **gt_lookup_at(const gt_lookup *map, size_t slot) {
    return &map->objects[map->slots[slot] - 1];
}

/* Where the object with a key stands in a slot, and -1 where there is none. */
static inline ptrdiff_t gt_lookup_find(const gt_lookup *map, const gt_key *key) {
    size_t slot;
    gt_key found;
    if (map->count == 0)
        return -1;
    for (slot = gt_lookup_home(map, key); map->slots[slot]; slot = gt_lookup_next(map, slot)) {
        found = map->key_of(*gt_lookup_at(map, slot));
        if (key->text ? found.size == key->size && memcmp(found.text, key->text, key->size) == 0
                      : found.number == key->number)
            return (ptrdiff_t)slot;
    }
    return -1;
}

/* Take in an object that is not there by its key; there is room for it. */
static inline void gt_lookup_take(gt_lookup *map, void *object) {
    gt_key key = map->key_of(object);
    size_t slot = gt_lookup_home(map, &key);
    while (map->slots[slot])
        slot = gt_lookup_next(map, slot);
    map->objects[map->used++] = object;
    map->slots[slot] = (uint32_t)map->used;
    map->count++;
}

/* Put an object with the same key into the place of one; the one that stood there. */
static inline void *gt_lookup_replace(gt_lookup *map, size_t slot, void *object) {
    void **place = gt_lookup_at(map, slot), *before = *place;
    *place = object;
    return before;
}

/* Move everything to a new block with room for so many, without gaps; false: there is no memory. */
static inline bool gt_lookup_move(gt_lookup *map, size_t room) {
    gt_lookup moved = *map;
    size_t number;
    if (room < GT_LOOKUP_ROOM_LEAST)
        room = GT_LOOKUP_ROOM_LEAST;
    if (room >= UINT32_MAX)
        return false;
    moved.room = room;
    moved.width = room + room / 4 + 1;
    moved.used = moved.count = 0;
    moved.objects = malloc(gt_lookup_bytes(moved.room, moved.width));
    if (moved.objects == NULL)
        return false;
    moved.slots = (uint32_t *)(moved.objects + room);
    memset(moved.slots, 0, moved.width * sizeof(uint32_t));
    for (number = 0; number < map->used; number++)
        if (map->objects[number])
            gt_lookup_take(&moved, map->objects[number]);
    free(map->objects);
    *map = moved;
    return true;
}

/* Make room for one more; by a quarter of what is there, so that the moves cost little in all. */
static inline bool gt_lookup_grow(gt_lookup *map) {
    return map->used < map->room || gt_lookup_move(map, map->count + map->count / 4 + 1);
}

/* Remove what stands in a slot, and close the gap: the search for others may lead through it. */
static inline void *gt_lookup_remove(gt_lookup *map, size_t gap) {
    void **place = gt_lookup_at(map, gap), *gone = *place;
    size_t slot = gap, home;
    gt_key key;
    *place = NULL;
    map->count--;
    for (;;) {
        slot = gt_lookup_next(map, slot);
        if (map->slots[slot] == 0)
            break;
        key = map->key_of(*gt_lookup_at(map, slot));
        home = gt_lookup_home(map, &key);
        /* It stays if its search begins behind the gap; slots are a circle. */
        if (gap <= slot ? gap < home && home <= slot : gap < home || home <= slot)
            continue;
        map->slots[gap] = map->slots[slot];
        gap = slot;
    }
    map->slots[gap] = 0;
    return gone;
}

#endif
