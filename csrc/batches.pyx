"""Batches: records joined, tables made and judged."""

from cpython.buffer cimport PyBuffer_Release, PyObject_CheckBuffer
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE)
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from csrc.batch cimport (
    gt_batch_judge, gt_ends_from_lengths, gt_last_delta, gt_payload_close, gt_tables_bytes,
    gt_tables_judge)
from csrc.buffer cimport take_buffer
from csrc.crc32c cimport gt_crc32c_init
from csrc.layout cimport (
    GT_BLOCK_BYTES, GT_DATA_BYTES_MAX, GT_FLAG_BLOCKS, GT_FLAG_DELTAS, GT_NOGIL_BYTES, GT_OK,
    GT_RECORDS_MAX, gt_store32)

gt_crc32c_init()

BATCH_BLOCKS = GT_FLAG_BLOCKS
BATCH_BLOCK_BYTES = GT_BLOCK_BYTES
BATCH_DELTAS = GT_FLAG_DELTAS


cdef bytes _words(object values):
    """Numbers as uint32, little-endian; a buffer holds them already."""
    if PyObject_CheckBuffer(values):
        view = memoryview(values)
        if view.itemsize not in (1, 4) or view.nbytes % 4:
            raise ValueError("a buffer of numbers holds uint32, 4 bytes each")
        return view.tobytes()
    cdef tuple numbers = tuple(values)
    cdef bytes words = PyBytes_FromStringAndSize(NULL, 4 * len(numbers))
    cdef uint8_t *at = <uint8_t *>PyBytes_AS_STRING(words)
    cdef uint32_t word
    for number in numbers:
        word = number
        gt_store32(at, word)
        at += 4
    return words


cdef bytes _tables_for(size_t count, size_t data_bytes, uint16_t flags):
    """Room for the tables of a batch that is within the limits."""
    if count == 0 or count > GT_RECORDS_MAX:
        raise ValueError(f"a batch has 1 to {GT_RECORDS_MAX} records, not {count}")
    if data_bytes > GT_DATA_BYTES_MAX:
        raise ValueError(f"a batch has up to {GT_DATA_BYTES_MAX} bytes, not {data_bytes}")
    return PyBytes_FromStringAndSize(
        NULL, gt_tables_bytes(<uint32_t>count, flags, data_bytes))


cdef uint32_t _close(
        bytes tables, const uint8_t *data, size_t data_bytes, uint32_t count, uint16_t flags):
    """The block checksums written behind the other tables; the payload's checksum."""
    cdef uint8_t *p = <uint8_t *>PyBytes_AS_STRING(tables)
    cdef size_t size = PyBytes_GET_SIZE(tables)
    cdef uint32_t checksum
    if data_bytes < GT_NOGIL_BYTES:
        return gt_payload_close(p, size, data, data_bytes, count, flags)
    with nogil:
        checksum = gt_payload_close(p, size, data, data_bytes, count, flags)
    return checksum


cdef tuple _tables(bytes lengths, const uint8_t *data, size_t data_bytes, bytes deltas):
    """Tables, flags and checksum of a batch."""
    cdef size_t ends_bytes = PyBytes_GET_SIZE(lengths)
    cdef uint32_t count = <uint32_t>(ends_bytes // 4)
    cdef uint16_t flags = GT_FLAG_BLOCKS if data_bytes > GT_BLOCK_BYTES else 0
    if deltas is not None:
        flags |= GT_FLAG_DELTAS
        if <size_t>PyBytes_GET_SIZE(deltas) != ends_bytes:
            raise ValueError(f"{len(deltas) // 4} deltas for {ends_bytes // 4} records")
    cdef bytes tables = _tables_for(ends_bytes // 4, data_bytes, flags)
    cdef uint8_t *p = <uint8_t *>PyBytes_AS_STRING(tables)
    memcpy(p, PyBytes_AS_STRING(lengths), ends_bytes)
    if gt_ends_from_lengths(p, count, data_bytes) != GT_OK:
        raise ValueError(
            f"a record is empty, or the lengths do not add up to {data_bytes} bytes of data")
    if deltas is not None:
        memcpy(p + ends_bytes, PyBytes_AS_STRING(deltas), ends_bytes)
    if gt_tables_judge(p, count, flags, <uint32_t>data_bytes) != GT_OK:
        raise ValueError("deltas begin with 0 and never fall")
    return tables, flags, _close(tables, data, data_bytes, count, flags)


def build_tables(lengths, data, deltas=None):
    """Tables, flags and checksum of a batch whose records lie contiguous in ``data``."""
    cdef bytes sizes = _words(lengths)
    cdef bytes times = None if deltas is None else _words(deltas)
    cdef Py_buffer view
    cdef const uint8_t *start = take_buffer(data, &view)
    try:
        return _tables(sizes, start, view.len, times)
    finally:
        PyBuffer_Release(&view)


cdef inline size_t _record_bytes(object record) except? 0:
    cdef Py_buffer view
    if PyBytes_CheckExact(record):
        return PyBytes_GET_SIZE(record)
    take_buffer(record, &view)
    PyBuffer_Release(&view)
    return view.len


cdef size_t _copy_view(object record, uint8_t *to, size_t room) except? 0:
    """Copy a record that is no bytes object if it still fits; its length either way."""
    cdef Py_buffer view
    cdef const uint8_t *start = take_buffer(record, &view)
    if <size_t>view.len <= room:
        memcpy(to, start, view.len)
    PyBuffer_Release(&view)
    return view.len


def join_records(records):
    """(tables, data, flags, checksum) of a batch made of separate records; copies them once."""
    cdef tuple items = tuple(records)
    cdef size_t total = 0, end = 0, size
    for record in items:
        total += _record_bytes(record)
    cdef uint16_t flags = GT_FLAG_BLOCKS if total > GT_BLOCK_BYTES else 0
    cdef bytes tables = _tables_for(len(items), total, flags)
    cdef bytes data = PyBytes_FromStringAndSize(NULL, total)
    cdef uint8_t *at = <uint8_t *>PyBytes_AS_STRING(tables)
    cdef uint8_t *to = <uint8_t *>PyBytes_AS_STRING(data)
    for record in items:
        if PyBytes_CheckExact(record):
            size = PyBytes_GET_SIZE(record)
            memcpy(to + end, PyBytes_AS_STRING(record), size)
        else:
            size = _copy_view(record, to + end, total - end)
        # A buffer may be another length when it is asked a second time.
        if size == 0 or size > total - end:
            raise ValueError("a record is empty, or changed its length while it was copied")
        end += size
        gt_store32(at, <uint32_t>end)
        at += 4
    if end != total:
        raise ValueError("a record changed its length while it was copied")
    return tables, data, flags, _close(tables, to, total, len(items), flags)


def check_batch(uint32_t record_count, uint32_t flags, tables, data, uint32_t checksum):
    """Judge a batch that came from elsewhere. A verdict."""
    cdef Py_buffer table_view, data_view
    cdef int verdict
    cdef const uint8_t *t = take_buffer(tables, &table_view)
    cdef const uint8_t *d
    try:
        d = take_buffer(data, &data_view)
    except BaseException:
        PyBuffer_Release(&table_view)
        raise
    if data_view.len < GT_NOGIL_BYTES:
        verdict = gt_batch_judge(
            record_count, flags, t, table_view.len, d, data_view.len, checksum)
    else:
        with nogil:
            verdict = gt_batch_judge(
                record_count, flags, t, table_view.len, d, data_view.len, checksum)
    PyBuffer_Release(&data_view)
    PyBuffer_Release(&table_view)
    return verdict


def last_delta(uint32_t record_count, uint16_t flags, const uint8_t[::1] tables not None):
    """Milliseconds from a batch's first record to its last; 0 without deltas."""
    if <size_t>tables.shape[0] < gt_tables_bytes(record_count, flags & GT_FLAG_DELTAS, 0):
        raise ValueError("the tables are too short for their record count")
    return gt_last_delta(&tables[0], record_count, flags) if record_count else 0
