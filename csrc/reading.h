/* Reads one stream's bytes out of a run of entries; every byte returned was verified. */
#ifndef GT_READING_H
#define GT_READING_H

#include "entry.h"
#include "source.h"

struct gt_read_args {
    size_t position, count;
    uint32_t salt;
    int records;
    uint64_t stream_id, first_offset, limit_offset, first_ordinal, first_stamp;
    size_t bytes_max;
};

struct gt_read_out {
    int verdict, error;
    size_t position, needed;
    uint64_t offset, next_offset, ordinal;
    uint8_t *data; /* bytes_max bytes, the caller's */
    size_t data_bytes;
    uint8_t *lengths, *stamps; /* grown here, freed by the caller */
    size_t record_count, record_room;
    uint32_t checksum;
};

/* The ends and, where there are some, the deltas of a batch's records. */
struct gt_records {
    const uint8_t *ends, *deltas; /* deltas: NULL for none */
    uint32_t count;
    uint64_t stamp;
};

/* Which part of one batch is wanted: bytes [from, to) and, of records, [first, after). */
struct gt_part {
    uint32_t from, to, first, after;
    int last; /* nothing behind this part belongs to the answer */
};

static inline uint32_t gt_record_start(const struct gt_records *records, uint32_t r) {
    return r ? gt_load32(records->ends + 4 * (size_t)r - 4) : 0;
}

static inline uint32_t gt_record_end(const struct gt_records *records, uint32_t r) {
    return gt_load32(records->ends + 4 * (size_t)r);
}

static inline uint64_t gt_record_stamp(const struct gt_records *records, uint32_t r) {
    return records->stamp + (records->deltas ? gt_load32(records->deltas + 4 * (size_t)r) : 0);
}

/* The first record that is not before the ordinal and the time asked for. */
static uint32_t gt_first_record(const struct gt_read_args *a, const struct gt_entry *e,
                                const struct gt_records *records) {
    uint32_t r = 0;
    if (a->first_ordinal > e->ordinal) {
        uint64_t skip = a->first_ordinal - e->ordinal;
        r = skip < e->record_count ? (uint32_t)skip : e->record_count;
    }
    while (r < e->record_count && gt_record_stamp(records, r) < a->first_stamp) r++;
    return r;
}

/* The batch reaches beyond first_offset and begins before limit_offset; so many bytes are taken
 * already. What follows them is contiguous, whatever ordinals and times a later header has. */
static void gt_choose_part(const struct gt_read_args *a, const struct gt_entry *e,
                           const struct gt_records *records, size_t taken, struct gt_part *part) {
    size_t room = a->bytes_max - taken;
    uint32_t r = taken ? 0 : gt_first_record(a, e, records);
    uint32_t from = a->first_offset > e->offset ? (uint32_t)(a->first_offset - e->offset) : 0;
    uint64_t left = a->limit_offset - e->offset;
    uint32_t limit = left < e->data_bytes ? (uint32_t)left : e->data_bytes;
    if (from < gt_record_start(records, r)) from = gt_record_start(records, r);
    part->first = part->after = r;
    part->from = part->to = from;
    if (!a->records) {
        if (from < limit) part->to = limit - from > room ? from + (uint32_t)room : limit;
        part->last = limit < e->data_bytes || part->to < limit;
        return;
    }
    while (r < e->record_count && gt_record_start(records, r) < from) r++;
    part->first = r;
    part->from = part->to = gt_record_start(records, r);
    for (; r < e->record_count; r++) {
        uint32_t end = gt_record_end(records, r);
        if (end > limit || end - part->from > room) break;
        part->to = end;
    }
    part->after = r;
    part->last = r < e->record_count;
}

/* Copy [from, to) of the blocked data that begins at data_at, verifying each block touched. The
 * answer's checksum goes on over all of it: a block that is taken whole is not walked again. */
static int gt_copy_blocks(struct gt_source *s, const uint8_t *sums, size_t data_at,
                          uint32_t data_bytes, uint32_t from, uint32_t to, uint8_t *out,
                          uint32_t *checksum) {
    uint8_t scratch[GT_BLOCK_BYTES];
    uint32_t total = *checksum;
    for (uint32_t first = from - from % GT_BLOCK_BYTES; first < to; first += GT_BLOCK_BYTES) {
        uint32_t size = data_bytes - first < GT_BLOCK_BYTES ? data_bytes - first : GT_BLOCK_BYTES;
        uint32_t start = from > first ? from - first : 0;
        uint32_t after = to - first < size ? to - first : size;
        int whole = after - start == size;
        uint8_t *into = whole ? out : scratch;
        int verdict = gt_fetch(s, data_at + first, size, into);
        if (verdict != GT_OK) return verdict;
        uint32_t sum = gt_load32(sums + 4 * (size_t)(first / GT_BLOCK_BYTES));
        if (gt_crc32c(0, into, size) != sum) return GT_BAD_CHECKSUM;
        if (!whole) memcpy(out, scratch + start, after - start);
        total = after - start == GT_BLOCK_BYTES ? gt_crc32c_join_block(total, sum)
                                                : gt_crc32c(total, out, after - start);
        out += after - start;
    }
    *checksum = total;
    return GT_OK;
}

/* Make room for so many more records. */
static int gt_reserve_records(struct gt_read_out *out, size_t count) {
    if (count <= out->record_room - out->record_count) return 1;
    size_t room = 2 * out->record_room + count;
    uint8_t *lengths = realloc(out->lengths, 4 * room);
    if (lengths) out->lengths = lengths;
    uint8_t *stamps = realloc(out->stamps, 8 * room);
    if (stamps) out->stamps = stamps;
    if (!lengths || !stamps) return 0;
    out->record_room = room;
    return 1;
}

static void gt_note_records(struct gt_read_out *out, const struct gt_records *records,
                            const struct gt_part *part) {
    for (uint32_t r = part->first; r < part->after; r++, out->record_count++) {
        uint32_t length = gt_record_end(records, r) - gt_record_start(records, r);
        gt_store32(out->lengths + 4 * out->record_count, length);
        gt_store64(out->stamps + 8 * out->record_count, gt_record_stamp(records, r));
    }
}

/* Whether the answer would be empty only because its first record is longer than it may be. */
static int gt_is_too_long(const struct gt_read_args *a, const struct gt_entry *e,
                          const struct gt_records *records, const struct gt_part *part,
                          struct gt_read_out *out) {
    if (!a->records || out->data_bytes || part->first == e->record_count) return 0;
    uint32_t end = gt_record_end(records, part->first);
    if (end > a->limit_offset - e->offset) return 0;
    out->needed = end - gt_record_start(records, part->first);
    return 1;
}

/* Take what is wanted of the batch at `at`, whose header e was judged; `after` is the run's end. */
static int gt_take_entry(struct gt_source *s, const struct gt_read_args *a,
                         const struct gt_entry *e, size_t at, size_t after,
                         struct gt_read_out *out, int *last) {
    const uint8_t *tables;
    int blocks = (e->flags & GT_FLAG_BLOCKS) != 0;
    size_t body_at = at + GT_ENTRY_HEADER_BYTES + e->control_bytes;
    size_t size = blocks ? e->tables_bytes : (size_t)e->tables_bytes + e->data_bytes;
    int verdict = gt_need(s, body_at, size, after, &tables);
    if (verdict != GT_OK) return verdict;
    if (gt_crc32c(0, tables, size) != e->checksum) return GT_BAD_CHECKSUM;
    verdict = gt_tables_judge(tables, e->record_count, e->flags, e->data_bytes);
    if (verdict != GT_OK) return verdict;
    struct gt_records records = {tables, NULL, e->record_count, e->stamp};
    if (e->flags & GT_FLAG_DELTAS) records.deltas = tables + 4 * (size_t)e->record_count;
    struct gt_part part;
    gt_choose_part(a, e, &records, out->data_bytes, &part);
    *last = part.last;
    if (part.from == part.to)
        return gt_is_too_long(a, e, &records, &part, out) ? GT_TOO_LONG : GT_OK;
    if (a->records && !gt_reserve_records(out, part.after - part.first)) {
        s->error = ENOMEM;
        return GT_IO_ERROR;
    }
    uint8_t *to = out->data + out->data_bytes;
    if (blocks) {
        verdict = gt_copy_blocks(s, gt_block_sums(tables, e->record_count, e->flags),
                                 body_at + e->tables_bytes, e->data_bytes, part.from, part.to, to,
                                 &out->checksum);
        if (verdict != GT_OK) return verdict;
    } else {
        memcpy(to, tables + e->tables_bytes + part.from, part.to - part.from);
        out->checksum = gt_crc32c(out->checksum, to, part.to - part.from);
    }
    if (!out->data_bytes) {
        out->offset = e->offset + part.from;
        out->ordinal = a->records ? e->ordinal + part.first : 0;
    }
    if (a->records) gt_note_records(out, &records, &part);
    out->data_bytes += part.to - part.from;
    out->next_offset = e->offset + part.to;
    return GT_OK;
}

/* Judge the header at `at` of an entry that must lie whole before `after`. */
static int gt_next_entry(struct gt_source *s, size_t at, size_t after, uint32_t salt,
                         struct gt_entry *e) {
    const uint8_t *p;
    int verdict = gt_need(s, at, GT_ENTRY_HEADER_BYTES, after, &p);
    if (verdict == GT_OK) verdict = gt_entry_judge(p, p + GT_ENTRY_HEADER_BYTES, salt, e);
    if (verdict == GT_OK && e->entry_bytes > after - at) verdict = GT_TORN;
    if (verdict == GT_OK && e->data_bytes > UINT64_MAX - e->offset) verdict = GT_BAD_TABLE;
    return verdict;
}

/* The whole read; out is zero but for data, which has room for a->bytes_max bytes. */
static void gt_read_run(struct gt_source *s, const struct gt_read_args *a,
                        struct gt_read_out *out) {
    size_t at = a->position, after = a->position + a->count;
    int verdict = GT_OK, last = 0;
    out->offset = out->next_offset = a->first_offset;
    while (!last && at < after && out->data_bytes < a->bytes_max) {
        struct gt_entry e;
        verdict = gt_next_entry(s, at, after, a->salt, &e);
        if (verdict != GT_OK) break;
        uint64_t end = e.offset + e.data_bytes;
        if (e.stream_id == a->stream_id && e.record_count && end > a->first_offset) {
            int gap = out->data_bytes && e.offset != out->next_offset;
            if (e.offset >= a->limit_offset || gap) break;
            verdict = gt_take_entry(s, a, &e, at, after, out, &last);
            if (verdict != GT_OK) break;
            if (!out->data_bytes && !last) out->offset = out->next_offset = end;
        }
        at += e.entry_bytes;
    }
    /* What came before a fault is an answer; but what is not cached is worth waiting for. */
    out->verdict = out->data_bytes && verdict != GT_WOULD_BLOCK ? GT_OK : verdict;
    out->position = at;
    out->error = s->error;
    gt_source_close(s);
}

#endif
