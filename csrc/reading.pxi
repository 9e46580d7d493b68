# Reads on this thread, what any read brings, and the message made of it; a part of disk.pyx.

cdef enum:
    DATA_TAG = 3 << 3 | 2  # of ReadResponse.data
    FIELDS_BYTES = 64  # the others, without lengths and timestamps: 62 at the most


cdef class ReadData:
    # The bytes begin behind the room for their own tag and length.
    cdef PyObject *room
    cdef Py_ssize_t head, size, views

    def __init__(self, content=b""):
        cdef Py_buffer view
        cdef const uint8_t *start
        if self.room != NULL:
            raise ValueError("it has its bytes")
        start = take_buffer(content, &view)
        try:
            memcpy(self.take_room(view.len), start, view.len)
            self.size = view.len
        finally:
            PyBuffer_Release(&view)

    def __dealloc__(self):
        Py_XDECREF(self.room)

    cdef uint8_t *take_room(self, Py_ssize_t bytes_max) except NULL:
        """Room for so many bytes and for the message around them."""
        cdef Py_ssize_t head = 1 + gt_varint_bytes(bytes_max)
        self.room = new_bytes(NULL, head + bytes_max + FIELDS_BYTES)
        self.head = head
        return <uint8_t *>start_of(self.room) + head

    cdef int check(self) except -1:
        if self.room == NULL:
            raise BufferError("the bytes have gone into their message")
        return 0

    def __len__(self):
        return self.size

    def __eq__(self, other):
        return memoryview(self) == other

    def __buffer__(self, int flags, /):  # Python 3.11 does not make it of what follows
        return memoryview(self)

    def __getbuffer__(self, Py_buffer *view, int flags):
        self.check()
        PyBuffer_FillInfo(view, self, start_of(self.room) + self.head, self.size, True, flags)
        self.views += 1

    def __releasebuffer__(self, Py_buffer *view):
        self.views -= 1

    cdef bytes close(self, const gt_value *others):
        """The message: the bytes where they are, but for their head, and the others behind them."""
        cdef Py_ssize_t head = 1 + gt_varint_bytes(self.size) if self.size else 0
        cdef uint64_t behind = gt_encoded_bytes(gt_read_response, 11, others)
        cdef uint64_t size = head + self.size + behind
        cdef uint8_t *start
        self.check()
        if self.views:
            raise BufferError("the bytes are looked at")
        if size > GT_MESSAGE_BYTES_MAX:
            raise ValueError(f"a message of {size} bytes; protobuf allows {GT_MESSAGE_BYTES_MAX}")
        if head != self.head:
            start = <uint8_t *>start_of(self.room)
            memmove(start + head, start + self.head, self.size)
            self.head = head
        # Nobody else has ever seen this object of bytes, so that it may become another one.
        _PyBytes_Resize(&self.room, size)
        start = <uint8_t *>start_of(self.room)
        if head:
            start[0] = DATA_TAG
            gt_write_varint(start + 1, self.size)
        gt_encode(start + head + self.size, gt_read_response, 11, others)
        message = <bytes>self.room
        Py_XDECREF(self.room)
        self.room = NULL
        return message


def encode_read_response(
    uint64_t stream_id, uint64_t offset, ReadData data not None, uint32_t checksum,
    bytes lengths not None, bytes timestamps not None, uint64_t ordinal, uint64_t next_offset,
    uint64_t end_offset, bint end_of_stream,
):
    cdef gt_value values[11]
    memset(values, 0, sizeof(values))
    gt_put(&values[1], stream_id)
    gt_put(&values[2], offset)
    gt_put(&values[4], checksum)
    values[5].start = <const uint8_t *>PyBytes_AS_STRING(lengths)
    gt_put(&values[5], PyBytes_GET_SIZE(lengths))
    values[6].start = <const uint8_t *>PyBytes_AS_STRING(timestamps)
    gt_put(&values[6], PyBytes_GET_SIZE(timestamps))
    gt_put(&values[7], ordinal)
    gt_put(&values[8], next_offset)
    gt_put(&values[9], end_offset)
    gt_put(&values[10], end_of_stream)
    return data.close(values)


cdef class ReadRun:
    """Bytes of one stream out of a run of entries."""

    cdef readonly int verdict, error_number
    cdef readonly uint64_t position, needed, offset, next_offset, ordinal
    cdef readonly uint32_t checksum
    cdef readonly ReadData data
    cdef readonly bytes lengths, timestamps


cdef ReadRun _run_of(gt_read_out *out, ReadData data):
    """What a read found; ``data`` has been read into."""
    cdef ReadRun run = ReadRun.__new__(ReadRun)
    run.verdict = out.verdict
    run.error_number = out.error
    run.position = out.position
    run.needed = out.needed
    run.offset = out.offset
    run.next_offset = out.next_offset
    run.ordinal = out.ordinal
    run.checksum = out.checksum
    run.lengths = PyBytes_FromStringAndSize(<char *>out.lengths, 4 * out.record_count)
    run.timestamps = PyBytes_FromStringAndSize(<char *>out.stamps, 8 * out.record_count)
    data.size = out.data_bytes
    run.data = data
    return run


cdef gt_read_args _args(
        size_t position, size_t count, uint32_t salt, uint64_t stream_id, uint64_t first_offset,
        uint64_t limit_offset, uint64_t first_ordinal, uint64_t first_stamp, size_t bytes_max,
        bint records) noexcept:
    cdef gt_read_args a
    a.position = position
    a.count = count
    a.salt = salt
    a.stream_id = stream_id
    a.first_offset = first_offset
    a.limit_offset = limit_offset
    a.first_ordinal = first_ordinal
    a.first_stamp = first_stamp
    # No run gives more bytes than it is long, nor more than the limit leaves.
    a.bytes_max = min(bytes_max, count, limit_offset - min(first_offset, limit_offset))
    a.records = records
    return a


cdef ReadRun _read(gt_source *source, gt_read_args *a):
    cdef gt_read_out out
    memset(&out, 0, sizeof(out))
    cdef ReadData data = ReadData.__new__(ReadData)
    out.data = data.take_room(a.bytes_max)
    with nogil:
        gt_read_run(source, a, &out)
    try:
        return _run_of(&out, data)
    finally:
        free(out.lengths)
        free(out.stamps)


def read_run(
        const uint8_t[::1] buffer not None, size_t position, size_t count, uint32_t salt,
        uint64_t stream_id, uint64_t first_offset, uint64_t limit_offset, uint64_t first_ordinal,
        uint64_t first_stamp, size_t bytes_max, bint records):
    """Read one stream's bytes out of the entries in [position, position + count) of a segment."""
    cdef gt_source source
    cdef gt_read_args a = _args(
        position, count, salt, stream_id, first_offset, limit_offset, first_ordinal, first_stamp,
        bytes_max, records)
    memset(&source, 0, sizeof(source))
    source.memory = &buffer[0] if buffer.shape[0] else <const uint8_t *>b""
    source.memory_bytes = buffer.shape[0]
    return _read(&source, &a)


def read_file_run(
        int fd, size_t position, size_t count, uint32_t salt, uint64_t stream_id,
        uint64_t first_offset, uint64_t limit_offset, uint64_t first_ordinal,
        uint64_t first_stamp, size_t bytes_max, bint records, bint nowait):
    """``read_run`` on a file; a small range of a large batch is read without the rest of it."""
    cdef gt_source source
    cdef gt_read_args a = _args(
        position, count, salt, stream_id, first_offset, limit_offset, first_ordinal, first_stamp,
        bytes_max, records)
    memset(&source, 0, sizeof(source))
    source.fd = fd
    source.nowait = nowait
    return _read(&source, &a)
