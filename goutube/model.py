"""The words that every floor speaks: identifiers, records, batches, what a stream is.

*Offset* is a place in a stream, *position* a byte in a file, *index* an entry in a Raft log. They
are distinct types so that the type checker finds a swap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, NewType

Buffer = bytes | bytearray | memoryview
"""Contiguous bytes, borrowed: whoever hands them over does not change them afterwards."""

ShardId = NewType("ShardId", int)
EntryIndex = NewType("EntryIndex", int)
Term = NewType("Term", int)
Offset = NewType("Offset", int)
Position = NewType("Position", int)

StreamId = NewType("StreamId", int)
"""(shard, index of the stream's create entry) in one unsigned 64-bit number; never used again."""

STREAM_ID_INDEX_BITS: Final = 48


def stream_id_of(shard: ShardId, index: EntryIndex) -> StreamId:
    """Pack a shard and the index of a create entry into a stream's id."""
    return StreamId(shard << STREAM_ID_INDEX_BITS | index)


def shard_of_stream(stream_id: StreamId) -> ShardId:
    """Name the shard that a stream's id belongs to."""
    return ShardId(stream_id >> STREAM_ID_INDEX_BITS)


class Batch(NamedTuple):
    """Records of one stream that travel and are stored together: the unit of checksum and commit.

    Attributes:
        record_count: 1 or more.
        flags: ``BATCH_BLOCKS`` and ``BATCH_DELTAS`` of ``goutube._native``.
        tables: the record table, then the time deltas and the block checksums that ``flags`` name.
        data: the records' bytes, contiguous.
        checksum: CRC-32C made once by whoever built the batch: of the tables where there are block
            checksums (these cover the data), of tables and data otherwise.
    """

    record_count: int
    flags: int
    tables: Buffer
    data: Buffer
    checksum: int


class ProducerStamp(NamedTuple):
    """Who sent a batch and which one of its batches it is.

    Attributes:
        producer_id: 16 bytes, chosen at random by the producer or made of its name.
        epoch: rises when a producer of the same id takes over; the older one is fenced.
        sequence: number of the batch's first record in this epoch, from 0.
    """

    producer_id: bytes
    epoch: int
    sequence: int


_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StreamProperties:
    """What a user can set on a stream.

    Attributes:
        content_type: a media type, free text, up to ``CONTENT_TYPE_BYTES_MAX`` bytes.
        metadata: the user's own keys and values.
        retention_bytes: so many of the newest bytes are kept, and what else is in their oldest
            batch; 0: all, None: as the node's ``retention_bytes`` says.
        retention_ms: records older than this are dropped; 0: never, None: as the node's
            ``retention_age`` says.
    """

    content_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: _NO_METADATA)
    retention_bytes: int | None = None
    retention_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream as of one moment; offsets are committed ones, times are Unix milliseconds."""

    name: str
    stream_id: StreamId
    start_offset: int
    end_offset: int
    record_count: int
    """Records ever appended, trimmed ones included."""
    sealed: bool
    created_ms: int
    modified_ms: int
    properties: StreamProperties


class AppendResult(NamedTuple):
    """Where an append's bytes lie: from ``offset`` to before ``next_offset``."""

    offset: int
    next_offset: int
    stream_id: StreamId
    duplicate: bool = False
    """True when this was a retry of a batch that was committed before."""


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """Which bytes a downloaded file holds: from ``offset`` to before ``next_offset``."""

    offset: int
    next_offset: int
    stream_id: StreamId
    resumed_bytes: int = 0
    """How many of them an earlier, interrupted download had brought."""


class Record(NamedTuple):
    """One record as its producer sent it; a tuple, since readers make a million a second."""

    offset: int
    timestamp_ms: int
    value: bytes
