"""What a batch may be, before anybody is asked to store it."""

from __future__ import annotations

from itertools import chain, pairwise
from typing import Final

from goutube.api import codecs
from goutube.errors import InvalidArgumentError, RecordTooLargeError
from goutube.limits import BATCH_DATA_BYTES_MAX, BATCH_RECORDS_MAX

PRODUCER_ID_BYTES: Final = 16
SEQUENCE_MAX: Final = (1 << 63) - 1
_END_BYTES: Final = 4


def check_request(request: codecs.AppendRequest, record_bytes_max: int) -> None:
    """Check what can be told without reading the data.

    Raises:
        InvalidArgumentError: a number outside its range.
        RecordTooLargeError: a record or the batch is longer than the limit.
    """
    count, data_bytes = request.record_count, len(request.data)
    if request.producer_id and len(request.producer_id) != PRODUCER_ID_BYTES:
        raise InvalidArgumentError(
            f"the producer_id has {len(request.producer_id)} bytes; it has {PRODUCER_ID_BYTES}, "
            "or none for a batch without a producer"
        )
    if request.sequence > SEQUENCE_MAX:
        raise InvalidArgumentError(
            f"the sequence {request.sequence} is above the limit {SEQUENCE_MAX}"
        )
    if not count:
        if data_bytes or len(request.tables):
            raise InvalidArgumentError(
                f"record_count is 0, but there are {data_bytes} bytes of data and "
                f"{len(request.tables)} of tables"
            )
        if not request.seal:
            raise InvalidArgumentError(
                "the batch has no record; only a batch that seals its stream may have none"
            )
    elif count > BATCH_RECORDS_MAX:
        raise InvalidArgumentError(
            f"the batch has {count} records; the limit is {BATCH_RECORDS_MAX}"
        )
    elif not data_bytes:
        raise InvalidArgumentError("a record is empty; a record has at least one byte")
    if data_bytes > record_bytes_max:
        _check_record_sizes(request, record_bytes_max)
    if data_bytes > BATCH_DATA_BYTES_MAX:
        raise RecordTooLargeError(
            f"the batch has {data_bytes} bytes of data; the limit is {BATCH_DATA_BYTES_MAX}",
            size=data_bytes,
            limit=BATCH_DATA_BYTES_MAX,
        )


def refused_batch(verdict: int, request: codecs.AppendRequest) -> InvalidArgumentError:
    """The error for a batch that ``check_batch`` did not find good: what is wrong with it."""
    match verdict:
        case codecs.VERDICT_BAD_CHECKSUM:
            return InvalidArgumentError(
                f"the batch's checksum {request.checksum:#010x} does not match; "
                "it was damaged on the way or built wrongly"
            )
        case codecs.VERDICT_UNKNOWN_FORMAT:
            return InvalidArgumentError(
                f"the batch has flags {request.flags:#x}, of which this release knows "
                f"{codecs.BATCH_BLOCKS:#x} (block checksums) and {codecs.BATCH_DELTAS:#x} (times)"
            )
        case _:
            return InvalidArgumentError(_table_fault(request))


def too_large(number: int, size: int, limit: int, what: str = "record") -> RecordTooLargeError:
    """The error for a record that is longer than the limit; ``number`` counts from 1."""
    return RecordTooLargeError(
        f"{what} {number} has {size} bytes; the limit is {limit}: cut it into several",
        number=number,
        size=size,
        limit=limit,
    )


def _check_record_sizes(request: codecs.AppendRequest, record_bytes_max: int) -> None:
    start = 0
    for number, end in enumerate(_ends(request), 1):
        if end - start > record_bytes_max:
            raise too_large(number, end - start, record_bytes_max)
        start = end


def _ends(request: codecs.AppendRequest) -> memoryview[int]:
    """The ends of the records as far as the table has them; little-endian, as this machine is."""
    present = min(request.record_count, len(request.tables) // _END_BYTES)
    return request.tables[: present * _END_BYTES].cast("I")


def _table_fault(request: codecs.AppendRequest) -> str:
    ends = _ends(request)
    if len(ends) < request.record_count:
        return (
            f"the record table holds {len(ends)} ends for {request.record_count} records; "
            "each record has one"
        )
    for number, (end, next_end) in enumerate(pairwise(chain((0,), ends)), 1):
        if next_end == end:
            return f"record {number} is empty; a record has at least one byte"
        if next_end < end:
            return f"the record table says that record {number} ends before it begins"
    if ends[-1] != len(request.data):
        return (
            f"the record table ends at {ends[-1]}, but there are {len(request.data)} bytes of data"
        )
    return (
        f"the {len(request.tables)} bytes of tables are not what {request.record_count} records "
        f"with flags {request.flags:#x} need, or the time deltas fall"
    )
