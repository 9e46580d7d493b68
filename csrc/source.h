/* Bytes of a segment for the reading kernel: out of memory, or out of a file through a window. */
#ifndef GT_SOURCE_H
#define GT_SOURCE_H

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "layout.h"

/* The window begins small, and grows while reading goes on without a gap. */
#define GT_WINDOW_BYTES_MIN ((size_t)8 * 1024)
#define GT_WINDOW_BYTES_MAX ((size_t)256 * 1024)

struct gt_source {
    const uint8_t *memory; /* NULL: a file */
    size_t memory_bytes;
    int fd, nowait, error;
    uint8_t *window;
    size_t window_at, window_bytes, window_room, window_step;
};

/* Copy exactly n bytes from at on. */
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
        if (got < 0 && s->nowait && (errno == EAGAIN || errno == EOPNOTSUPP))
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

static int gt_fill_window(struct gt_source *s, size_t at, size_t n, size_t after) {
    int onward = at >= s->window_at && at - s->window_at <= s->window_bytes;
    size_t step = onward ? 2 * s->window_step : GT_WINDOW_BYTES_MIN;
    if (step < GT_WINDOW_BYTES_MIN) step = GT_WINDOW_BYTES_MIN;
    if (step > GT_WINDOW_BYTES_MAX) step = GT_WINDOW_BYTES_MAX;
    size_t size = step < n ? n : step;
    if (size > after - at) size = after - at;
    s->window_step = step;
    s->window_bytes = 0;
    if (size > s->window_room) {
        free(s->window);
        s->window = malloc(size);
        s->window_room = s->window ? size : 0;
        if (!s->window) {
            s->error = ENOMEM;
            return GT_IO_ERROR;
        }
    }
    int verdict = gt_fetch(s, at, size, s->window);
    if (verdict != GT_OK) return verdict;
    s->window_at = at;
    s->window_bytes = size;
    return GT_OK;
}

/* Point p at n bytes from at on, which end at or before `after`; good until the next call. */
static int gt_need(struct gt_source *s, size_t at, size_t n, size_t after, const uint8_t **p) {
    if (at > after || n > after - at) return GT_TORN;
    if (s->memory) {
        if (at > s->memory_bytes || n > s->memory_bytes - at) return GT_TORN;
        *p = s->memory + at;
        return GT_OK;
    }
    if (at < s->window_at || at - s->window_at > s->window_bytes ||
        n > s->window_bytes - (at - s->window_at)) {
        int verdict = gt_fill_window(s, at, n, after);
        if (verdict != GT_OK) return verdict;
    }
    *p = s->window + (at - s->window_at);
    return GT_OK;
}

static inline void gt_source_close(struct gt_source *s) {
    free(s->window);
    s->window = NULL;
    s->window_room = s->window_bytes = 0;
}

#endif
