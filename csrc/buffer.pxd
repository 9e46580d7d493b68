from cpython.buffer cimport PyBUF_SIMPLE, PyObject_GetBuffer
from libc.stdint cimport uint8_t

cdef extern from *:
    """
    static const uint8_t gt_no_byte = 0;
    """
    const uint8_t gt_no_byte


# A typed memoryview costs 100 ns more than the buffer that it stands for: the checksum of 1 KiB
# takes 30. The caller releases the view.
cdef inline const uint8_t *take_buffer(object source, Py_buffer *view) except NULL:
    PyObject_GetBuffer(source, view, PyBUF_SIMPLE)
    return <const uint8_t *>view.buf if view.len else &gt_no_byte
