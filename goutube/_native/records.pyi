from typing import Final, TypeVar, final

from typing_extensions import Buffer

_Tuple = TypeVar("_Tuple", bound=tuple[int, int, bytes])

ADD_NO_ROOM: Final = -1
ADD_NO_RECORD: Final = -2

@final
class BatchBuilder:
    """Gathers records into one batch: their bytes and ends, no object for each.

    A batch holds up to ``bytes_max`` bytes and ``records_max`` records; a longer record, up to
    ``record_bytes_max``, is a batch of its own. It begins closed. Not safe for several threads at once.

    Raises:
        ValueError, OverflowError: a limit above those of the format.
    """

    byte_count: int
    record_count: int

    def __init__(self, bytes_max: int, records_max: int, record_bytes_max: int) -> None: ...
    def open(self) -> None:
        """Let records be added until ``take``."""

    def add(self, record: object) -> int:
        """Copy a record in; its number in the batch, from 0.

        ADD_NO_ROOM: the batch is closed or would become too large. ADD_NO_RECORD: not bytes, bytearray
        or a contiguous memoryview, no byte, or more than ``record_bytes_max``.
        """

    def take(self) -> tuple[int, int, bytes, bytes, int]:
        """(record count, flags, tables, data, checksum) of the batch; the builder is closed and empty.

        Releases the GIL from 64 KiB; it is empty by then.

        Raises:
            ValueError: it has no record.
        """

def split_records(
    kind: type[_Tuple], offset: int, data: Buffer, lengths: Buffer, timestamps: Buffer
) -> list[_Tuple] | None:
    """The records of an answer that begins at ``offset``, as (offset, time, bytes) of the type ``kind``.

    ``lengths`` are uint32, ``timestamps`` uint64, little-endian; None where the three do not fit.

    Raises:
        TypeError: ``kind`` is no subclass of tuple, or one with fields of its own.
    """
