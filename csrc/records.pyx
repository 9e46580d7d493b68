"""A client's records: gathered into batches without an object each, and made of answers again."""

from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE)
from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from csrc.batch cimport gt_payload_close, gt_tables_bytes
from csrc.buffer cimport take_buffer
from csrc.crc32c cimport gt_crc32c_init
from csrc.layout cimport (
    GT_BLOCK_BYTES, GT_DATA_BYTES_MAX, GT_FLAG_BLOCKS, GT_NOGIL_BYTES, GT_RECORDS_MAX, gt_load32,
    gt_load64, gt_store32)

cdef extern from "Python.h":
    PyTypeObject PyTuple_Type
    object PyType_GenericAlloc(PyTypeObject *kind, Py_ssize_t count)
    bint PyType_IsSubtype(PyTypeObject *kind, PyTypeObject *base)
    # Declared on objects, so that Cython counts no reference twice: the item's goes to the tuple.
    void PyTuple_SET_ITEM(object container, Py_ssize_t place, PyObject *item)
    void Py_INCREF(object item)
    void PyObject_GC_UnTrack(object item)

gt_crc32c_init()

ADD_NO_ROOM = -1
ADD_NO_RECORD = -2

cdef enum:
    NO_ROOM = -1
    NO_RECORD = -2
    ROOM_BYTES_FIRST = 4096


cdef uint8_t *_grown(uint8_t *old, size_t *room, size_t needed) except NULL:
    """At least ``needed`` bytes that begin with the old ones."""
    cdef size_t wanted = max(<size_t>ROOM_BYTES_FIRST, 2 * room[0])
    wanted = max(wanted, needed)
    cdef void *new = realloc(old, wanted)
    if new is NULL:
        raise MemoryError
    room[0] = wanted
    return <uint8_t *>new


cdef class BatchBuilder:
    """See records.pyi. Not safe for several threads at once."""

    cdef uint8_t *_data
    cdef uint8_t *_ends
    cdef size_t _data_room, _ends_room, _bytes_max, _records_max, _record_bytes_max
    cdef bint _open
    cdef readonly size_t byte_count
    cdef readonly size_t record_count

    def __init__(self, size_t bytes_max, size_t records_max, size_t record_bytes_max):
        if not 0 < records_max <= GT_RECORDS_MAX:
            raise ValueError(f"a batch has 1 to {GT_RECORDS_MAX} records, not {records_max}")
        if max(bytes_max, record_bytes_max) > GT_DATA_BYTES_MAX:
            raise ValueError(f"a batch has up to {GT_DATA_BYTES_MAX} bytes")
        self._bytes_max = bytes_max
        self._records_max = records_max
        self._record_bytes_max = record_bytes_max

    def __dealloc__(self):
        free(self._data)
        free(self._ends)

    def open(self):
        """Let records be added again."""
        self._open = True

    def add(self, record):
        """The record's number in the batch, or why it was not taken."""
        cdef Py_buffer view
        cdef Py_ssize_t number
        cdef const uint8_t *start
        if PyBytes_CheckExact(record):
            return self._take_in(
                <const uint8_t *>PyBytes_AS_STRING(record), PyBytes_GET_SIZE(record))
        if not isinstance(record, (bytes, bytearray, memoryview)):
            return NO_RECORD
        try:
            start = take_buffer(record, &view)
        except (BufferError, ValueError):
            return NO_RECORD  # not contiguous, or released
        try:
            number = self._take_in(start, view.len)
        finally:
            PyBuffer_Release(&view)
        return number

    cdef Py_ssize_t _take_in(self, const uint8_t *start, size_t size) except? -3:
        cdef size_t end = self.byte_count + size
        cdef size_t number = self.record_count
        if size == 0 or size > self._record_bytes_max:
            return NO_RECORD
        if not self._open or number and (end > self._bytes_max or number == self._records_max):
            return NO_ROOM
        if end > self._data_room:
            self._data = _grown(self._data, &self._data_room, end)
        if 4 * (number + 1) > self._ends_room:
            self._ends = _grown(self._ends, &self._ends_room, 4 * (number + 1))
        memcpy(self._data + self.byte_count, start, size)
        gt_store32(self._ends + 4 * number, <uint32_t>end)
        self.byte_count = end
        self.record_count = number + 1
        return number

    def take(self):
        """(record count, flags, tables, data, checksum) of the batch; the next one is closed."""
        cdef size_t size = self.byte_count
        cdef uint32_t count = <uint32_t>self.record_count
        if count == 0:
            raise ValueError("the batch has no record")
        cdef uint16_t flags = GT_FLAG_BLOCKS if size > GT_BLOCK_BYTES else 0
        cdef size_t tables_bytes = gt_tables_bytes(count, flags, size)
        cdef bytes data = PyBytes_FromStringAndSize(<const char *>self._data, size)
        cdef bytes tables = PyBytes_FromStringAndSize(NULL, tables_bytes)
        cdef uint8_t *d = <uint8_t *>PyBytes_AS_STRING(data)
        cdef uint8_t *t = <uint8_t *>PyBytes_AS_STRING(tables)
        cdef uint32_t checksum
        memcpy(t, self._ends, 4 * <size_t>count)
        self.byte_count = self.record_count = 0
        self._open = False
        if self._data_room > 2 * self._bytes_max + ROOM_BYTES_FIRST:
            free(self._data)  # a single large record made it so large
            self._data = NULL
            self._data_room = 0
        if size < GT_NOGIL_BYTES:
            checksum = gt_payload_close(t, tables_bytes, d, size, count, flags)
        else:
            with nogil:
                checksum = gt_payload_close(t, tables_bytes, d, size, count, flags)
        return count, flags, tables, data, checksum


cdef inline void _put(object container, Py_ssize_t place, object item) noexcept:
    Py_INCREF(item)
    PyTuple_SET_ITEM(container, place, <PyObject *>item)


def split_records(type kind not None, uint64_t offset, data, lengths, timestamps):
    """The records of an answer as tuples of the type ``kind``; None if they do not fit it."""
    cdef Py_buffer data_view, lengths_view, stamps_view
    cdef PyTypeObject *c_kind = <PyTypeObject *>kind
    if (not PyType_IsSubtype(c_kind, &PyTuple_Type)
            or c_kind.tp_basicsize != PyTuple_Type.tp_basicsize):
        raise TypeError(f"{kind.__name__} is no plain subclass of tuple")
    cdef const uint8_t *content = take_buffer(data, &data_view)
    cdef const uint8_t *sizes
    cdef const uint8_t *stamps
    try:
        sizes = take_buffer(lengths, &lengths_view)
        try:
            stamps = take_buffer(timestamps, &stamps_view)
            try:
                return _split(
                    c_kind, offset, content, data_view.len, sizes, lengths_view.len, stamps,
                    stamps_view.len)
            finally:
                PyBuffer_Release(&stamps_view)
        finally:
            PyBuffer_Release(&lengths_view)
    finally:
        PyBuffer_Release(&data_view)


cdef list _split(
        PyTypeObject *kind, uint64_t offset, const uint8_t *data, size_t data_bytes,
        const uint8_t *lengths, size_t lengths_bytes, const uint8_t *stamps, size_t stamps_bytes):
    cdef size_t count = lengths_bytes // 4, place = 0, i, size
    cdef uint64_t stamp, last_stamp = 0
    cdef object record, stamp_object = 0
    if lengths_bytes != 4 * count or stamps_bytes != 8 * count:
        return None
    cdef list records = []
    for i in range(count):
        size = gt_load32(lengths + 4 * i)
        if size > data_bytes - place:
            return None
        stamp = gt_load64(stamps + 8 * i)
        if stamp != last_stamp:
            stamp_object = last_stamp = stamp
        record = PyType_GenericAlloc(kind, 3)
        _put(record, 0, offset + place)
        _put(record, 1, stamp_object)
        _put(record, 2, PyBytes_FromStringAndSize(<const char *>data + place, size))
        # Numbers and bytes make no cycles: the collector need not walk a million of them. It does
        # the same for plain tuples by itself.
        PyObject_GC_UnTrack(record)
        records.append(record)
        place += size
    return records if place == data_bytes else None
