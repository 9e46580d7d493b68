"""Batches and entries: tables made and judged, headers written, segments scanned."""

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from csrc.crc32c cimport gt_crc32c, gt_crc32c_init
from csrc.entry cimport (
    gt_entry, gt_entry_judge, gt_last_delta, gt_payload_judge, gt_tables_bytes, gt_tables_judge)
from csrc.layout cimport (
    GT_BAD_CHECKSUM, GT_BAD_HEADER, GT_BAD_TABLE, GT_BLOCK_BYTES, GT_DATA_BYTES_MAX, GT_END,
    GT_ENTRY_ALIGN, GT_ENTRY_HEADER_BYTES, GT_ENTRY_MAGIC, GT_FLAG_BLOCKS, GT_FLAG_DELTAS,
    GT_FLAGS_KNOWN, GT_OK, GT_RECORDS_MAX, GT_TORN, GT_UNKNOWN_FORMAT, gt_load32, gt_load64,
    gt_round_up, gt_store16, gt_store32, gt_store64)

gt_crc32c_init()

BATCH_BLOCKS = GT_FLAG_BLOCKS
BATCH_DELTAS = GT_FLAG_DELTAS
ENTRY_HEADER_BYTES = GT_ENTRY_HEADER_BYTES
ENTRY_ALIGN = GT_ENTRY_ALIGN


cdef inline const uint8_t *_start(const uint8_t[::1] view) noexcept:
    """The first byte of a view; an empty one has none."""
    return &view[0] if view.shape[0] else <const uint8_t *>b""


cdef class EntryHeader:
    """The header of one entry as it stands in a segment."""

    cdef readonly uint64_t position, entry_bytes, index, term, stream_id, offset, ordinal, stamp
    cdef readonly uint64_t producer_stamp, sequence, last_stamp
    cdef readonly int kind, flags
    cdef readonly uint32_t epoch, record_count, control_bytes, tables_bytes, data_bytes
    cdef readonly uint32_t control_checksum, checksum
    cdef readonly bytes producer_id


cdef EntryHeader _header(uint64_t position, const gt_entry *e, uint32_t delta):
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
    h.last_stamp = e.stamp + delta
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
    cdef size_t id_bytes = len(producer_id)
    if id_bytes not in (0, 16):
        raise ValueError(f"a producer id has 16 bytes, not {id_bytes}")
    cdef bytes header = PyBytes_FromStringAndSize(NULL, GT_ENTRY_HEADER_BYTES)
    cdef uint8_t *p = <uint8_t *>PyBytes_AS_STRING(header)
    memset(p, 0, GT_ENTRY_HEADER_BYTES)
    gt_store32(p, GT_ENTRY_MAGIC)
    p[4] = 1
    p[5] = kind
    gt_store16(p + 6, flags)
    gt_store64(p + 8, index)
    gt_store64(p + 16, term)
    gt_store64(p + 24, stream_id)
    gt_store64(p + 32, offset)
    gt_store64(p + 40, ordinal)
    gt_store64(p + 48, stamp)
    gt_store64(p + 56, producer_stamp)
    memcpy(p + 64, PyBytes_AS_STRING(producer_id), id_bytes)
    gt_store64(p + 80, sequence)
    gt_store32(p + 88, epoch)
    gt_store32(p + 92, record_count)
    gt_store32(p + 96, <uint32_t>len(control))
    gt_store32(p + 100, tables_bytes)
    gt_store32(p + 104, data_bytes)
    gt_store32(p + 108, data_bytes)
    gt_store32(p + 112, gt_crc32c(0, <const uint8_t *>PyBytes_AS_STRING(control), len(control)))
    gt_store32(p + 116, checksum)
    gt_store32(p + 124, gt_crc32c(salt, p, 124))
    return header


cdef uint32_t _close_tables(
        uint8_t *tables, size_t tables_bytes, const uint8_t *data, size_t data_bytes,
        uint32_t count, int flags) noexcept nogil:
    """Write the block checksums behind the other tables; returns the batch's checksum."""
    cdef uint8_t *sums = tables + (8 if flags & GT_FLAG_DELTAS else 4) * <size_t>count
    cdef size_t at = 0, size
    if flags & GT_FLAG_BLOCKS:
        while at < data_bytes:
            size = min(data_bytes - at, <size_t>GT_BLOCK_BYTES)
            gt_store32(sums, gt_crc32c(0, data + at, size))
            sums += 4
            at += size
        return gt_crc32c(0, tables, tables_bytes)
    return gt_crc32c(gt_crc32c(0, tables, tables_bytes), data, data_bytes)


def build_tables(lengths not None, const uint8_t[::1] data not None, deltas=None):
    """Tables, flags and checksum of a batch whose records lie contiguous in ``data``."""
    cdef size_t data_bytes = data.shape[0]
    cdef Py_ssize_t count = len(lengths)
    if count == 0 or count > GT_RECORDS_MAX:
        raise ValueError(f"a batch has 1 to {GT_RECORDS_MAX} records, not {count}")
    if data_bytes > GT_DATA_BYTES_MAX:
        raise ValueError(f"a batch has up to {GT_DATA_BYTES_MAX} bytes, not {data_bytes}")
    if deltas is not None and len(deltas) != count:
        raise ValueError(f"{len(deltas)} deltas for {count} records")
    cdef int flags = (GT_FLAG_BLOCKS if data_bytes > GT_BLOCK_BYTES else 0)
    if deltas is not None:
        flags |= GT_FLAG_DELTAS
    cdef size_t size = gt_tables_bytes(<uint32_t>count, <uint16_t>flags, data_bytes)
    cdef bytes tables = PyBytes_FromStringAndSize(NULL, size)
    cdef uint8_t *p = <uint8_t *>PyBytes_AS_STRING(tables)
    cdef uint64_t end = 0
    cdef uint32_t value
    cdef uint8_t *at = p
    for length in lengths:
        value = length
        if value == 0:
            raise ValueError("a record is empty")
        end += value
        if end > data_bytes:
            break
        gt_store32(at, <uint32_t>end)
        at += 4
    if end != data_bytes:
        raise ValueError(f"the lengths do not add up to the {data_bytes} bytes of data")
    for delta in deltas or ():
        gt_store32(at, delta)
        at += 4
    if gt_tables_judge(p, <uint32_t>count, <uint16_t>flags, <uint32_t>data_bytes) != GT_OK:
        raise ValueError("deltas begin with 0 and never fall")
    cdef uint32_t checksum
    cdef const uint8_t *start = _start(data)
    if data_bytes >= GT_BLOCK_BYTES:
        with nogil:
            checksum = _close_tables(p, size, start, data_bytes, <uint32_t>count, flags)
    else:
        checksum = _close_tables(p, size, start, data_bytes, <uint32_t>count, flags)
    return tables, flags, checksum


def join_records(records not None):
    """(tables, data, flags, checksum) of a batch made of separate records; copies them once."""
    data = b"".join(records)
    tables, flags, checksum = build_tables(list(map(len, records)), data)
    return tables, data, flags, checksum


def check_batch(
        uint32_t record_count, int flags, const uint8_t[::1] tables not None,
        const uint8_t[::1] data not None, uint32_t checksum):
    """Judge a batch that came from elsewhere. A verdict."""
    cdef size_t tables_bytes = tables.shape[0], data_bytes = data.shape[0]
    cdef const uint8_t *t = _start(tables)
    cdef const uint8_t *d = _start(data)
    cdef int verdict
    if flags & ~(GT_FLAG_BLOCKS | GT_FLAG_DELTAS):
        return GT_UNKNOWN_FORMAT
    if (record_count == 0 or record_count > GT_RECORDS_MAX or data_bytes > GT_DATA_BYTES_MAX
            or bool(flags & GT_FLAG_BLOCKS) != (data_bytes > GT_BLOCK_BYTES)
            or tables_bytes != gt_tables_bytes(record_count, <uint16_t>flags, data_bytes)):
        return GT_BAD_TABLE
    with nogil:
        verdict = gt_tables_judge(t, record_count, <uint16_t>flags, <uint32_t>data_bytes)
        if verdict == GT_OK:
            verdict = gt_payload_judge(
                t, tables_bytes, d, <uint32_t>data_bytes, record_count, <uint16_t>flags, checksum)
    return verdict


def last_delta(uint32_t record_count, int flags, const uint8_t[::1] tables not None):
    """Milliseconds from a batch's first record to its last; 0 without deltas."""
    if <size_t>tables.shape[0] < gt_tables_bytes(record_count, <uint16_t>(flags & 8), 0):
        raise ValueError("the tables are too short for their record count")
    return gt_last_delta(_start(tables), record_count, <uint16_t>flags)


cdef class EntryScan:
    """What a scan found: the good entries, and why and where it stopped."""

    cdef readonly list headers
    cdef readonly int verdict
    cdef readonly uint64_t position


cdef int _judge(
        const uint8_t *p, const uint8_t *end, uint32_t salt, uint64_t next_index, uint64_t term,
        uint64_t check_from, gt_entry *e) noexcept nogil:
    """Judge the entry at p as the next one of a log."""
    cdef int verdict = gt_entry_judge(p, end, salt, e)
    cdef const uint8_t *body = p + GT_ENTRY_HEADER_BYTES
    if verdict != GT_OK:
        return verdict
    if e.index != next_index or e.term < term:
        return GT_BAD_HEADER
    if e.entry_bytes > <size_t>(end - p):
        return GT_TORN
    if gt_crc32c(0, body, e.control_bytes) != e.control_checksum:
        return GT_BAD_CHECKSUM
    if e.record_count == 0 or e.index < check_from:
        return GT_OK
    body += e.control_bytes
    verdict = gt_tables_judge(body, e.record_count, e.flags, e.data_bytes)
    if verdict != GT_OK:
        return verdict
    return gt_payload_judge(
        body, e.tables_bytes, body + e.tables_bytes, e.data_bytes, e.record_count, e.flags,
        e.checksum)


cdef bint _all_zero(const uint8_t *p, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        if p[i]:
            return False
    return True


def scan_entries(
        const uint8_t[::1] buffer not None, size_t start, uint32_t salt, uint64_t next_index,
        uint64_t term, uint64_t check_payloads_from, int64_t count_max=-1):
    """Read entries one behind the other from ``start`` in a segment's bytes."""
    cdef EntryScan scan = EntryScan.__new__(EntryScan)
    cdef list headers = []
    cdef const uint8_t *base = _start(buffer)
    cdef const uint8_t *end = base + buffer.shape[0]
    cdef const uint8_t *p = base + min(start, <size_t>buffer.shape[0])
    cdef gt_entry e
    cdef int verdict = GT_END
    cdef uint32_t delta
    cdef const uint8_t *tables
    while count_max != 0 and p < end:
        with nogil:
            verdict = _judge(p, end, salt, next_index, term, check_payloads_from, &e)
        if verdict != GT_OK:
            if _all_zero(p, min(<size_t>(end - p), <size_t>GT_ENTRY_HEADER_BYTES)):
                verdict = GT_END
            break
        delta = 0
        if e.index >= check_payloads_from and e.record_count:
            tables = p + GT_ENTRY_HEADER_BYTES + e.control_bytes
            delta = gt_last_delta(tables, e.record_count, e.flags)
        headers.append(_header(p - base, &e, delta))
        next_index += 1
        term = e.term
        p += e.entry_bytes
        count_max -= 1
        verdict = GT_END
    scan.headers = headers
    scan.verdict = verdict
    scan.position = p - base
    return scan


def find_entry(
        const uint8_t[::1] buffer not None, size_t start, uint32_t salt, uint64_t first_index):
    """Position of the next good header with an index from ``first_index``; -1: none."""
    cdef const uint8_t *base = _start(buffer)
    cdef size_t size = buffer.shape[0], at = gt_round_up(start, GT_ENTRY_ALIGN)
    cdef gt_entry e
    cdef int64_t found = -1
    with nogil:
        while at + GT_ENTRY_HEADER_BYTES <= size:
            if (gt_load32(base + at) == GT_ENTRY_MAGIC and gt_load64(base + at + 8) >= first_index
                    and gt_entry_judge(base + at, base + size, salt, &e) == GT_OK):
                found = at
                break
            at += GT_ENTRY_ALIGN
    return found
