/* The entries of a log: headers written, taken apart and judged, runs of entries walked
 * (docs/FORMATS.md). */
#ifndef GT_ENTRY_H
#define GT_ENTRY_H

#include "batch.h"

struct gt_entry {
    uint8_t kind;
    uint16_t flags;
    uint64_t index, term, stream_id, offset, ordinal, stamp, producer_stamp, sequence;
    const uint8_t *producer_id; /* 16 bytes, in the buffer that was judged */
    uint32_t epoch, record_count, control_bytes, tables_bytes, data_bytes;
    uint32_t control_checksum, checksum;
    size_t entry_bytes; /* with the padding */
};

/* Write the header of e at p; its last field is computed. */
static inline void gt_entry_encode(uint8_t *p, uint32_t salt, const struct gt_entry *e) {
    memset(p, 0, GT_ENTRY_HEADER_BYTES);
    gt_store32(p, GT_ENTRY_MAGIC);
    p[4] = 1;
    p[5] = e->kind;
    gt_store16(p + 6, e->flags);
    gt_store64(p + 8, e->index);
    gt_store64(p + 16, e->term);
    gt_store64(p + 24, e->stream_id);
    gt_store64(p + 32, e->offset);
    gt_store64(p + 40, e->ordinal);
    gt_store64(p + 48, e->stamp);
    gt_store64(p + 56, e->producer_stamp);
    if (e->producer_id) memcpy(p + 64, e->producer_id, 16);
    gt_store64(p + 80, e->sequence);
    gt_store32(p + 88, e->epoch);
    gt_store32(p + 92, e->record_count);
    gt_store32(p + 96, e->control_bytes);
    gt_store32(p + 100, e->tables_bytes);
    gt_store32(p + 104, e->data_bytes);
    gt_store32(p + 108, e->data_bytes);
    gt_store32(p + 112, e->control_checksum);
    gt_store32(p + 116, e->checksum);
    gt_store32(p + 124, gt_crc32c(salt, p, 124));
}

/* Judge the header at p; nothing in it is believed before its checksum is right. */
static inline int gt_entry_judge(const uint8_t *p, const uint8_t *end, uint32_t salt,
                                 struct gt_entry *e) {
    if (end - p < GT_ENTRY_HEADER_BYTES) return GT_TORN;
    if (gt_load32(p) != GT_ENTRY_MAGIC) return GT_BAD_HEADER;
    if (gt_crc32c(salt, p, 124) != gt_load32(p + 124)) return GT_BAD_HEADER;
    e->kind = p[5];
    e->flags = gt_load16(p + 6);
    e->index = gt_load64(p + 8);
    e->term = gt_load64(p + 16);
    e->stream_id = gt_load64(p + 24);
    e->offset = gt_load64(p + 32);
    e->ordinal = gt_load64(p + 40);
    e->stamp = gt_load64(p + 48);
    e->producer_stamp = gt_load64(p + 56);
    e->producer_id = p + 64;
    e->sequence = gt_load64(p + 80);
    e->epoch = gt_load32(p + 88);
    e->record_count = gt_load32(p + 92);
    e->control_bytes = gt_load32(p + 96);
    e->tables_bytes = gt_load32(p + 100);
    e->data_bytes = gt_load32(p + 104);
    e->control_checksum = gt_load32(p + 112);
    e->checksum = gt_load32(p + 116);
    /* Bytes 120 to 123: the compression, and what is zero until a later format says otherwise. */
    if (p[4] != 1 || (e->flags & ~GT_FLAGS_KNOWN) || e->kind == 0 || e->kind > GT_KIND_MAX ||
        gt_load32(p + 120) != 0)
        return GT_UNKNOWN_FORMAT;
    if (e->control_bytes > GT_CONTROL_BYTES_MAX || e->data_bytes > GT_DATA_BYTES_MAX ||
        e->record_count > GT_RECORDS_MAX || gt_load32(p + 108) != e->data_bytes ||
        (e->record_count == 0) != (e->data_bytes == 0) ||
        ((e->flags & GT_FLAG_BLOCKS) != 0) != (e->data_bytes > GT_BLOCK_BYTES) ||
        e->tables_bytes != gt_tables_bytes(e->record_count, e->flags, e->data_bytes))
        return GT_BAD_TABLE;
    e->entry_bytes = gt_round_up((size_t)GT_ENTRY_HEADER_BYTES + e->control_bytes +
                                     e->tables_bytes + e->data_bytes,
                                 GT_ENTRY_ALIGN);
    return GT_OK;
}

/* The tables of the entry at p, whose header and length have been judged; the data follows them. */
static inline const uint8_t *gt_entry_tables(const uint8_t *p, const struct gt_entry *e) {
    return p + GT_ENTRY_HEADER_BYTES + e->control_bytes;
}

/* A walk over the entries of a segment: what the next one must be, and where it should stand. */
struct gt_walk {
    const uint8_t *at, *end;
    uint32_t salt;
    uint64_t next_index, term, check_from; /* payloads are verified from the index check_from on */
};

struct gt_step {
    struct gt_entry entry;
    const uint8_t *start;
    uint32_t delta; /* of the last record; 0 where the payload was not read */
};

/* Judge the entry at w->at as the next one of its log. */
static inline int gt_walk_judge(const struct gt_walk *w, struct gt_step *step) {
    struct gt_entry *e = &step->entry;
    int verdict = gt_entry_judge(w->at, w->end, w->salt, e);
    if (verdict != GT_OK) return verdict;
    if (e->index != w->next_index || e->term < w->term) return GT_BAD_HEADER;
    if (e->entry_bytes > (size_t)(w->end - w->at)) return GT_TORN;
    step->start = w->at;
    step->delta = 0;
    if (gt_crc32c(0, w->at + GT_ENTRY_HEADER_BYTES, e->control_bytes) != e->control_checksum)
        return GT_BAD_CHECKSUM;
    if (e->record_count == 0 || e->index < w->check_from) return GT_OK;
    const uint8_t *tables = gt_entry_tables(w->at, e);
    verdict = gt_tables_judge(tables, e->record_count, e->flags, e->data_bytes);
    if (verdict != GT_OK) return verdict;
    step->delta = gt_last_delta(tables, e->record_count, e->flags);
    return gt_payload_judge(tables, e->tables_bytes, tables + e->tables_bytes, e->data_bytes,
                            e->record_count, e->flags, e->checksum);
}

/* Judge the head at w->at as that of the next entry of its log: its header, the delta of its last
 * record, four zeros, its control section with its padding. */
static inline int gt_head_judge(const struct gt_walk *w, struct gt_step *step) {
    struct gt_entry *e = &step->entry;
    int verdict = gt_entry_judge(w->at, w->end, w->salt, e);
    if (verdict != GT_OK) return verdict;
    if (e->index != w->next_index || e->term < w->term) return GT_BAD_HEADER;
    if (GT_HEAD_BYTES + gt_round_up(e->control_bytes, GT_ENTRY_ALIGN) > (size_t)(w->end - w->at))
        return GT_TORN;
    if (gt_load32(w->at + GT_HEAD_BYTES - 4) != 0) return GT_UNKNOWN_FORMAT;
    step->start = w->at;
    step->delta = gt_load32(w->at + GT_ENTRY_HEADER_BYTES);
    if (gt_crc32c(0, w->at + GT_HEAD_BYTES, e->control_bytes) != e->control_checksum)
        return GT_BAD_CHECKSUM;
    return GT_OK;
}

/* Whether nothing stands at p: zeros as far as a header would reach. */
static inline int gt_entry_absent(const uint8_t *p, const uint8_t *end) {
    if (end - p > GT_ENTRY_HEADER_BYTES) end = p + GT_ENTRY_HEADER_BYTES;
    while (p < end && *p == 0) p++;
    return p == end;
}

/* Take up to `room` entries; *taken counts them. GT_OK: there was no more room, else why it ended. */
static inline int gt_walk_run(struct gt_walk *w, struct gt_step *steps, size_t room,
                              size_t *taken) {
    for (*taken = 0; *taken < room; ++*taken) {
        if (w->at == w->end) return GT_END;
        int verdict = gt_walk_judge(w, &steps[*taken]);
        if (verdict != GT_OK) return gt_entry_absent(w->at, w->end) ? GT_END : verdict;
        w->next_index = steps[*taken].entry.index + 1;
        w->term = steps[*taken].entry.term;
        w->at += steps[*taken].entry.entry_bytes;
    }
    return GT_OK;
}

#endif
