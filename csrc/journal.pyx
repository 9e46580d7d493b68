"""Journal groups: heads written and completed, groups judged and taken apart."""

from typing import NamedTuple

from cpython.buffer cimport PyBuffer_Release
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from csrc.buffer cimport take_buffer
from csrc.crc32c cimport gt_crc32c, gt_crc32c_init
from csrc.layout cimport (
    GT_BAD_CHECKSUM, GT_BAD_HEADER, GT_BAD_TABLE, GT_ENTRY_ALIGN, GT_GROUP_BYTES_MAX,
    GT_GROUP_HEAD_BYTES, GT_GROUP_MAGIC, GT_GROUP_MARK_BYTES, GT_GROUP_RECORD_BYTES,
    GT_JOURNAL_BLOCK_BYTES, GT_OK, GT_TORN, GT_UNKNOWN_FORMAT, gt_load32, gt_load64, gt_round_up,
    gt_store32, gt_store64)

gt_crc32c_init()

JOURNAL_BLOCK_BYTES = GT_JOURNAL_BLOCK_BYTES
JOURNAL_RECORD_HEADER_BYTES = GT_GROUP_RECORD_BYTES


class JournalRecord(NamedTuple):
    """One record of a group; its body is [start, start + length) of the buffer."""

    kind: int
    shard: int
    replica: int
    first_index: int
    generation: int
    position: int
    start: int
    length: int


class JournalGroup(NamedTuple):
    """One whole group, taken apart."""

    sequence: int
    marks: list
    records: list
    next_position: int


def encode_group(
        uint32_t seed, uint64_t sequence, list marks not None, uint32_t record_count,
        size_t records_bytes):
    """The head of a journal group: its header and its durable marks."""
    cdef size_t head_bytes = GT_GROUP_HEAD_BYTES + GT_GROUP_MARK_BYTES * <size_t>len(marks)
    cdef bytearray head = bytearray(head_bytes)
    cdef uint8_t *p = <uint8_t *>PyByteArray_AS_STRING(head)
    cdef size_t total = gt_round_up(head_bytes + records_bytes, GT_JOURNAL_BLOCK_BYTES)
    if records_bytes > GT_GROUP_BYTES_MAX or total > GT_GROUP_BYTES_MAX:
        raise ValueError(f"a group has up to {GT_GROUP_BYTES_MAX} bytes, not {total}")
    gt_store32(p, GT_GROUP_MAGIC)
    p[4] = 1
    gt_store64(p + 8, sequence)
    gt_store32(p + 24, <uint32_t>(total - GT_GROUP_HEAD_BYTES))
    gt_store32(p + 28, <uint32_t>len(marks))
    gt_store32(p + 32, record_count)
    cdef uint8_t *at = p + GT_GROUP_HEAD_BYTES
    for shard, replica, index, term, commit in marks:
        gt_store32(at, shard)
        gt_store64(at + 8, replica)
        gt_store64(at + 16, index)
        gt_store64(at + 24, term)
        gt_store64(at + 32, commit)
        at += GT_GROUP_MARK_BYTES
    return head


def complete_group(uint32_t seed, bytearray head not None, rest not None):
    """Fill in the checksums of a group: ``head`` is its head, ``rest`` its other bytes."""
    cdef uint8_t *p = <uint8_t *>PyByteArray_AS_STRING(head)
    cdef size_t head_bytes = len(head), total = head_bytes
    cdef const uint8_t *start
    cdef Py_buffer view
    if head_bytes < GT_GROUP_HEAD_BYTES:
        raise ValueError(f"the head of a group has at least {GT_GROUP_HEAD_BYTES} bytes")
    cdef uint32_t crc = gt_crc32c(seed, p + GT_GROUP_HEAD_BYTES, head_bytes - GT_GROUP_HEAD_BYTES)
    for part in rest:
        start = take_buffer(part, &view)
        crc = gt_crc32c(crc, start, view.len)
        total += view.len
        PyBuffer_Release(&view)
    if total != <size_t>gt_load32(p + 24) + GT_GROUP_HEAD_BYTES:
        raise ValueError(f"the head promises another length than the {total} bytes given")
    gt_store32(p + 36, crc)
    gt_store32(p + 60, gt_crc32c(seed, p, 60))


def encode_record_header(
        uint8_t kind, uint32_t shard, uint64_t replica, uint64_t first_index, uint32_t generation,
        uint32_t position, uint32_t length):
    """The 40 bytes before a journal record's body of ``length`` bytes."""
    if length % GT_ENTRY_ALIGN:
        raise ValueError(f"a record's length is a multiple of {GT_ENTRY_ALIGN}, not {length}")
    cdef bytes header = PyBytes_FromStringAndSize(NULL, GT_GROUP_RECORD_BYTES)
    cdef uint8_t *p = <uint8_t *>PyBytes_AS_STRING(header)
    memset(p, 0, GT_GROUP_RECORD_BYTES)
    p[0] = kind
    gt_store32(p + 4, shard)
    gt_store64(p + 8, replica)
    gt_store64(p + 16, first_index)
    gt_store32(p + 24, generation)
    gt_store32(p + 28, position)
    gt_store32(p + 32, length)
    return header


cdef int _judge(
        const uint8_t *p, size_t room, uint32_t seed, uint64_t *sequence) noexcept nogil:
    """Judge the group at p; on success its number is in ``sequence``."""
    cdef uint64_t body_bytes
    if room < GT_GROUP_HEAD_BYTES:
        return GT_TORN
    if gt_load32(p) != GT_GROUP_MAGIC or gt_crc32c(seed, p, 60) != gt_load32(p + 60):
        return GT_BAD_HEADER
    if p[4] != 1:
        return GT_UNKNOWN_FORMAT
    body_bytes = gt_load32(p + 24)
    if (body_bytes + GT_GROUP_HEAD_BYTES) % GT_JOURNAL_BLOCK_BYTES:
        return GT_BAD_TABLE
    if body_bytes > room - GT_GROUP_HEAD_BYTES:
        return GT_TORN
    if gt_crc32c(seed, p + GT_GROUP_HEAD_BYTES, body_bytes) != gt_load32(p + 36):
        return GT_BAD_CHECKSUM
    sequence[0] = gt_load64(p + 8)
    return GT_OK


def read_group(
        const uint8_t[::1] buffer not None, size_t position, uint32_t seed, uint64_t sequence):
    """Judge and take apart the group at ``position``."""
    cdef size_t size = buffer.shape[0]
    if position >= size:
        return GT_TORN, None
    cdef const uint8_t *base = &buffer[0]
    cdef const uint8_t *p = base + position
    cdef uint64_t number = 0
    cdef int verdict
    with nogil:
        verdict = _judge(p, size - position, seed, &number)
    if verdict != GT_OK:
        return verdict, None
    if number != sequence:
        return GT_BAD_HEADER, None
    cdef const uint8_t *at = p + GT_GROUP_HEAD_BYTES
    cdef const uint8_t *end = at + gt_load32(p + 24)
    cdef uint32_t count = gt_load32(p + 28), length
    cdef list marks = [], records = []
    if count > <size_t>(end - at) // GT_GROUP_MARK_BYTES:
        return GT_BAD_TABLE, None
    for _ in range(count):
        marks.append((
            gt_load32(at), gt_load64(at + 8), gt_load64(at + 16), gt_load64(at + 24),
            gt_load64(at + 32)))
        at += GT_GROUP_MARK_BYTES
    for _ in range(gt_load32(p + 32)):
        if end - at < GT_GROUP_RECORD_BYTES:
            return GT_BAD_TABLE, None
        length = gt_load32(at + 32)
        if length % GT_ENTRY_ALIGN or length > <size_t>(end - at) - GT_GROUP_RECORD_BYTES:
            return GT_BAD_TABLE, None
        records.append(JournalRecord(
            at[0], gt_load32(at + 4), gt_load64(at + 8), gt_load64(at + 16), gt_load32(at + 24),
            gt_load32(at + 28), at - base + GT_GROUP_RECORD_BYTES, length))
        at += GT_GROUP_RECORD_BYTES + <size_t>length
    return GT_OK, JournalGroup(number, marks, records, end - base)


def find_group(
        const uint8_t[::1] buffer not None, size_t start, uint32_t seed, uint64_t sequence):
    """Position of a whole, good group with a sequence number above ``sequence``; -1: none."""
    cdef size_t size = buffer.shape[0], at = start
    cdef uint64_t number = 0
    cdef int64_t found = -1
    if size == 0:
        return -1
    cdef const uint8_t *base = &buffer[0]
    with nogil:
        while at < size:
            if _judge(base + at, size - at, seed, &number) == GT_OK and number > sequence:
                found = at
                break
            at += GT_JOURNAL_BLOCK_BYTES
    return found
