from collections.abc import Sequence
from typing import Final, NamedTuple

from typing_extensions import Buffer

JOURNAL_BLOCK_BYTES: Final = 4096
JOURNAL_RECORD_HEADER_BYTES: Final = 40

def encode_group(
    seed: int,
    sequence: int,
    marks: Sequence[tuple[int, int, int, int, int]],
    record_count: int,
    records_bytes: int,
) -> bytearray:
    """The head of a journal group: its header and its durable marks.

    ``marks`` are (shard, replica number, durable index, durable term, commit index). The records
    follow, ``records_bytes`` long with their headers, then zeros up to a multiple of
    JOURNAL_BLOCK_BYTES. The two checksums are left open: ``complete_group`` or the writer fills them in.
    """

def complete_group(seed: int, head: bytearray, rest: Sequence[Buffer]) -> None:
    """Fill in the checksums of a group whose head is ``head`` and whose other bytes are ``rest``."""

def encode_record_header(
    kind: int,
    shard: int,
    replica: int,
    first_index: int,
    generation: int,
    position: int,
    length: int,
) -> bytes:
    """The 40 bytes before a journal record's body of ``length`` bytes (a multiple of 8)."""

class JournalRecord(NamedTuple):
    kind: int
    shard: int
    replica: int
    first_index: int
    generation: int
    position: int
    start: int
    """Of the body, in the buffer."""
    length: int

class JournalGroup(NamedTuple):
    sequence: int
    marks: list[tuple[int, int, int, int, int]]
    records: list[JournalRecord]
    next_position: int

def read_group(
    buffer: Buffer, position: int, seed: int, sequence: int
) -> tuple[int, JournalGroup | None]:
    """Judge and take apart the group at ``position``: (VERDICT_OK, group) or (what is wrong, None).

    It is good only under ``seed``, with exactly this sequence number, and whole.
    """

def find_group(buffer: Buffer, start: int, seed: int, sequence: int) -> int:
    """Position of a whole, good group with a sequence number above ``sequence``; -1: none."""
