"""How plain bytes become records, and records batches.

Bytes without boundaries of their own are cut into records of ``RECORD_BYTES``; records are put
together into batches of about ``BATCH_BYTES``. A batch is committed whole or not at all, so an
append of up to ``BATCH_BYTES`` is atomic, and a longer one is a row of atomic pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from goutube.errors import InvalidArgumentError, RecordTooLargeError
from goutube.limits import CHUNK_BYTES_DEFAULT, MIB, RECORD_BYTES_MAX
from goutube.model import Buffer

RECORD_BYTES: Final = CHUNK_BYTES_DEFAULT
BATCH_BYTES: Final = MIB
BATCH_RECORDS: Final = 65_536
"""A batch of tiny records stays small too: its table costs four bytes a record."""


def cut_bytes(content: Buffer) -> Iterator[tuple[Buffer, list[int]]]:
    """Cut bytes of any length into batches: (bytes of the batch, length of each record).

    Args:
        content: contiguous; ``bytes`` are not copied, anything that its owner could change is.
    """
    if isinstance(content, bytes) and 0 < len(content) <= RECORD_BYTES:
        yield content, [len(content)]
        return
    view = memoryview(content).cast("B")
    for start in range(0, len(view), BATCH_BYTES):
        piece: Buffer = view[start : start + BATCH_BYTES]
        length = len(piece)
        lengths = [RECORD_BYTES] * (length // RECORD_BYTES)
        if length % RECORD_BYTES:
            lengths.append(length % RECORD_BYTES)
        yield (piece if isinstance(content, bytes) else bytes(piece)), lengths


def check_record(record: object) -> bytes:
    """One record of the user's own, as bytes that nobody changes any more.

    Raises:
        InvalidArgumentError: it is empty, or no bytes.
        RecordTooLargeError: it is longer than ``RECORD_BYTES_MAX``.
    """
    if not isinstance(record, (bytes, bytearray, memoryview)):
        raise InvalidArgumentError(f"a record must be bytes, not {type(record).__name__}")
    length = record.nbytes if isinstance(record, memoryview) else len(record)
    if length == 0:
        raise InvalidArgumentError("a record must have at least one byte; leave empty ones out")
    if length > RECORD_BYTES_MAX:
        raise RecordTooLargeError(
            f"the record has {length} bytes; the limit is {RECORD_BYTES_MAX}",
            limit=RECORD_BYTES_MAX,
        )
    return bytes(record)


class Gathering:
    """Records that wait to become a batch."""

    __slots__ = ("byte_count", "records")

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.byte_count = 0

    def fits(self, record: bytes) -> bool:
        """Whether the batch stays within its bounds with this record."""
        if not self.records:
            return True
        room = self.byte_count + len(record) <= BATCH_BYTES
        return room and len(self.records) < BATCH_RECORDS

    def add(self, record: bytes) -> None:
        """Put one more record at the end."""
        self.records.append(record)
        self.byte_count += len(record)

    def take(self) -> list[bytes]:
        """The records so far; the next batch begins empty."""
        records, self.records, self.byte_count = self.records, [], 0
        return records
