"""Native threads that write, sync and read without the interpreter, and reads on this thread."""

import os

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF, PyObject
from libc.errno cimport ENOMEM
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from csrc.buffer cimport take_buffer
from csrc.crc32c cimport gt_crc32c_init
from csrc.disk cimport (
    GT_JOB_GROUP, GT_JOB_READ, GT_JOB_SYNC, GT_JOB_WRITE, GT_THREADS_MAX, gt_free_job, gt_job,
    gt_job_kind, gt_pool, gt_pool_drain, gt_pool_give_back, gt_pool_start, gt_pool_stop,
    gt_pool_submit, gt_read_args, gt_read_out, gt_read_run, gt_source, gt_take_along, iovec)
from csrc.layout cimport GT_GROUP_HEAD_BYTES
from csrc.wire cimport (
    GT_MESSAGE_BYTES_MAX, gt_encode, gt_encoded_bytes, gt_put, gt_read_response, gt_value,
    gt_varint_bytes, gt_write_varint)

cdef extern from "Python.h":
    PyObject *new_bytes "PyBytes_FromStringAndSize"(
        const char *content, Py_ssize_t size) except NULL
    char *start_of "PyBytes_AS_STRING"(PyObject *content)
    int _PyBytes_Resize(PyObject **content, Py_ssize_t size) except -1

gt_crc32c_init()


include "reading.pxi"


cdef class _Owner:
    """What one job works on: the buffers that it writes, or the bytes that it fills."""

    cdef Py_buffer *views
    cdef size_t count
    cdef ReadData data

    def __dealloc__(self):
        cdef size_t i
        for i in range(self.count):
            PyBuffer_Release(&self.views[i])
        free(self.views)

    cdef int hold(self, object buffers) except -1:
        cdef size_t count = len(buffers)
        self.views = <Py_buffer *>calloc(count + 1, sizeof(Py_buffer))
        if self.views == NULL:
            raise MemoryError
        for buffer in buffers:
            if self.count == count:
                raise ValueError("the sequence of buffers grew while it was read")
            PyObject_GetBuffer(buffer, &self.views[self.count], PyBUF_SIMPLE)
            self.count += 1
        return 0


cdef tuple _outcome(gt_job *job):
    """How a job ended; where there is no memory to say so, ask again."""
    cdef _Owner owner = <_Owner>job.owner
    if job.kind != GT_JOB_READ:
        return job.ticket, job.error, job.files_done if job.error and job.along_count else None
    return job.ticket, job.error, _run_of(&job.out, owner.data)


cdef gt_job *_freed(gt_job *job) noexcept:
    """Free a job and what it works on; the one behind it."""
    cdef gt_job *after = job.next
    Py_DECREF(<_Owner>job.owner)
    gt_free_job(job)
    return after


cdef class DiskThreads:
    """Native threads that write, sync and read without ever taking the GIL."""

    # What jobs work on is held by the jobs alone, out of the garbage collector's reach: it may
    # clear the members of a dead object while a thread still writes what they hold.
    cdef gt_pool pool
    cdef list told
    cdef bint open
    cdef uint64_t groups
    cdef double group_seconds, group_longest

    def __cinit__(self, size_t threads):
        if not 1 <= threads <= GT_THREADS_MAX:
            raise ValueError(f"1 to {GT_THREADS_MAX} threads, not {threads}")
        self.told = []
        cdef int error = gt_pool_start(&self.pool, threads)
        if error:
            raise OSError(error, os.strerror(error))
        self.open = True

    def __dealloc__(self):
        if self.open:
            gt_pool_stop(&self.pool)
        cdef gt_job *job = gt_pool_drain(&self.pool)
        while job != NULL:
            job = _freed(job)

    def fileno(self):
        """The eventfd that becomes readable when jobs have ended."""
        if not self.open:
            raise ValueError("the threads are closed")
        return self.pool.wake_fd

    cdef gt_job *_job(self, uint64_t ticket, gt_job_kind kind, int fd, _Owner owner) except NULL:
        if not self.open:
            raise ValueError("the threads are closed")
        cdef gt_job *job = <gt_job *>calloc(1, sizeof(gt_job))
        if job == NULL:
            raise MemoryError
        job.ticket = ticket
        job.kind = kind
        job.fd = fd
        Py_INCREF(owner)
        job.owner = <void *>owner
        return job

    cdef int _write(
            self, uint64_t ticket, gt_job_kind kind, int fd, long long position, object buffers,
            uint32_t seed, bytes along) except -1:
        cdef _Owner owner = _Owner()
        cdef size_t i
        cdef int error
        owner.hold(buffers)
        if kind == GT_JOB_GROUP and (
                owner.count == 0 or owner.views[0].readonly
                or owner.views[0].len < <Py_ssize_t>GT_GROUP_HEAD_BYTES):
            raise ValueError("a group begins with its writable head")
        cdef gt_job *job = self._job(ticket, kind, fd, owner)
        job.parts = <iovec *>calloc(owner.count + 1, sizeof(iovec))
        if job.parts == NULL:
            _freed(job)
            raise MemoryError
        for i in range(owner.count):
            job.parts[i].iov_base = owner.views[i].buf
            job.parts[i].iov_len = owner.views[i].len
        job.part_count = owner.count
        error = gt_take_along(job, <const uint8_t *>PyBytes_AS_STRING(along), len(along))
        if error:
            _freed(job)
            raise MemoryError if error == ENOMEM else ValueError("along names what is not there")
        job.position = position
        job.seed = seed
        gt_pool_submit(&self.pool, job)
        return 0

    def submit_write(self, uint64_t ticket, int fd, long long position, buffers not None):
        """pwritev all buffers, short writes continued."""
        self._write(ticket, GT_JOB_WRITE, fd, position, buffers, 0, b"")

    def submit_group(
            self, uint64_t ticket, int fd, long long position, uint32_t seed, buffers not None,
            bytes along not None=b""):
        """Complete a group's checksums (in buffers[0]), write and sync it; then what is along."""
        self._write(ticket, GT_JOB_GROUP, fd, position, buffers, seed, along)

    def submit_sync(self, uint64_t ticket, int fd):
        """fdatasync."""
        self._write(ticket, GT_JOB_SYNC, fd, 0, (), 0, b"")

    def submit_read(
            self, uint64_t ticket, int fd, size_t position, size_t count, uint32_t salt,
            uint64_t stream_id, uint64_t first_offset, uint64_t limit_offset,
            uint64_t first_ordinal, uint64_t first_stamp, size_t bytes_max, bint records):
        """``read_file_run`` on a thread."""
        cdef gt_read_args args = _args(
            position, count, salt, stream_id, first_offset, limit_offset, first_ordinal,
            first_stamp, bytes_max, records)
        cdef _Owner owner = _Owner()
        cdef ReadData data = ReadData.__new__(ReadData)
        owner.data = data
        cdef uint8_t *start = data.take_room(args.bytes_max)
        cdef gt_job *job = self._job(ticket, GT_JOB_READ, fd, owner)
        job.args = args
        job.out.data = start
        gt_pool_submit(&self.pool, job)

    def completed(self):
        """Jobs that have ended since the last call: (ticket, errno or 0, what was read)."""
        cdef list told, fresh = []
        cdef gt_job *job = gt_pool_drain(&self.pool)
        try:
            while job != NULL:
                self.told.append(_outcome(job))
                if job.kind == GT_JOB_GROUP:
                    self.groups += 1
                    self.group_seconds += job.seconds
                    self.group_longest = max(self.group_longest, job.seconds)
                job = _freed(job)
        finally:
            if job != NULL:
                gt_pool_give_back(&self.pool, job)
        told, self.told = self.told, fresh
        return told

    def seconds(self):
        """Groups written, and the total and the longest seconds that their write and sync took."""
        return self.groups, self.group_seconds, self.group_longest

    def close(self):
        """Finish what was submitted, then end the threads. Closing twice is fine."""
        if self.open:
            self.open = False
            with nogil:
                gt_pool_stop(&self.pool)
