"""The one door to the compiled kernels, checksums to disk threads.

Kernels are pure functions over memory (the disk threads apart) and know no class of Goutube. They
raise only for misuse at the call; a verdict about data is a returned number, one of ``VERDICT_*``.
"""

# fmt: off
from goutube._native.checksum import CPU_PATH, crc32c
from goutube._native.disk import DiskThreads, ReadRun, read_file_run, read_run
from goutube._native.framing import (
    BATCH_BLOCKS, BATCH_DELTAS, ENTRY_ALIGN, ENTRY_HEADER_BYTES, EntryHeader, EntryScan,
    build_tables, check_batch, encode_entry_header, find_entry, join_records, last_delta,
    scan_entries,
)
from goutube._native.hashing import murmur3, xxh64
from goutube._native.journal import (
    JOURNAL_BLOCK_BYTES, JOURNAL_RECORD_HEADER_BYTES, JournalGroup, JournalRecord, complete_group,
    encode_group, encode_record_header, find_group, read_group,
)
from goutube._native.verdict import (
    VERDICT_BAD_CHECKSUM, VERDICT_BAD_HEADER, VERDICT_BAD_TABLE, VERDICT_END, VERDICT_IO_ERROR,
    VERDICT_OK, VERDICT_TOO_LONG, VERDICT_TORN, VERDICT_UNKNOWN_FORMAT, VERDICT_WOULD_BLOCK,
)
from goutube._native.wire import (
    AppendRequest, AppendResponse, ReadResponse, decode_append_request, decode_append_response,
    decode_consume_request, decode_produce_request, decode_read_response, encode_append_request,
    encode_append_response, encode_consume_response, encode_read_response,
)

__all__ = [
    "BATCH_BLOCKS", "BATCH_DELTAS", "CPU_PATH", "ENTRY_ALIGN", "ENTRY_HEADER_BYTES",
    "JOURNAL_BLOCK_BYTES", "JOURNAL_RECORD_HEADER_BYTES", "VERDICT_BAD_CHECKSUM",
    "VERDICT_BAD_HEADER", "VERDICT_BAD_TABLE", "VERDICT_END", "VERDICT_IO_ERROR", "VERDICT_OK",
    "VERDICT_TOO_LONG", "VERDICT_TORN", "VERDICT_UNKNOWN_FORMAT", "VERDICT_WOULD_BLOCK",
    "AppendRequest", "AppendResponse", "DiskThreads", "EntryHeader", "EntryScan", "JournalGroup",
    "JournalRecord", "ReadResponse", "ReadRun", "build_tables", "check_batch", "complete_group",
    "crc32c", "decode_append_request", "decode_append_response", "decode_consume_request",
    "decode_produce_request", "decode_read_response", "encode_append_request",
    "encode_append_response", "encode_consume_response", "encode_entry_header", "encode_group",
    "encode_read_response", "encode_record_header", "find_entry", "find_group", "join_records",
    "last_delta", "murmur3", "read_file_run", "read_group", "read_run", "scan_entries", "xxh64",
]
# fmt: on
