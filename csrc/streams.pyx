"""Streams: what is known of each, and tables of them by id or by name."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy

from csrc.layout cimport gt_load32, gt_load64, gt_store32, gt_store64
from csrc.lookup cimport (
    gt_key, gt_lookup, gt_lookup_at, gt_lookup_bytes, gt_lookup_find, gt_lookup_grow,
    gt_lookup_move, gt_lookup_remove, gt_lookup_replace, gt_lookup_take)

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef extern from *:
    """
    /* The interpreter's hash of bytes: it has a key of its own, for clients choose the names. */
    static uint64_t gt_name_hash(const char *name, size_t size) {
    #if PY_VERSION_HEX >= 0x030e0000
        return (uint64_t)Py_HashBuffer(name, (Py_ssize_t)size);
    #else
        return (uint64_t)_Py_HashBytes(name, (Py_ssize_t)size);
    #endif
    }
    """
    uint64_t gt_name_hash(const char *name, size_t size) noexcept nogil

include "producers.pxi"


@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class _Rest:
    """What few streams have."""

    cdef dict producers
    cdef StreamState base
    cdef str name   # of those with a base, once it was asked for


@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class StreamState:
    """What is known of one stream, in 96 bytes and those of its name.

    There may be millions: numbers and names are no objects, and as none is part of a circle the
    garbage collector need not know of them. (A class in Python that inherits would be known to it.)
    """

    cdef readonly uint64_t stream_id
    cdef readonly uint64_t created_ms
    cdef public uint64_t start
    cdef public uint64_t end
    cdef public uint64_t record_count
    cdef public uint64_t last_stamp
    cdef bytes _properties
    cdef _Rest _rest
    cdef char *_name    # UTF-8; the base's own, where there is a base
    cdef uint32_t _name_bytes
    cdef public bint sealed

    def __init__(
        self, str name not None, uint64_t stream_id, uint64_t created_ms,
        bytes properties not None, uint64_t start=0, uint64_t end=0, uint64_t record_count=0,
        bint sealed=False, last_stamp=None,
    ):
        cdef Py_ssize_t size
        cdef const char *text = PyUnicode_AsUTF8AndSize(name, &size)
        if self._name != NULL:
            raise ValueError("a stream keeps its name and id; make a new one")
        if size > <Py_ssize_t>UINT32_MAX:
            raise OverflowError(f"a name of {size} bytes")
        self.last_stamp = created_ms if last_stamp is None else last_stamp
        self.stream_id = stream_id
        self.created_ms = created_ms
        self._properties = properties
        self.start = start
        self.end = end
        self.record_count = record_count
        self.sealed = sealed
        self._name = <char *>PyMem_Malloc(size)
        if self._name == NULL:
            raise MemoryError
        memcpy(self._name, text, size)
        self._name_bytes = <uint32_t>size

    def __dealloc__(self):
        if self._rest is None or self._rest.base is None:
            PyMem_Free(self._name)

    def __sizeof__(self):
        return object.__sizeof__(self) + self._name_bytes

    @property
    def name(self):
        """Made anew each time, but for a copy that runs ahead, which is in use."""
        if self._name == NULL:
            raise _never_made()
        if self._rest is None or self._rest.base is None:
            return PyUnicode_DecodeUTF8(self._name, self._name_bytes, NULL)
        if self._rest.name is None:
            self._rest.name = PyUnicode_DecodeUTF8(self._name, self._name_bytes, NULL)
        return self._rest.name

    @property
    def properties(self):
        """As they were set, encoded."""
        return self._properties

    @properties.setter
    def properties(self, bytes properties not None):
        self._properties = properties

    @property
    def producers(self):
        """What is remembered of its producers; None: nothing."""
        return None if self._rest is None else self._rest.producers

    @producers.setter
    def producers(self, dict producers):
        if self._rest is None:
            self._rest = _Rest.__new__(_Rest)
        self._rest.producers = producers

    @property
    def base(self):
        """What this is a copy of that may have run ahead."""
        return None if self._rest is None else self._rest.base

    def producer(self, bytes producer_id not None):
        """What is remembered of a producer, here or in the base; None if nothing is."""
        cdef _Rest rest = self._rest
        while rest is not None:
            if rest.producers is not None and producer_id in rest.producers:
                return rest.producers[producer_id]
            rest = rest.base._rest if rest.base is not None else None
        return None

    def heard_of(
        self, bytes producer_id not None, uint32_t epoch, uint64_t sequence,
        uint32_t record_count, uint32_t checksum, uint64_t offset, uint64_t stamp,
        Py_ssize_t batches_max,
    ):
        """Remember a batch of a producer, and no more than so many of its epoch."""
        if sequence + record_count < sequence:
            raise OverflowError(f"a sequence of {sequence} and {record_count} records more")
        cdef Producer known = self.producer(producer_id)
        cdef Producer now = Producer.__new__(Producer)
        now.epoch = epoch
        now.next_sequence = sequence + record_count
        now.last_stamp = stamp
        now.window = _window_after(
            known.window if known is not None and known.epoch == epoch else b"",
            sequence, record_count, checksum, offset, batches_max)
        if self._rest is None:
            self._rest = _Rest.__new__(_Rest)
        if self._rest.producers is None:
            self._rest.producers = {}
        self._rest.producers[producer_id] = now

    def overlay(self):
        """A copy that can run ahead of this state, which is its ``base``."""
        cdef StreamState copy = StreamState.__new__(StreamState)
        if self._name == NULL:
            raise _never_made()
        copy._rest = _Rest.__new__(_Rest)
        copy._rest.base = self
        copy._name = self._name
        copy._name_bytes = self._name_bytes
        copy.stream_id = self.stream_id
        copy.created_ms = self.created_ms
        copy.start = self.start
        copy.end = self.end
        copy.record_count = self.record_count
        copy.last_stamp = self.last_stamp
        copy._properties = self._properties
        copy.sealed = self.sealed
        return copy

    def __lt__(self, other):
        cdef StreamState one = self, two
        if not isinstance(other, StreamState):
            return NotImplemented
        two = other
        if one._name == NULL or two._name == NULL:
            raise _never_made()
        cdef int order = memcmp(one._name, two._name, min(one._name_bytes, two._name_bytes))
        return order < 0 if order else one._name_bytes < two._name_bytes

    def heard(self, uint64_t stamp):
        """Note the time of an entry; time does not go back."""
        if stamp > self.last_stamp:
            self.last_stamp = stamp

    def extend(self, uint64_t offset, uint64_t data_bytes, uint64_t ordinal, uint64_t record_count):
        """Take in a batch: so many bytes at an offset, so many records behind ``ordinal``."""
        if offset + data_bytes < offset or ordinal + record_count < ordinal:
            raise OverflowError(f"{self.name!r} would end beyond any offset")
        self.end = offset + data_bytes
        self.record_count = ordinal + record_count


cdef _never_made():
    return ValueError("the stream was never made: call its class")


include "stream_map.pxi"
