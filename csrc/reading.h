/* Reads one stream's bytes out of a run of entries; every byte returned was verified. */
#ifndef GT_READING_H
#define GT_READING_H

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "entry.h"

#define GT_WINDOW_BYTES ((size_t)256 * 1024)

/* Where the bytes come from: memory, or a file through a window. */
struct gt_source {
    const uint8_t *memory; /* NULL: a file */
    size_t memory_bytes;
    int fd, nowait, error;
    uint8_t *window;
    size_t window_at, window_bytes, window_room;
};

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

/* Read exactly n bytes of a file. */
static int gt_fetch(struct gt_source *s, size_t at, size_t n, uint8_t *to) {
    if (s->memory) {
        if (at > s->memory_bytes || n > s->memory_bytes - at) return GT_TORN;
        memcpy(to, s->memory + at, n);
        return GT_OK;
    }
    while (n) {
        struct iovec part = {to, n};
        ssize_t got = preadv2(s->fd, &part, 1, (off_t)at, s->nowait ? RWF_NOWAIT : 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || (s->nowait && errno == EOPNOTSUPP)))
            return GT_WOULD_BLOCK;
        if (got < 0) {
            s->error = errno;
            return GT_IO_ERROR;
        }
        if (got == 0) return GT_TORN;
        to += got;
        at += (size_t)got;
        n -= (size_t)got;
    }
    return GT_OK;
}

/* Point p at n bytes from at on; the window is filled up to the run's end, as far as it has room. */
static int gt_need(struct gt_source *s, size_t at, size_t n, size_t run_end, const uint8_t **p) {
    if (s->memory) {
        if (at > s->memory_bytes || n > s->memory_bytes - at) return GT_TORN;
        *p = s->memory + at;
        return GT_OK;
    }
    if (at < s->window_at || at + n > s->window_at + s->window_bytes) {
        size_t ahead = run_end > at ? run_end - at : 0;
        size_t size = ahead < GT_WINDOW_BYTES ? ahead : GT_WINDOW_BYTES;
        if (size < n) size = n;
        if (size > s->window_room) {
            free(s->window);
            s->window = malloc(size);
            s->window_room = s->window ? size : 0;
        }
        s->window_bytes = 0;
        if (!s->window) {
            s->error = ENOMEM;
            return GT_IO_ERROR;
        }
        int verdict = gt_fetch(s, at, size, s->window);
        if (verdict != GT_OK) return verdict;
        s->window_at = at;
        s->window_bytes = size;
    }
    *p = s->window + (at - s->window_at);
    return GT_OK;
}

/* Note a record that is returned. */
static int gt_note_record(struct gt_read_out *out, uint32_t length, uint64_t stamp) {
    if (out->record_count == out->record_room) {
        size_t room = out->record_room ? 2 * out->record_room : 64;
        uint8_t *lengths = realloc(out->lengths, 4 * room);
        if (lengths) out->lengths = lengths;
        uint8_t *stamps = realloc(out->stamps, 8 * room);
        if (stamps) out->stamps = stamps;
        if (!lengths || !stamps) return GT_IO_ERROR;
        out->record_room = room;
    }
    gt_store32(out->lengths + 4 * out->record_count, length);
    gt_store64(out->stamps + 8 * out->record_count, stamp);
    out->record_count++;
    return GT_OK;
}

/* Copy [from, to) of the blocked data that begins at data_at, verifying each block touched. */
static int gt_copy_blocks(struct gt_source *s, const uint8_t *sums, size_t data_at,
                          uint32_t data_bytes, uint32_t from, uint32_t to, uint8_t *out) {
    uint8_t scratch[GT_BLOCK_BYTES];
    for (uint32_t block = from / GT_BLOCK_BYTES; block * GT_BLOCK_BYTES < to; block++) {
        uint32_t first = block * GT_BLOCK_BYTES;
        uint32_t size = data_bytes - first < GT_BLOCK_BYTES ? data_bytes - first : GT_BLOCK_BYTES;
        int whole = from <= first && first + size <= to;
        uint8_t *into = whole ? out : scratch;
        int verdict = gt_fetch(s, data_at + first, size, into);
        if (verdict != GT_OK) return verdict;
        if (gt_crc32c(0, into, size) != gt_load32(sums + 4 * (size_t)block)) return GT_BAD_CHECKSUM;
        uint32_t start = from > first ? from - first : 0;
        uint32_t after = to < first + size ? to - first : size;
        if (!whole) memcpy(out, scratch + start, after - start);
        out += after - start;
    }
    return GT_OK;
}

/* Which part of one batch is wanted: bytes [from, to) and, of records, [first, after). */
struct gt_part {
    uint32_t from, to, first, after;
    int more; /* nothing behind this part belongs to the answer */
};

static inline uint32_t gt_record_start(const uint8_t *ends, uint32_t r) {
    return r ? gt_load32(ends + 4 * (size_t)r - 4) : 0;
}

static int gt_choose_part(const struct gt_read_args *a, const struct gt_entry *e,
                          const uint8_t *tables, size_t room, struct gt_part *part) {
    const uint8_t *deltas = tables + 4 * (size_t)e->record_count;
    uint32_t r = 0;
    if (a->first_ordinal > e->ordinal) {
        uint64_t skip = a->first_ordinal - e->ordinal;
        r = skip < e->record_count ? (uint32_t)skip : e->record_count;
    }
    while (r < e->record_count &&
           e->stamp + (e->flags & GT_FLAG_DELTAS ? gt_load32(deltas + 4 * (size_t)r) : 0) <
               a->first_stamp)
        r++;
    uint32_t from = a->first_offset > e->offset ? (uint32_t)(a->first_offset - e->offset) : 0;
    uint32_t limit = e->data_bytes;
    if (a->limit_offset < e->offset + e->data_bytes) limit = (uint32_t)(a->limit_offset - e->offset);
    if (r && gt_record_start(tables, r) > from) from = gt_record_start(tables, r);
    part->first = part->after = r;
    part->from = part->to = from;
    if (!a->records) {
        if (from >= limit) return part->more = limit < e->data_bytes, GT_OK;
        part->to = limit - from > room ? from + (uint32_t)room : limit;
        part->more = part->to < e->data_bytes;
        return GT_OK;
    }
    while (r < e->record_count && gt_record_start(tables, r) < from) r++;
    part->first = part->after = r;
    part->from = part->to = gt_record_start(tables, r);
    for (; r < e->record_count; r++) {
        uint32_t end = gt_load32(tables + 4 * (size_t)r);
        if (end > limit || end - part->from > room) break;
        part->after = r + 1;
        part->to = end;
    }
    part->more = part->after < e->record_count;
    return GT_OK;
}

/* Take what is wanted of the batch whose header e was judged; its body begins at body_at. */
static int gt_take_entry(struct gt_source *s, const struct gt_read_args *a,
                         const struct gt_entry *e, size_t body_at, size_t run_end,
                         struct gt_read_out *out, int *more) {
    const uint8_t *tables;
    int blocks = (e->flags & GT_FLAG_BLOCKS) != 0;
    size_t size = blocks ? e->tables_bytes : (size_t)e->tables_bytes + e->data_bytes;
    int verdict = gt_need(s, body_at, size, run_end, &tables);
    if (verdict != GT_OK) return verdict;
    if (gt_crc32c(0, tables, size) != e->checksum) return GT_BAD_CHECKSUM;
    verdict = gt_tables_judge(tables, e->record_count, e->flags, e->data_bytes);
    if (verdict != GT_OK) return verdict;
    struct gt_part part;
    gt_choose_part(a, e, tables, a->bytes_max - out->data_bytes, &part);
    *more = !part.more;
    if (part.from == part.to) {
        uint32_t start = gt_record_start(tables, part.first);
        if (a->records && !out->data_bytes && part.first < e->record_count) {
            uint32_t end = gt_load32(tables + 4 * (size_t)part.first);
            if (e->offset + end <= a->limit_offset) {
                out->needed = end - start;
                return GT_TOO_LONG;
            }
        }
        return GT_OK;
    }
    uint8_t *to = out->data + out->data_bytes;
    if (blocks) {
        verdict = gt_copy_blocks(s, gt_block_sums(tables, e->record_count, e->flags),
                                 body_at + e->tables_bytes, e->data_bytes, part.from, part.to, to);
        if (verdict != GT_OK) return verdict;
    } else {
        memcpy(to, tables + e->tables_bytes + part.from, part.to - part.from);
    }
    if (!out->data_bytes) {
        out->offset = e->offset + part.from;
        out->ordinal = e->ordinal + part.first;
    }
    out->checksum = gt_crc32c(out->checksum, to, part.to - part.from);
    out->data_bytes += part.to - part.from;
    out->next_offset = e->offset + part.to;
    for (uint32_t r = part.first; a->records && r < part.after; r++) {
        uint64_t stamp = e->stamp;
        if (e->flags & GT_FLAG_DELTAS)
            stamp += gt_load32(tables + 4 * ((size_t)e->record_count + r));
        uint32_t length = gt_load32(tables + 4 * (size_t)r) - gt_record_start(tables, r);
        if (gt_note_record(out, length, stamp) != GT_OK) {
            s->error = ENOMEM;
            return GT_IO_ERROR;
        }
    }
    return GT_OK;
}

/* The whole read; out->data has room for a->bytes_max bytes. */
static void gt_read_run(struct gt_source *s, const struct gt_read_args *a,
                        struct gt_read_out *out) {
    size_t at = a->position, end = a->position + a->count;
    int verdict = GT_OK, more = 1;
    out->offset = out->next_offset = a->first_offset;
    while (more && at < end && out->data_bytes < a->bytes_max) {
        const uint8_t *p;
        struct gt_entry e;
        verdict = gt_need(s, at, GT_ENTRY_HEADER_BYTES, end, &p);
        if (verdict == GT_OK) verdict = gt_entry_judge(p, p + GT_ENTRY_HEADER_BYTES, a->salt, &e);
        if (verdict != GT_OK) break;
        uint64_t after = e.offset + e.data_bytes;
        if (e.stream_id == a->stream_id && e.record_count && after > a->first_offset) {
            if (e.offset >= a->limit_offset || (out->data_bytes && e.offset != out->next_offset))
                break;
            size_t body_at = at + GT_ENTRY_HEADER_BYTES + e.control_bytes;
            verdict = gt_take_entry(s, a, &e, body_at, end, out, &more);
            if (verdict != GT_OK) break;
            if (!out->data_bytes && more) out->offset = out->next_offset = after;
        }
        at += e.entry_bytes;
    }
    int keep = out->data_bytes && verdict != GT_WOULD_BLOCK;
    out->verdict = keep ? GT_OK : verdict;
    out->position = at;
    out->error = s->error;
    free(s->window);
    s->window = NULL;
}

#endif
