"""CRC-32C over any buffer."""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport uint8_t, uint32_t

from csrc.buffer cimport take_buffer
from csrc.crc32c cimport gt_crc32c, gt_crc32c_init, gt_crc32c_path
from csrc.layout cimport GT_NOGIL_BYTES

gt_crc32c_init()
CPU_PATH = gt_crc32c_path.decode()


def crc32c(data, uint32_t value=0):
    """CRC-32C (Castagnoli, RFC 3720 B.4) of a buffer, going on from ``value``."""
    cdef Py_buffer view
    cdef const uint8_t *start = take_buffer(data, &view)
    if view.len < GT_NOGIL_BYTES:
        value = gt_crc32c(value, start, view.len)
    else:
        with nogil:
            value = gt_crc32c(value, start, view.len)
    PyBuffer_Release(&view)
    return value
