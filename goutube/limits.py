"""Named maxima, each with its unit; how they hang together is asserted at import.

A limit that a user can lower or raise is a setting (``goutube.config``) whose default or ceiling
stands here; the others are part of the formats and of the wire contract.
"""

KIB = 1024
MIB = 1024 * KIB

STREAM_NAME_BYTES_MAX = 255
CONTENT_TYPE_BYTES_MAX = 255
METADATA_BYTES_MAX = 4 * KIB
"""Keys and values of one stream's user metadata, in UTF-8 bytes together."""

RETENTION_MAX = 1 << 62
"""Of the bytes or milliseconds that a stream is kept."""

RECORD_BYTES_MAX = 16 * MIB
BATCH_DATA_BYTES_MAX = 16 * MIB
"""Record bytes of one batch: one record of the largest size fits."""
BATCH_RECORDS_MAX = 1 << 20
CONTROL_BYTES_MAX = 16 * KIB
"""The part of an entry that the leader writes: names, properties, configurations."""

BLOCK_BYTES = 64 * KIB
"""A batch with more record bytes than this carries one checksum per block of this size."""

SHARD_COUNT_DEFAULT = 64
SHARD_COUNT_MAX = 4096
VIRTUAL_NODE_COUNT_DEFAULT = 256
VIRTUAL_NODE_COUNT_MAX = 65_536

CHUNK_BYTES_DEFAULT = 256 * KIB
CHUNK_BYTES_MAX = 4 * MIB
READ_BYTES_MAX = 4 * MIB
"""Record bytes of one answer of a read, unless a single record is larger."""

MESSAGE_BYTES_MAX = BATCH_DATA_BYTES_MAX + 4 * BATCH_RECORDS_MAX * 2 + 64 * KIB
"""One gRPC message: the largest batch with its tables and envelope."""

PRODUCER_WINDOW_BATCHES = 16
"""How many of a producer's last batches are remembered to answer a retry with its offsets."""
PRODUCERS_PER_SHARD_MAX = 10_000
PRODUCER_IDLE_MS = 24 * 3600 * 1000

INFLIGHT_BYTES_PER_SHARD_MAX = 32 * MIB
INFLIGHT_BYTES_MAX = 256 * MIB
LIST_PAGE_MAX = 1000

assert RECORD_BYTES_MAX <= BATCH_DATA_BYTES_MAX
assert INFLIGHT_BYTES_PER_SHARD_MAX >= 2 * BATCH_DATA_BYTES_MAX
assert CHUNK_BYTES_DEFAULT <= CHUNK_BYTES_MAX <= READ_BYTES_MAX
assert MESSAGE_BYTES_MAX < 1 << 31
