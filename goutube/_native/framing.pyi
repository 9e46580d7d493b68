from typing import Final, final

from typing_extensions import Buffer

ENTRY_HEADER_BYTES: Final = 128
ENTRY_ALIGN: Final = 8
HEAD_BYTES: Final = 136

@final
class EntryHeader:
    """The header of one entry as it stands in a segment (docs/FORMATS.md), all fields read-only."""

    position: int
    """Of the header, in the buffer or file that was scanned."""
    entry_bytes: int
    """Header, control, tables, data and padding to ``ENTRY_ALIGN``."""
    kind: int
    flags: int
    index: int
    term: int
    stream_id: int
    offset: int
    ordinal: int
    stamp: int
    producer_stamp: int
    producer_id: bytes
    sequence: int
    epoch: int
    record_count: int
    control_bytes: int
    tables_bytes: int
    data_bytes: int
    control_checksum: int
    checksum: int
    """The payload's."""
    last_stamp: int
    """Time of the batch's last record: ``stamp`` and the last delta. Known to ``scan_entries`` only
    where it reads payloads; else equal to ``stamp``. Known to ``read_heads``."""

def encode_entry_header(
    salt: int,
    kind: int,
    flags: int,
    index: int,
    term: int,
    stream_id: int,
    offset: int,
    ordinal: int,
    stamp: int,
    producer_stamp: int,
    producer_id: bytes,
    sequence: int,
    epoch: int,
    record_count: int,
    control: bytes,
    tables_bytes: int,
    data_bytes: int,
    checksum: int,
) -> bytes:
    """The 128 bytes of an entry's header; the control section's checksum is computed here.

    ``producer_id`` is 16 bytes, or empty for none (stored as zeros). ``salt`` is the segment's, 32 bits.

    Raises:
        ValueError, OverflowError: a value that does not fit its field.
    """

@final
class EntryScan:
    """What a scan found: the good entries, and why and where it stopped."""

    headers: list[EntryHeader]
    verdict: int
    position: int
    """One past the last good entry: where the next one would stand."""

def scan_entries(
    buffer: Buffer,
    start: int,
    salt: int,
    next_index: int,
    term: int,
    check_payloads_from: int,
    count_max: int = -1,
) -> EntryScan:
    """Read entries one behind the other from ``start`` in a segment's bytes.

    A good entry has a good header under ``salt``, the index that follows the one before, a term not
    below ``term`` and the one before, lengths within the limits, and a good control checksum; from
    index ``check_payloads_from`` on also a good payload. Stops with VERDICT_END at the buffer's end
    or at zeros, VERDICT_TORN where an entry runs past the buffer, else with what is wrong.
    """

def read_heads(
    buffer: Buffer, start: int, salt: int, next_index: int, term: int, position: int, count: int
) -> EntryScan:
    """Read ``count`` heads of consecutive entries from ``start`` in a block of heads.

    A head is an entry's header, the delta of its last record (4 bytes), 4 zeros, and its control
    section, padded to ``ENTRY_ALIGN``. The first entry stands in the segment at ``position``, and the
    headers tell of positions there; the scan's own is one past the last good head in the buffer. What
    makes a header good is as for ``scan_entries``; the verdict is VERDICT_OK if all heads were.
    """

def find_entry(buffer: Buffer, start: int, salt: int, first_index: int) -> int:
    """Position of the next good header (8-byte aligned) with an index from ``first_index``; -1: none."""

@final
class EntryPick:
    """The entries that were picked out of a run of bytes.

    Where the verdict is not VERDICT_OK, ``position`` is that of the entry at fault, and the rest
    means nothing.
    """

    entries: bytes
    """One behind the other, byte for byte."""
    indexes: bytes
    """Of each entry its index, 8 bytes."""
    verdict: int
    position: int

def pick_entries(
    buffer: Buffer, base: int, salt: int, positions: Buffer, entry_bytes: Buffer
) -> EntryPick:
    """Verify the entries that stand at some positions of a segment, payloads included, and join them.

    ``buffer`` is the segment from the position ``base`` on. ``positions`` and ``entry_bytes`` are
    arrays of uint32: where each entry stands and how long it must be. Ends at the first bad one.

    Raises:
        ValueError: the arrays do not match, or tell of more bytes than the buffer has.
    """
