/* Native threads that write, sync and read; they never touch the interpreter. */
#ifndef GT_DISK_H
#define GT_DISK_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

#include "reading.h"

enum { GT_THREADS_MAX = 64 };

enum gt_job_kind { GT_JOB_WRITE, GT_JOB_GROUP, GT_JOB_SYNC, GT_JOB_READ };

/* Some of a group's parts, once more, for a file of their own. */
struct gt_along {
    int fd;
    off_t position;
    struct iovec *parts; /* copies, behind all along: writing uses parts up */
    size_t part_count;
};

enum { GT_ALONG_BYTES = 32 }; /* fd, position, number of the first part, count: 64 bits each */

struct gt_job {
    struct gt_job *next;
    uint64_t ticket;
    enum gt_job_kind kind;
    int fd, error;
    uint32_t seed;
    off_t position;
    struct iovec *parts; /* freed with the job */
    size_t part_count;
    struct gt_along *along; /* freed with the job; written, not synced, once the group is durable */
    size_t along_count, files_done;
    struct gt_read_args args;
    struct gt_read_out out;
    double seconds;
    void *owner; /* what keeps the parts or the read's data alive: the submitter's matter */
};

struct gt_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct gt_job *first, *last; /* waiting */
    struct gt_job *done, *done_last;
    int wake_fd, stopping;
    size_t thread_count;
    pthread_t threads[GT_THREADS_MAX];
};

static double gt_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* pwritev all parts, going on after short writes; 0 or an errno. Uses the parts up. */
static int gt_write_parts(int fd, off_t position, struct iovec *parts, size_t count) {
    while (count) {
        if (parts->iov_len == 0) {
            parts++;
            count--;
            continue;
        }
        int batch = count < IOV_MAX ? (int)count : IOV_MAX;
        ssize_t put = pwritev(fd, parts, batch, position);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno;
        if (put == 0) return EIO;
        position += put;
        for (size_t left = (size_t)put; left;) {
            size_t step = left < parts->iov_len ? left : parts->iov_len;
            parts->iov_base = (uint8_t *)parts->iov_base + step;
            parts->iov_len -= step;
            left -= step;
            if (parts->iov_len == 0) {
                parts++;
                count--;
            }
        }
    }
    return 0;
}

static int gt_sync(int fd) {
    while (fdatasync(fd) < 0)
        if (errno != EINTR) return errno;
    return 0;
}

/* Fill in the checksums of a journal group whose first part is its head. */
static void gt_complete_group(uint32_t seed, const struct iovec *parts, size_t count) {
    uint8_t *head = parts[0].iov_base;
    uint32_t crc =
        gt_crc32c(seed, head + GT_GROUP_HEAD_BYTES, parts[0].iov_len - GT_GROUP_HEAD_BYTES);
    for (size_t i = 1; i < count; i++) crc = gt_crc32c(crc, parts[i].iov_base, parts[i].iov_len);
    gt_store32(head + 36, crc);
    gt_store32(head + 60, gt_crc32c(seed, head, 60));
}

static void gt_run_job(struct gt_job *job) {
    if (job->kind == GT_JOB_READ) {
        struct gt_source source = {.fd = job->fd};
        gt_read_run(&source, &job->args, &job->out);
        return;
    }
    if (job->kind == GT_JOB_GROUP) gt_complete_group(job->seed, job->parts, job->part_count);
    double start = gt_now();
    job->error = gt_write_parts(job->fd, job->position, job->parts, job->part_count);
    if (!job->error && job->kind != GT_JOB_WRITE) job->error = gt_sync(job->fd);
    job->seconds = gt_now() - start;
    if (job->error) return;
    for (size_t i = 0; i < job->along_count && !job->error; i++) {
        const struct gt_along *a = &job->along[i];
        job->files_done++;
        job->error = gt_write_parts(a->fd, a->position, a->parts, a->part_count);
    }
}

static void *gt_work(void *argument) {
    struct gt_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->first && !pool->stopping) pthread_cond_wait(&pool->work, &pool->lock);
        struct gt_job *job = pool->first;
        if (!job) break;
        pool->first = job->next;
        if (!pool->first) pool->last = NULL;
        pthread_mutex_unlock(&pool->lock);
        gt_run_job(job);
        pthread_mutex_lock(&pool->lock);
        job->next = NULL;
        int silent = pool->done == NULL;
        if (pool->done_last) pool->done_last->next = job;
        else pool->done = job;
        pool->done_last = job;
        /* Who drains the list clears the eventfd first: one wake-up for all that has ended. */
        if (silent) eventfd_write(pool->wake_fd, 1);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Have parts of a job written to other files, too, as rows of GT_ALONG_BYTES say; 0 or an errno. */
static int gt_take_along(struct gt_job *job, const uint8_t *rows, size_t bytes) {
    size_t count = bytes / GT_ALONG_BYTES, copies = 0;
    if (bytes % GT_ALONG_BYTES) return EINVAL;
    for (const uint8_t *row = rows; row < rows + bytes; row += GT_ALONG_BYTES) {
        uint64_t first = gt_load64(row + 16), parts = gt_load64(row + 24);
        if (first > job->part_count || parts > job->part_count - first) return EINVAL;
        copies += parts;
    }
    if (!count) return 0;
    job->along = malloc(count * sizeof(struct gt_along) + copies * sizeof(struct iovec));
    if (!job->along) return ENOMEM;
    struct iovec *to = (struct iovec *)(job->along + count);
    for (; job->along_count < count; rows += GT_ALONG_BYTES) {
        struct gt_along *a = &job->along[job->along_count++];
        a->fd = (int)gt_load64(rows);
        a->position = (off_t)gt_load64(rows + 8);
        a->parts = to;
        a->part_count = gt_load64(rows + 24);
        memcpy(to, job->parts + gt_load64(rows + 16), a->part_count * sizeof *to);
        to += a->part_count;
    }
    return 0;
}

static void gt_free_job(struct gt_job *job) {
    free(job->out.lengths);
    free(job->out.stamps);
    free(job->parts);
    free(job->along);
    free(job);
}

/* Finish what waits, then end the threads. What has ended can still be drained. */
static void gt_pool_stop(struct gt_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->stopping = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++) pthread_join(pool->threads[i], NULL);
    pthread_mutex_lock(&pool->lock);
    pool->thread_count = 0;
    if (pool->wake_fd >= 0) close(pool->wake_fd);
    pool->wake_fd = -1;
    pthread_mutex_unlock(&pool->lock);
}

/* Start so many threads, or none: 0 or an errno. Signals stay with the interpreter's threads, but
 * for those that a fault of the thread's own raises. */
static int gt_pool_start(struct gt_pool *pool, size_t threads) {
    sigset_t all, before;
    memset(pool, 0, sizeof *pool);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = pool->wake_fd < 0 ? errno : 0;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (!error && pool->thread_count < threads) {
        error = pthread_create(&pool->threads[pool->thread_count], NULL, gt_work, pool);
        if (!error) pool->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) gt_pool_stop(pool);
    return error;
}

static void gt_pool_submit(struct gt_pool *pool, struct gt_job *job) {
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->last) pool->last->next = job;
    else pool->first = job;
    pool->last = job;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

/* All jobs that have ended since the last call, in the order in which they ended. */
static struct gt_job *gt_pool_drain(struct gt_pool *pool) {
    eventfd_t ignored;
    pthread_mutex_lock(&pool->lock);
    if (pool->wake_fd >= 0) eventfd_read(pool->wake_fd, &ignored);
    struct gt_job *done = pool->done;
    pool->done = pool->done_last = NULL;
    pthread_mutex_unlock(&pool->lock);
    return done;
}

/* Put back the rest of what was drained, to be drained again first. */
static void gt_pool_give_back(struct gt_pool *pool, struct gt_job *jobs) {
    struct gt_job *last = jobs;
    while (last->next) last = last->next;
    pthread_mutex_lock(&pool->lock);
    last->next = pool->done;
    if (!pool->done) pool->done_last = last;
    pool->done = jobs;
    if (pool->wake_fd >= 0) eventfd_write(pool->wake_fd, 1);
    pthread_mutex_unlock(&pool->lock);
}

#endif
