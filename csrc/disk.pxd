from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len

cdef extern from "disk.h" nogil:
    struct gt_source:
        const uint8_t *memory
        size_t memory_bytes
        int fd, nowait, error
    struct gt_read_args:
        size_t position, count
        uint32_t salt
        int records
        uint64_t stream_id, first_offset, limit_offset, first_ordinal, first_stamp
        size_t bytes_max
    struct gt_read_out:
        int verdict, error
        size_t position, needed
        uint64_t offset, next_offset, ordinal
        uint8_t *data
        size_t data_bytes
        uint8_t *lengths
        uint8_t *stamps
        size_t record_count
        uint32_t checksum
    void gt_read_run(gt_source *s, const gt_read_args *a, gt_read_out *out) noexcept
    enum gt_job_kind:
        GT_JOB_WRITE, GT_JOB_GROUP, GT_JOB_SYNC, GT_JOB_READ
    struct gt_job:
        gt_job *next
        uint64_t ticket
        gt_job_kind kind
        int fd, error
        uint32_t seed
        long long position
        iovec *parts
        size_t part_count
        size_t along_count, files_done
        gt_read_args args
        gt_read_out out
        double seconds
        void *owner
    int gt_take_along(gt_job *job, const uint8_t *rows, size_t bytes) noexcept
    void gt_free_job(gt_job *job) noexcept
    struct gt_pool:
        int wake_fd
    enum:
        GT_THREADS_MAX
    int gt_pool_start(gt_pool *pool, size_t threads) noexcept
    void gt_pool_submit(gt_pool *pool, gt_job *job) noexcept
    gt_job *gt_pool_drain(gt_pool *pool) noexcept
    void gt_pool_give_back(gt_pool *pool, gt_job *jobs) noexcept
    void gt_pool_stop(gt_pool *pool) noexcept
