"""What can be asked of a node, and what it answers: plain values, no wire format."""

from __future__ import annotations

from dataclasses import dataclass

from goutube.errors import GoutubeError
from goutube.model import (
    AppendResult,
    Batch,
    ProducerStamp,
    StreamId,
    StreamInfo,
    StreamProperties,
)

ANY_STREAM = StreamId(0)
"""No shard ever gives this id: a command that carries it takes any stream of the name."""


@dataclass(frozen=True, slots=True)
class Append:
    """Append a batch; the first append creates the stream unless ``stream_id`` is given.

    Without a batch nothing is appended: the stream is created if need be, sealed if asked, and the
    answer tells its end. The batch's checksums have been verified by whoever took it in.
    """

    name: str
    stream_id: StreamId
    batch: Batch | None
    expected_offset: int | None
    producer: ProducerStamp | None
    producer_time_ms: int
    seal: bool


@dataclass(frozen=True, slots=True)
class CreateStream:
    """Make an empty stream."""

    name: str
    properties: StreamProperties


@dataclass(frozen=True, slots=True)
class DescribeStream:
    """Tell what a stream is, as of now."""

    name: str
    stream_id: StreamId = ANY_STREAM


@dataclass(frozen=True, slots=True)
class ListStreams:
    """List streams in the order of their names' bytes, ``after`` excluded."""

    prefix: str
    after: str
    page_size: int


@dataclass(frozen=True, slots=True)
class ChangeStream:
    """Replace a stream's properties."""

    name: str
    stream_id: StreamId
    properties: StreamProperties


@dataclass(frozen=True, slots=True)
class SealStream:
    """End a stream."""

    name: str
    stream_id: StreamId


@dataclass(frozen=True, slots=True)
class TrimStream:
    """Drop the bytes before an offset."""

    name: str
    stream_id: StreamId
    before: int


@dataclass(frozen=True, slots=True)
class DeleteStream:
    """Remove a stream."""

    name: str
    stream_id: StreamId


@dataclass(frozen=True, slots=True)
class AtOffset:
    """Begin at an offset."""

    offset: int


@dataclass(frozen=True, slots=True)
class Earliest:
    """Begin with the first byte that is still there."""


@dataclass(frozen=True, slots=True)
class Latest:
    """Begin at the committed end."""


@dataclass(frozen=True, slots=True)
class FromTimestamp:
    """Begin with the first record whose time is not before this."""

    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class LastBytes:
    """Begin so many bytes before the end, or at the start."""

    count: int


@dataclass(frozen=True, slots=True)
class LastRecords:
    """Begin so many records before the end, or at the start."""

    count: int


Start = AtOffset | Earliest | Latest | FromTimestamp | LastBytes | LastRecords


@dataclass(frozen=True, slots=True)
class Read:
    """Read one answer's worth from a stream.

    With ``wait`` and nothing to read, the answer comes when there is something, or when the stream
    is sealed or deleted; without it the answer is empty at once. ``limit`` is one past the last
    offset wanted. ``bytes_max`` bounds the answer unless its first record is larger.
    """

    name: str
    stream_id: StreamId
    start: Start
    limit: int | None
    bytes_max: int
    records: bool
    wait: bool


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """Bytes of a stream; the fields are those of goutube.v1.ReadResponse."""

    stream_id: StreamId
    offset: int
    data: bytes
    checksum: int
    lengths: bytes
    timestamps: bytes
    ordinal: int
    next_offset: int
    start_offset: int
    end_offset: int
    sealed: bool


@dataclass(frozen=True, slots=True)
class ListPage:
    """Streams in order; ``more`` tells whether others follow the last of them."""

    streams: list[StreamInfo]
    more: bool


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard as this node sees it."""

    shard: int
    term: int
    last_index: int
    commit_index: int
    stream_count: int
    fault: str


@dataclass(frozen=True, slots=True)
class NodeReport:
    """The node's identity and shards."""

    cluster_id: bytes
    node_name: str
    incarnation: bytes
    boot: int
    shards: list[ShardStatus]


Command = (
    Append
    | CreateStream
    | DescribeStream
    | ListStreams
    | ChangeStream
    | SealStream
    | TrimStream
    | DeleteStream
    | Read
)
Result = AppendResult | StreamInfo | ListPage | ReadAnswer | None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the command that was submitted under ``token``: a result or an error."""

    token: int
    result: Result = None
    error: GoutubeError | None = None
