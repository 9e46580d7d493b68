/* Protobuf's wire form, read and written by tables: a message is an array of kinds, indexed by field
 * number, and its content an array of values, indexed likewise. Flat messages only.
 * Source: https://protobuf.dev/programming-guides/encoding/ */
#ifndef GT_WIRE_H
#define GT_WIRE_H

#include <stdint.h>
#include <string.h>

enum gt_kind { GT_NONE, GT_UINT64, GT_UINT32, GT_BOOL, GT_FIXED32, GT_BYTES, GT_STRING };

typedef struct {
    const uint8_t *start; /* of bytes and strings */
    uint64_t number;      /* the value; of bytes and strings the length */
    int present;          /* written only if set; what was read sets it */
} gt_value;

/* goutube.v1 and streaming.v1; the place in the array is the field's number. */
static const uint8_t gt_append_request[] = {
    GT_NONE,   GT_STRING, GT_UINT64, GT_UINT64, GT_UINT64,  GT_BYTES, GT_UINT32, GT_UINT64,
    GT_BOOL,   GT_UINT32, GT_UINT32, GT_FIXED32, GT_BYTES, GT_BYTES, GT_UINT64,
};
static const uint8_t gt_append_response[] = {
    GT_NONE, GT_UINT64, GT_UINT64, GT_UINT64, GT_UINT64, GT_BOOL,
};
static const uint8_t gt_read_response[] = {
    GT_NONE,  GT_UINT64, GT_UINT64, GT_BYTES,  GT_FIXED32, GT_BYTES,
    GT_BYTES, GT_UINT64, GT_UINT64, GT_UINT64, GT_BOOL,
};
static const uint8_t gt_produce_request[] = {GT_NONE, GT_STRING, GT_NONE, GT_BYTES};
static const uint8_t gt_consume_request[] = {GT_NONE, GT_STRING, GT_UINT64, GT_UINT64, GT_UINT64};
static const uint8_t gt_consume_response[] = {GT_NONE, GT_BYTES};

enum { GT_MESSAGE_BYTES_MAX = 0x7fffffff };

enum { GT_WIRE_VARINT = 0, GT_WIRE_FIXED64 = 1, GT_WIRE_BYTES = 2, GT_WIRE_FIXED32 = 5 };

/* One past a varint of at most `bytes_max` bytes, or NULL. Bits beyond the 64th are dropped. */
static inline const uint8_t *
gt_read_varint(const uint8_t *p, const uint8_t *end, int bytes_max, uint64_t *value) {
    uint64_t result = 0;
    for (int i = 0; i < bytes_max && p < end; i++) {
        uint8_t byte = *p++;
        result |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = result;
            return p;
        }
    }
    return NULL;
}

/* Length of the well-formed UTF-8 sequence at `p`, or 0. Source: Unicode 15, table 3-7. */
static inline int
gt_utf8_sequence(const uint8_t *p, const uint8_t *end) {
    uint8_t lead = p[0];
    if (lead < 0x80) return 1;
    int length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || end - p < length) return 0;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) return 0;
    for (int i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    return length;
}

static inline int
gt_is_utf8(const uint8_t *p, const uint8_t *end) {
    while (p < end) {
        int length = gt_utf8_sequence(p, end);
        if (!length) return 0;
        p += length;
    }
    return 1;
}

/* One past the content of a field of this wire type, or NULL; groups are refused. */
static inline const uint8_t *
gt_read_content(const uint8_t *p, const uint8_t *end, unsigned type, gt_value *content) {
    if (type == GT_WIRE_VARINT) return gt_read_varint(p, end, 10, &content->number);
    if (type == GT_WIRE_BYTES) {
        p = gt_read_varint(p, end, 5, &content->number);
        if (!p || content->number > (uint64_t)(end - p)) return NULL;
        content->start = p;
        return p + content->number;
    }
    if (type == GT_WIRE_FIXED32) {
        if (end - p < 4) return NULL;
        content->number = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16
                        | (uint64_t)p[3] << 24;
        return p + 4;
    }
    if (type == GT_WIRE_FIXED64) return end - p < 8 ? NULL : p + 8;
    return NULL;
}

static inline unsigned
gt_wire_type(uint8_t kind) {
    if (kind == GT_BYTES || kind == GT_STRING) return GT_WIRE_BYTES;
    return kind == GT_FIXED32 ? GT_WIRE_FIXED32 : GT_WIRE_VARINT;
}

/* Fill `values` (`count` of them, as many as kinds) from a message; 0 if it is not one.
 * As protobuf has it: a field that is not known under its wire type is stepped over, of a repeated
 * one the last counts, every string must be UTF-8, numbers are cut to their type. */
static inline int
gt_decode(const uint8_t *p, const uint8_t *end, const uint8_t *kinds, unsigned count,
          gt_value *values) {
    memset(values, 0, count * sizeof *values);
    while (p < end) {
        uint64_t tag;
        gt_value content = {0};
        p = gt_read_varint(p, end, 5, &tag);
        if (!p || tag > UINT32_MAX || tag >> 3 == 0) return 0;
        unsigned type = tag & 7;
        p = gt_read_content(p, end, type, &content);
        if (!p) return 0;
        uint8_t kind = tag >> 3 < count ? kinds[tag >> 3] : GT_NONE;
        if (kind == GT_NONE || gt_wire_type(kind) != type) continue;
        if (kind == GT_STRING && !gt_is_utf8(content.start, p)) return 0;
        if (kind == GT_UINT32) content.number = (uint32_t)content.number;
        if (kind == GT_BOOL) content.number = content.number != 0;
        content.present = 1;
        values[tag >> 3] = content;
    }
    return 1;
}

static inline unsigned
gt_varint_bytes(uint64_t value) {
    unsigned bytes = 1;
    while (value >= 0x80) {
        value >>= 7;
        bytes++;
    }
    return bytes;
}

static inline uint8_t *
gt_write_varint(uint8_t *p, uint64_t value) {
    while (value >= 0x80) {
        *p++ = (uint8_t)value | 0x80;
        value >>= 7;
    }
    *p++ = (uint8_t)value;
    return p;
}

/* Set a field; zero is what one that is left out means. */
static inline void
gt_put(gt_value *value, uint64_t number) {
    value->number = number;
    value->present = number != 0;
}

/* Bytes that `gt_encode` writes. Field numbers above 15 would need longer tags. */
static inline uint64_t
gt_encoded_bytes(const uint8_t *kinds, unsigned count, const gt_value *values) {
    uint64_t bytes = 0;
    for (unsigned field = 1; field < count; field++) {
        if (!values[field].present) continue;
        unsigned type = gt_wire_type(kinds[field]);
        bytes += type == GT_WIRE_FIXED32 ? 5 : 1 + gt_varint_bytes(values[field].number);
        if (type == GT_WIRE_BYTES) bytes += values[field].number;
    }
    return bytes;
}

static inline void
gt_encode(uint8_t *p, const uint8_t *kinds, unsigned count, const gt_value *values) {
    for (unsigned field = 1; field < count; field++) {
        const gt_value *value = &values[field];
        if (!value->present) continue;
        unsigned type = gt_wire_type(kinds[field]);
        *p++ = (uint8_t)(field << 3 | type);
        if (type == GT_WIRE_FIXED32) {
            for (int i = 0; i < 4; i++) *p++ = (uint8_t)(value->number >> (8 * i));
            continue;
        }
        p = gt_write_varint(p, value->number);
        if (type == GT_WIRE_BYTES && value->number) {
            memcpy(p, value->start, value->number);
            p += value->number;
        }
    }
}

#endif
