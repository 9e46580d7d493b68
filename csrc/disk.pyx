"""Native threads that write, sync and read without the interpreter, and reads on this thread."""

import os

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset
from posix.unistd cimport close

from csrc.crc32c cimport gt_crc32c_init
from csrc.disk cimport (
    GT_JOB_GROUP, GT_JOB_READ, GT_JOB_SYNC, GT_JOB_WRITE, gt_job, gt_job_kind, gt_pool,
    gt_pool_drain, gt_pool_start, gt_pool_stop, gt_pool_submit, gt_read_args, gt_read_out,
    gt_read_run, gt_source, iovec)
from csrc.layout cimport GT_GROUP_HEAD_BYTES

gt_crc32c_init()


cdef class ReadRun:
    """Bytes of one stream out of a run of entries."""

    cdef readonly int verdict, error_number
    cdef readonly uint64_t position, needed, offset, next_offset, ordinal
    cdef readonly uint32_t checksum
    cdef readonly bytes data, lengths, timestamps


cdef ReadRun _run_of(gt_read_out *out, bytes data):
    """What a read found, as an object; frees what the read has grown."""
    cdef ReadRun run = ReadRun.__new__(ReadRun)
    run.verdict = out.verdict
    run.error_number = out.error
    run.position = out.position
    run.needed = out.needed
    run.offset = out.offset
    run.next_offset = out.next_offset
    run.ordinal = out.ordinal
    run.checksum = out.checksum
    run.data = data if <size_t>len(data) == out.data_bytes else data[:out.data_bytes]
    run.lengths = PyBytes_FromStringAndSize(<char *>out.lengths, 4 * out.record_count)
    run.timestamps = PyBytes_FromStringAndSize(<char *>out.stamps, 8 * out.record_count)
    free(out.lengths)
    free(out.stamps)
    out.lengths = out.stamps = NULL
    return run


cdef gt_read_args _args(
        size_t position, size_t count, uint32_t salt, uint64_t stream_id, uint64_t first_offset,
        uint64_t limit_offset, uint64_t first_ordinal, uint64_t first_stamp, size_t bytes_max,
        bint records) noexcept:
    cdef gt_read_args a
    a.position = position
    a.count = count
    a.salt = salt
    a.stream_id = stream_id
    a.first_offset = first_offset
    a.limit_offset = limit_offset
    a.first_ordinal = first_ordinal
    a.first_stamp = first_stamp
    # No run gives more bytes than it is long, nor more than the limit leaves.
    a.bytes_max = min(bytes_max, count, limit_offset - min(first_offset, limit_offset))
    a.records = records
    return a


cdef ReadRun _read(gt_source *source, gt_read_args *a):
    cdef gt_read_out out
    memset(&out, 0, sizeof(out))
    cdef bytes data = PyBytes_FromStringAndSize(NULL, a.bytes_max)
    out.data = <uint8_t *>PyBytes_AS_STRING(data)
    with nogil:
        gt_read_run(source, a, &out)
    return _run_of(&out, data)


def read_run(
        const uint8_t[::1] buffer not None, size_t position, size_t count, uint32_t salt,
        uint64_t stream_id, uint64_t first_offset, uint64_t limit_offset, uint64_t first_ordinal,
        uint64_t first_stamp, size_t bytes_max, bint records):
    """Read one stream's bytes out of the entries in [position, position + count) of a segment."""
    cdef gt_source source
    cdef gt_read_args a = _args(
        position, count, salt, stream_id, first_offset, limit_offset, first_ordinal, first_stamp,
        bytes_max, records)
    memset(&source, 0, sizeof(source))
    source.memory = &buffer[0] if buffer.shape[0] else <const uint8_t *>b""
    source.memory_bytes = buffer.shape[0]
    return _read(&source, &a)


def read_file_run(
        int fd, size_t position, size_t count, uint32_t salt, uint64_t stream_id,
        uint64_t first_offset, uint64_t limit_offset, uint64_t first_ordinal,
        uint64_t first_stamp, size_t bytes_max, bint records, bint nowait):
    """``read_run`` on a file; a small range of a large batch is read without the rest of it."""
    cdef gt_source source
    cdef gt_read_args a = _args(
        position, count, salt, stream_id, first_offset, limit_offset, first_ordinal, first_stamp,
        bytes_max, records)
    memset(&source, 0, sizeof(source))
    source.fd = fd
    source.nowait = nowait
    return _read(&source, &a)


cdef class _Held:
    """The buffers of one job, held until it has ended; or the bytes that a read fills."""

    cdef Py_buffer *views
    cdef size_t count
    cdef bytes data

    def __dealloc__(self):
        cdef size_t i
        for i in range(self.count):
            PyBuffer_Release(&self.views[i])
        free(self.views)


cdef class DiskThreads:
    """Native threads that write, sync and read without ever taking the GIL."""

    cdef gt_pool pool
    cdef dict held
    cdef bint open
    cdef uint64_t groups
    cdef double group_seconds, group_longest

    def __cinit__(self, size_t threads):
        if not 1 <= threads <= 64:
            raise ValueError(f"1 to 64 threads, not {threads}")
        self.held = {}
        cdef int error = gt_pool_start(&self.pool, threads)
        if error:
            gt_pool_stop(&self.pool)
            raise OSError(error, os.strerror(error))
        self.open = True

    def __dealloc__(self):
        if self.open:
            gt_pool_stop(&self.pool)
            self._free(gt_pool_drain(&self.pool))
            close(self.pool.wake_fd)

    cdef void _free(self, gt_job *job) noexcept:
        cdef gt_job *after
        while job != NULL:
            after = job.next
            free(job.out.lengths)
            free(job.out.stamps)
            free(job.parts)
            free(job)
            job = after

    def fileno(self):
        """The eventfd that becomes readable when jobs have ended."""
        return self.pool.wake_fd

    cdef gt_job *_job(self, uint64_t ticket, gt_job_kind kind, int fd) except NULL:
        if not self.open:
            raise ValueError("the threads are closed")
        if ticket in self.held:
            raise ValueError(f"the ticket {ticket} is under way")
        cdef gt_job *job = <gt_job *>calloc(1, sizeof(gt_job))
        if job == NULL:
            raise MemoryError
        job.ticket = ticket
        job.kind = kind
        job.fd = fd
        return job

    cdef int _submit_parts(
            self, uint64_t ticket, gt_job_kind kind, int fd, long long position, object buffers,
            bint sync, uint32_t seed) except -1:
        cdef _Held held = _Held()
        cdef size_t count = len(buffers), i
        cdef int flags = PyBUF_SIMPLE
        held.views = <Py_buffer *>calloc(max(count, 1), sizeof(Py_buffer))
        if held.views == NULL:
            raise MemoryError
        for i in range(count):
            PyObject_GetBuffer(buffers[i], &held.views[i], flags)
            held.count += 1
        if kind == GT_JOB_GROUP and (
                count == 0 or held.views[0].readonly
                or held.views[0].len < <Py_ssize_t>GT_GROUP_HEAD_BYTES):
            raise ValueError("a group begins with its writable head")
        cdef gt_job *job = self._job(ticket, kind, fd)
        job.parts = <iovec *>malloc(max(count, 1) * sizeof(iovec))
        if job.parts == NULL:
            free(job)
            raise MemoryError
        for i in range(count):
            job.parts[i].iov_base = held.views[i].buf
            job.parts[i].iov_len = held.views[i].len
        job.part_count = count
        job.position = position
        job.sync = sync
        job.seed = seed
        self.held[ticket] = held
        gt_pool_submit(&self.pool, job)
        return 0

    def submit_write(self, uint64_t ticket, int fd, long long position, buffers not None, bint sync):
        """pwritev all buffers, short writes continued, then fdatasync if ``sync``."""
        self._submit_parts(ticket, GT_JOB_WRITE, fd, position, buffers, sync, 0)

    def submit_group(
            self, uint64_t ticket, int fd, long long position, uint32_t seed, buffers not None):
        """Complete a journal group's checksums (buffers[0] is its head), write and sync it."""
        self._submit_parts(ticket, GT_JOB_GROUP, fd, position, buffers, True, seed)

    def submit_sync(self, uint64_t ticket, int fd):
        """fdatasync."""
        self._submit_parts(ticket, GT_JOB_SYNC, fd, 0, (), True, 0)

    def submit_read(
            self, uint64_t ticket, int fd, size_t position, size_t count, uint32_t salt,
            uint64_t stream_id, uint64_t first_offset, uint64_t limit_offset,
            uint64_t first_ordinal, uint64_t first_stamp, size_t bytes_max, bint records):
        """``read_file_run`` on a thread."""
        cdef gt_job *job = self._job(ticket, GT_JOB_READ, fd)
        job.args = _args(
            position, count, salt, stream_id, first_offset, limit_offset, first_ordinal,
            first_stamp, bytes_max, records)
        cdef _Held held
        try:
            held = _Held()
            held.data = PyBytes_FromStringAndSize(NULL, job.args.bytes_max)
        except MemoryError:
            free(job)
            raise
        job.out.data = <uint8_t *>PyBytes_AS_STRING(held.data)
        self.held[ticket] = held
        gt_pool_submit(&self.pool, job)

    def completed(self):
        """Jobs that have ended since the last call: (ticket, errno or 0, what was read)."""
        cdef gt_job *job = gt_pool_drain(&self.pool)
        cdef gt_job *first = job
        cdef list ended = []
        cdef _Held held
        while job != NULL:
            held = self.held.pop(job.ticket)
            run = _run_of(&job.out, held.data) if job.kind == GT_JOB_READ else None
            if job.kind == GT_JOB_GROUP:
                self.groups += 1
                self.group_seconds += job.seconds
                self.group_longest = max(self.group_longest, job.seconds)
            ended.append((job.ticket, job.error, run))
            job = job.next
        self._free(first)
        return ended

    def seconds(self):
        """Groups written, and the total and the longest seconds that their write and sync took."""
        return self.groups, self.group_seconds, self.group_longest

    def close(self):
        """Finish what was submitted, then end the threads. Closing twice is fine."""
        if self.open:
            with nogil:
                gt_pool_stop(&self.pool)
            self.completed()
            self.open = False
            close(self.pool.wake_fd)
