"""CRC-32C over any buffer."""

from libc.stdint cimport uint8_t, uint32_t

from csrc.crc32c cimport gt_crc32c, gt_crc32c_init, gt_crc32c_path

gt_crc32c_init()
CPU_PATH = gt_crc32c_path.decode()


def crc32c(const uint8_t[::1] data not None, uint32_t value=0):
    """CRC-32C (Castagnoli, RFC 3720 B.4) of a buffer, going on from ``value``."""
    cdef size_t size = data.shape[0]
    if size == 0:
        return value
    cdef const uint8_t *start = &data[0]
    if size >= 65536:
        with nogil:
            value = gt_crc32c(value, start, size)
        return value
    return gt_crc32c(value, start, size)
