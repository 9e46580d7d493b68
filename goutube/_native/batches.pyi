from collections.abc import Iterable
from typing import Final

from typing_extensions import Buffer

BATCH_BLOCKS: Final = 4
BATCH_BLOCK_BYTES: Final = 65536
BATCH_DELTAS: Final = 8

def build_tables(
    lengths: Iterable[int] | Buffer, data: Buffer, deltas: Iterable[int] | Buffer | None = None
) -> tuple[bytes, int, int]:
    """Tables, flags and payload checksum of a batch whose records lie contiguous in ``data``.

    ``lengths`` are in bytes, ``deltas`` in milliseconds since the first record; where one of them is
    a buffer, it holds uint32, little-endian. Releases the GIL from 64 KiB.

    Raises:
        ValueError: no record, an empty one, lengths that do not add up to the data, falling deltas.
    """

def join_records(records: Iterable[Buffer]) -> tuple[bytes, bytes, int, int]:
    """(tables, data, flags, checksum) of a batch made of separate records; copies them once."""

def check_batch(record_count: int, flags: int, tables: Buffer, data: Buffer, checksum: int) -> int:
    """Judge a batch that came from elsewhere: tables against data, then every checksum. A verdict.

    VERDICT_BAD_TABLE: wrong table length, an end that does not rise or is not the data's, falling
    deltas; VERDICT_UNKNOWN_FORMAT: an unknown flag; VERDICT_BAD_CHECKSUM. Releases the GIL from 64 KiB.
    """

def last_delta(record_count: int, flags: int, tables: Buffer) -> int:
    """Milliseconds from a batch's first record to its last; 0 without deltas."""
