"""The hot messages in protobuf's wire form, without an object of protobuf's in between."""

from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from csrc.buffer cimport take_buffer
from csrc.wire cimport (
    GT_MESSAGE_BYTES_MAX, gt_append_request, gt_append_response, gt_consume_request,
    gt_consume_response, gt_decode, gt_encode, gt_encoded_bytes, gt_produce_request, gt_put,
    gt_read_response, gt_value)

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

# Everywhere below, values[n] is the field with the number n of the message's .proto file.

cdef class AppendRequest:
    cdef readonly str stream
    cdef readonly uint64_t stream_id
    cdef readonly uint64_t request
    cdef readonly object expected_offset
    cdef readonly bytes producer_id
    cdef readonly uint32_t producer_epoch
    cdef readonly uint64_t sequence
    cdef readonly bint seal
    cdef readonly uint32_t record_count
    cdef readonly uint32_t flags
    cdef readonly uint32_t checksum
    cdef readonly object tables
    cdef readonly object data
    cdef readonly uint64_t producer_time_ms


cdef class AppendResponse:
    cdef readonly uint64_t request
    cdef readonly uint64_t offset
    cdef readonly uint64_t next_offset
    cdef readonly uint64_t stream_id
    cdef readonly bint duplicate


cdef class ReadResponse:
    cdef readonly uint64_t stream_id
    cdef readonly uint64_t offset
    cdef readonly object data
    cdef readonly uint32_t checksum
    cdef readonly object lengths
    cdef readonly object timestamps
    cdef readonly uint64_t ordinal
    cdef readonly uint64_t next_offset
    cdef readonly uint64_t end_offset
    cdef readonly bint end_of_stream


cdef inline bint decode(
    bytes message, const uint8_t *kinds, unsigned int count, gt_value *values,
) noexcept:
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(message)
    return gt_decode(start, start + PyBytes_GET_SIZE(message), kinds, count, values)


cdef inline str text(const gt_value *value):
    return PyUnicode_DecodeUTF8(<const char *>value.start, <Py_ssize_t>value.number, NULL)


cdef inline object view(object whole, bytes message, const gt_value *value):
    cdef Py_ssize_t first = 0
    if value.number:
        first = value.start - <const uint8_t *>PyBytes_AS_STRING(message)
    return whole[first:first + <Py_ssize_t>value.number]


cdef bytes encode(const uint8_t *kinds, unsigned int count, const gt_value *values):
    cdef uint64_t size = gt_encoded_bytes(kinds, count, values)
    if size > GT_MESSAGE_BYTES_MAX:
        raise ValueError(f"a message of {size} bytes; protobuf allows {GT_MESSAGE_BYTES_MAX}")
    cdef bytes message = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
    gt_encode(<uint8_t *>PyBytes_AS_STRING(message), kinds, count, values)
    return message


cdef inline int put_text(gt_value *value, str content) except -1:
    cdef Py_ssize_t size = 0
    value.start = <const uint8_t *>PyUnicode_AsUTF8AndSize(content, &size)
    gt_put(value, <uint64_t>size)
    return 0


cdef inline int put_buffer(gt_value *value, object content, Py_buffer *view) except -1:
    value.start = take_buffer(content, view)
    gt_put(value, <uint64_t>view.len)
    return 0


def decode_append_request(bytes message not None):
    cdef gt_value values[15]
    if not decode(message, gt_append_request, 15, values):
        return None
    cdef AppendRequest request = AppendRequest.__new__(AppendRequest)
    cdef object whole = PyMemoryView_FromObject(message)
    request.stream = text(&values[1])
    request.stream_id = values[2].number
    request.request = values[3].number
    request.expected_offset = values[4].number if values[4].present else None
    request.producer_id = PyBytes_FromStringAndSize(
        <const char *>values[5].start, <Py_ssize_t>values[5].number)
    request.producer_epoch = <uint32_t>values[6].number
    request.sequence = values[7].number
    request.seal = values[8].number != 0
    request.record_count = <uint32_t>values[9].number
    request.flags = <uint32_t>values[10].number
    request.checksum = <uint32_t>values[11].number
    request.tables = view(whole, message, &values[12])
    request.data = view(whole, message, &values[13])
    request.producer_time_ms = values[14].number
    return request


def encode_append_request(
    str stream not None, uint64_t stream_id, uint64_t request, expected_offset,
    bytes producer_id not None, uint32_t producer_epoch, uint64_t sequence, bint seal,
    uint32_t record_count, uint32_t flags, uint32_t checksum, tables, data,
    uint64_t producer_time_ms,
):
    cdef gt_value values[15]
    cdef Py_buffer views[3]
    memset(values, 0, sizeof(values))
    memset(views, 0, sizeof(views))
    put_text(&values[1], stream)
    gt_put(&values[2], stream_id)
    gt_put(&values[3], request)
    if expected_offset is not None:
        values[4].number = expected_offset
        values[4].present = True
    gt_put(&values[6], producer_epoch)
    gt_put(&values[7], sequence)
    gt_put(&values[8], seal)
    gt_put(&values[9], record_count)
    gt_put(&values[10], flags)
    gt_put(&values[11], checksum)
    gt_put(&values[14], producer_time_ms)
    try:
        put_buffer(&values[5], producer_id, &views[0])
        put_buffer(&values[12], tables, &views[1])
        put_buffer(&values[13], data, &views[2])
        return encode(gt_append_request, 15, values)
    finally:
        PyBuffer_Release(&views[0])
        PyBuffer_Release(&views[1])
        PyBuffer_Release(&views[2])


def decode_append_response(bytes message not None):
    cdef gt_value values[6]
    if not decode(message, gt_append_response, 6, values):
        return None
    cdef AppendResponse response = AppendResponse.__new__(AppendResponse)
    response.request = values[1].number
    response.offset = values[2].number
    response.next_offset = values[3].number
    response.stream_id = values[4].number
    response.duplicate = values[5].number != 0
    return response


def encode_append_response(
    uint64_t request, uint64_t offset, uint64_t next_offset, uint64_t stream_id, bint duplicate,
):
    cdef gt_value values[6]
    memset(values, 0, sizeof(values))
    gt_put(&values[1], request)
    gt_put(&values[2], offset)
    gt_put(&values[3], next_offset)
    gt_put(&values[4], stream_id)
    gt_put(&values[5], duplicate)
    return encode(gt_append_response, 6, values)


def decode_read_response(bytes message not None):
    cdef gt_value values[11]
    if not decode(message, gt_read_response, 11, values):
        return None
    cdef ReadResponse response = ReadResponse.__new__(ReadResponse)
    cdef object whole = PyMemoryView_FromObject(message)
    response.stream_id = values[1].number
    response.offset = values[2].number
    response.data = view(whole, message, &values[3])
    response.checksum = <uint32_t>values[4].number
    response.lengths = view(whole, message, &values[5])
    response.timestamps = view(whole, message, &values[6])
    response.ordinal = values[7].number
    response.next_offset = values[8].number
    response.end_offset = values[9].number
    response.end_of_stream = values[10].number != 0
    return response


def decode_produce_request(bytes message not None):
    cdef gt_value values[4]
    if not decode(message, gt_produce_request, 4, values):
        return None
    cdef object whole = PyMemoryView_FromObject(message)
    return text(&values[1]), view(whole, message, &values[3])


def decode_consume_request(bytes message not None):
    cdef gt_value values[5]
    if not decode(message, gt_consume_request, 5, values):
        return None
    return text(&values[1]), values[2].number, values[3].number, values[4].number


def encode_consume_response(frame):
    cdef gt_value values[2]
    cdef Py_buffer borrowed
    memset(values, 0, sizeof(values))
    memset(&borrowed, 0, sizeof(borrowed))
    try:
        put_buffer(&values[1], frame, &borrowed)
        return encode(gt_consume_response, 2, values)
    finally:
        PyBuffer_Release(&borrowed)
