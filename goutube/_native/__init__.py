"""The one door to the compiled kernels: checksums, hashes, framing, journal, reads, wire, disk threads.

Kernels are pure functions over memory (the disk threads apart) and know no class of Goutube. They
raise only for misuse at the call; a verdict about data is a returned number, one of ``VERDICT_*``.
"""

from goutube._native.checksum import CPU_PATH, crc32c
from goutube._native.disk import DiskThreads
from goutube._native.framing import (
    BATCH_BLOCKS,
    BATCH_DELTAS,
    ENTRY_ALIGN,
    ENTRY_HEADER_BYTES,
    EntryHeader,
    EntryScan,
    ReadRun,
    build_tables,
    check_batch,
    encode_entry_header,
    find_entry,
    join_records,
    last_delta,
    read_file_run,
    read_run,
    scan_entries,
)
from goutube._native.hashing import murmur3, xxh64
from goutube._native.journal import (
    JOURNAL_BLOCK_BYTES,
    encode_group,
    JOURNAL_RECORD_HEADER_BYTES,
    JournalGroup,
    JournalRecord,
    complete_group,
    encode_record_header,
    find_group,
    read_group,
)
from goutube._native.verdict import (
    VERDICT_BAD_CHECKSUM,
    VERDICT_BAD_HEADER,
    VERDICT_BAD_TABLE,
    VERDICT_END,
    VERDICT_IO_ERROR,
    VERDICT_OK,
    VERDICT_TOO_LONG,
    VERDICT_TORN,
    VERDICT_UNKNOWN_FORMAT,
    VERDICT_WOULD_BLOCK,
)
from goutube._native.wire import (
    AppendRequest,
    AppendResponse,
    ReadResponse,
    decode_append_request,
    decode_append_response,
    decode_consume_request,
    decode_produce_request,
    decode_read_response,
    encode_append_request,
    encode_append_response,
    encode_consume_response,
    encode_read_response,
)
