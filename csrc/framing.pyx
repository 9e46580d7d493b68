"""Entries: headers written, segments scanned."""

from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from csrc.buffer cimport take_buffer
from csrc.crc32c cimport gt_crc32c, gt_crc32c_init
from csrc.entry cimport (
    gt_entry, gt_entry_encode, gt_entry_judge, gt_head_judge, gt_step, gt_walk, gt_walk_judge,
    gt_walk_run)
from csrc.layout cimport (
    GT_BAD_HEADER, GT_CONTROL_BYTES_MAX, GT_END, GT_ENTRY_ALIGN, GT_ENTRY_HEADER_BYTES,
    GT_ENTRY_MAGIC, GT_HEAD_BYTES, GT_NOGIL_BYTES, GT_OK, GT_TORN, gt_load32, gt_load64,
    gt_round_up)

gt_crc32c_init()

ENTRY_HEADER_BYTES = GT_ENTRY_HEADER_BYTES
HEAD_BYTES = GT_HEAD_BYTES
ENTRY_ALIGN = GT_ENTRY_ALIGN

cdef enum:
    STEPS = 32  # entries that a scan takes at a time, without the GIL


cdef class EntryHeader:
    """The header of one entry as it stands in a segment."""

    cdef readonly uint64_t position, entry_bytes, index, term, stream_id, offset, ordinal, stamp
    cdef readonly uint64_t producer_stamp, sequence, last_stamp
    cdef readonly int kind, flags
    cdef readonly uint32_t epoch, record_count, control_bytes, tables_bytes, data_bytes
    cdef readonly uint32_t control_checksum, checksum
    cdef readonly bytes producer_id


cdef EntryHeader _header(uint64_t position, const gt_step *step):
    cdef const gt_entry *e = &step.entry
    cdef EntryHeader h = EntryHeader.__new__(EntryHeader)
    h.position = position
    h.entry_bytes = e.entry_bytes
    h.kind = e.kind
    h.flags = e.flags
    h.index = e.index
    h.term = e.term
    h.stream_id = e.stream_id
    h.offset = e.offset
    h.ordinal = e.ordinal
    h.stamp = e.stamp
    h.last_stamp = e.stamp + step.delta
    h.producer_stamp = e.producer_stamp
    h.producer_id = PyBytes_FromStringAndSize(<const char *>e.producer_id, 16)
    h.sequence = e.sequence
    h.epoch = e.epoch
    h.record_count = e.record_count
    h.control_bytes = e.control_bytes
    h.tables_bytes = e.tables_bytes
    h.data_bytes = e.data_bytes
    h.control_checksum = e.control_checksum
    h.checksum = e.checksum
    return h


def encode_entry_header(
        uint32_t salt, uint8_t kind, uint16_t flags, uint64_t index, uint64_t term,
        uint64_t stream_id, uint64_t offset, uint64_t ordinal, uint64_t stamp,
        uint64_t producer_stamp, bytes producer_id not None, uint64_t sequence, uint32_t epoch,
        uint32_t record_count, bytes control not None, uint32_t tables_bytes, uint32_t data_bytes,
        uint32_t checksum):
    """The 128 bytes of an entry's header."""
    cdef size_t id_bytes = PyBytes_GET_SIZE(producer_id)
    cdef size_t control_bytes = PyBytes_GET_SIZE(control)
    if id_bytes != 0 and id_bytes != 16:
        raise ValueError(f"a producer id has 16 bytes, not {id_bytes}")
    if control_bytes > GT_CONTROL_BYTES_MAX:
        raise ValueError(
            f"a control section has up to {GT_CONTROL_BYTES_MAX} bytes, not {control_bytes}")
    cdef gt_entry e
    e.kind = kind
    e.flags = flags
    e.index = index
    e.term = term
    e.stream_id = stream_id
    e.offset = offset
    e.ordinal = ordinal
    e.stamp = stamp
    e.producer_stamp = producer_stamp
    e.producer_id = <const uint8_t *>PyBytes_AS_STRING(producer_id) if id_bytes else NULL
    e.sequence = sequence
    e.epoch = epoch
    e.record_count = record_count
    e.control_bytes = <uint32_t>control_bytes
    e.tables_bytes = tables_bytes
    e.data_bytes = data_bytes
    e.control_checksum = gt_crc32c(
        0, <const uint8_t *>PyBytes_AS_STRING(control), control_bytes)
    e.checksum = checksum
    cdef bytes header = PyBytes_FromStringAndSize(NULL, GT_ENTRY_HEADER_BYTES)
    gt_entry_encode(<uint8_t *>PyBytes_AS_STRING(header), salt, &e)
    return header


cdef class EntryScan:
    """What a scan found: the good entries, and why and where it stopped."""

    cdef readonly list headers
    cdef readonly int verdict
    cdef readonly uint64_t position


def scan_entries(
        buffer, size_t start, uint32_t salt, uint64_t next_index, uint64_t term,
        uint64_t check_payloads_from, int64_t count_max=-1):
    """Read entries one behind the other from ``start`` in a segment's bytes."""
    cdef EntryScan scan = EntryScan.__new__(EntryScan)
    cdef list headers = []
    cdef gt_step[STEPS] steps
    cdef gt_walk walk
    cdef size_t taken, room, i
    cdef Py_buffer view
    cdef int verdict = GT_OK
    cdef const uint8_t *base = take_buffer(buffer, &view)
    walk.at = base + min(start, <size_t>view.len)
    walk.end = base + view.len
    walk.salt = salt
    walk.next_index = next_index
    walk.term = term
    walk.check_from = check_payloads_from
    try:
        while verdict == GT_OK and count_max != 0:
            room = STEPS if count_max < 0 else <size_t>min(count_max, <int64_t>STEPS)
            if walk.end - walk.at < GT_NOGIL_BYTES:
                verdict = gt_walk_run(&walk, steps, room, &taken)
            else:
                with nogil:
                    verdict = gt_walk_run(&walk, steps, room, &taken)
            for i in range(taken):
                headers.append(_header(steps[i].start - base, &steps[i]))
            if count_max > 0:
                count_max -= taken
        scan.headers = headers
        scan.verdict = GT_END if verdict == GT_OK else verdict
        scan.position = walk.at - base
    finally:
        PyBuffer_Release(&view)
    return scan


def read_heads(
        buffer, size_t start, uint32_t salt, uint64_t next_index, uint64_t term,
        uint64_t position, uint64_t count):
    """Read ``count`` heads from ``start``, of entries in a segment from ``position`` on."""
    cdef EntryScan scan = EntryScan.__new__(EntryScan)
    cdef list headers = []
    cdef gt_step step
    cdef gt_walk walk
    cdef Py_buffer view
    cdef int verdict = GT_OK
    cdef const uint8_t *base = take_buffer(buffer, &view)
    walk.at = base + min(start, <size_t>view.len)
    walk.end = base + view.len
    walk.salt = salt
    walk.next_index = next_index
    walk.term = term
    walk.check_from = 0
    try:
        while count != 0:
            verdict = gt_head_judge(&walk, &step)
            if verdict != GT_OK:
                break
            headers.append(_header(position, &step))
            position += step.entry.entry_bytes
            walk.at += GT_HEAD_BYTES + gt_round_up(step.entry.control_bytes, GT_ENTRY_ALIGN)
            walk.next_index += 1
            walk.term = step.entry.term
            count -= 1
        scan.headers = headers
        scan.verdict = verdict
        scan.position = walk.at - base
    finally:
        PyBuffer_Release(&view)
    return scan


def find_entry(
        const uint8_t[::1] buffer not None, size_t start, uint32_t salt, uint64_t first_index):
    """Position of the next good header with an index from ``first_index``; -1: none."""
    cdef size_t size = buffer.shape[0], at = gt_round_up(min(start, size), GT_ENTRY_ALIGN)
    cdef const uint8_t *base
    cdef gt_entry e
    cdef int64_t found = -1
    if size < GT_ENTRY_HEADER_BYTES:
        return -1
    base = &buffer[0]
    with nogil:
        while at + GT_ENTRY_HEADER_BYTES <= size:
            if (gt_load32(base + at) == GT_ENTRY_MAGIC and gt_load64(base + at + 8) >= first_index
                    and gt_entry_judge(base + at, base + size, salt, &e) == GT_OK):
                found = at
                break
            at += GT_ENTRY_ALIGN
    return found


cdef class EntryPick:
    """The entries that were picked out of a run of bytes."""

    cdef readonly bytes entries, indexes
    cdef readonly int verdict
    cdef readonly uint64_t position


def pick_entries(
        const uint8_t[::1] buffer not None, uint64_t base, uint32_t salt,
        const uint32_t[::1] positions not None, const uint32_t[::1] entry_bytes not None):
    """Verify the entries that stand at some positions, and join their bytes."""
    cdef size_t count = positions.shape[0], size = buffer.shape[0], total = 0, i, at
    if <size_t>entry_bytes.shape[0] != count:
        raise ValueError(f"{count} positions, but {entry_bytes.shape[0]} lengths")
    for i in range(count):
        total += entry_bytes[i]
    if total > size:
        raise ValueError(f"the entries have {total} bytes, the buffer {size}")
    cdef EntryPick pick = EntryPick.__new__(EntryPick)
    pick.entries = PyBytes_FromStringAndSize(NULL, total)
    pick.indexes = PyBytes_FromStringAndSize(NULL, 8 * count)
    pick.verdict = GT_OK
    pick.position = base
    cdef uint8_t *out = <uint8_t *>PyBytes_AS_STRING(pick.entries)
    cdef uint8_t *indexes = <uint8_t *>PyBytes_AS_STRING(pick.indexes)
    cdef const uint8_t *start = &buffer[0] if size else NULL
    cdef gt_walk walk
    cdef gt_step step
    cdef int verdict = GT_OK
    walk.end = start + size
    walk.salt = salt
    walk.term = walk.check_from = 0
    with nogil:
        for i in range(count):
            at = positions[i] - base
            pick.position = positions[i]
            if positions[i] < base or at > size or size - at < GT_ENTRY_HEADER_BYTES:
                verdict = GT_TORN
                break
            walk.at = start + at
            walk.next_index = gt_load64(walk.at + 8)  # whichever: it is under the checksum
            verdict = gt_walk_judge(&walk, &step)
            if verdict == GT_OK and step.entry.entry_bytes != entry_bytes[i]:
                verdict = GT_BAD_HEADER
            if verdict != GT_OK:
                break
            memcpy(out, walk.at, entry_bytes[i])
            memcpy(indexes + 8 * i, walk.at + 8, 8)
            out += entry_bytes[i]
    pick.verdict = verdict
    return pick
