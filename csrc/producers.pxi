# What is remembered of a stream's producers; a part of streams.pyx.

cdef enum:
    # Of a batch in a window: sequence u64, record count u32, checksum u32, offset u64.
    ROW_BYTES = 24


@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class Producer:
    """One producer of one stream, up to one of its batches; it never changes."""

    cdef readonly uint64_t next_sequence
    cdef readonly uint64_t last_stamp
    cdef readonly bytes window
    cdef readonly uint32_t epoch

    def __init__(
        self, uint32_t epoch, uint64_t next_sequence, uint64_t last_stamp, bytes window not None
    ):
        if self.window is not None:
            raise ValueError("a producer's memory does not change; make a new one")
        if len(window) % ROW_BYTES:
            raise ValueError(f"a window of {len(window)} bytes, {ROW_BYTES} a batch")
        self.epoch = epoch
        self.next_sequence = next_sequence
        self.last_stamp = last_stamp
        self.window = window

    def __eq__(self, other):
        cdef Producer one = self, two
        if not isinstance(other, Producer):
            return NotImplemented
        two = other
        return (
            one.epoch == two.epoch and one.next_sequence == two.next_sequence
            and one.last_stamp == two.last_stamp and one.window == two.window)

    def __hash__(self):
        return hash((self.epoch, self.next_sequence, self.last_stamp, self.window))

    def batches(self):
        """(sequence, record count, checksum, offset) of the remembered batches, oldest first."""
        cdef const uint8_t *row = <const uint8_t *><const char *>self.window
        cdef list found = []
        cdef Py_ssize_t place
        for place in range(0, len(self.window), ROW_BYTES):
            found.append((
                gt_load64(row + place), gt_load32(row + place + 8),
                gt_load32(row + place + 12), gt_load64(row + place + 16)))
        return found


cdef bytes _window_after(
    bytes before, uint64_t sequence, uint32_t record_count, uint32_t checksum, uint64_t offset,
    Py_ssize_t batches_max,
):
    """The last rows of a window and one more, no more than ``batches_max`` in all."""
    cdef Py_ssize_t kept = min(len(before), (batches_max - 1) * ROW_BYTES)
    cdef bytes window = PyBytes_FromStringAndSize(NULL, kept + ROW_BYTES)
    cdef uint8_t *row = <uint8_t *><char *>window
    memcpy(row, <const char *>before + len(before) - kept, kept)
    row += kept
    gt_store64(row, sequence)
    gt_store32(row + 8, record_count)
    gt_store32(row + 12, checksum)
    gt_store64(row + 16, offset)
    return window
