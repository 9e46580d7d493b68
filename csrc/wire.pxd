from libc.stdint cimport uint8_t, uint64_t

cdef extern from "wire.h" nogil:
    enum:
        GT_MESSAGE_BYTES_MAX
    ctypedef struct gt_value:
        const uint8_t *start
        uint64_t number
        bint present

    const uint8_t gt_append_request[15]
    const uint8_t gt_append_response[6]
    const uint8_t gt_read_response[11]
    const uint8_t gt_produce_request[4]
    const uint8_t gt_consume_request[5]
    const uint8_t gt_consume_response[2]

    unsigned int gt_varint_bytes(uint64_t value) noexcept
    uint8_t *gt_write_varint(uint8_t *p, uint64_t value) noexcept
    void gt_put(gt_value *value, uint64_t number) noexcept
    bint gt_decode(
        const uint8_t *p, const uint8_t *end, const uint8_t *kinds, unsigned int count,
        gt_value *values) noexcept
    uint64_t gt_encoded_bytes(
        const uint8_t *kinds, unsigned int count, const gt_value *values) noexcept
    void gt_encode(
        uint8_t *p, const uint8_t *kinds, unsigned int count,
        const gt_value *values) noexcept
