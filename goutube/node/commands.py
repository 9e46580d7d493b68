"""What can be asked of a node, and what it answers: plain values, no wire format."""

from __future__ import annotations

from msgspec import Struct

from goutube._native import ReadData
from goutube.errors import GoutubeError
from goutube.model import (
    AppendResult,
    Batch,
    ProducerStamp,
    StreamId,
    StreamInfo,
    StreamProperties,
)
from goutube.storage import Damage

ANY_STREAM = StreamId(0)
"""No shard ever gives this id: a command that carries it takes any stream of the name."""


class Append(Struct, frozen=True, gc=False):
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


class CreateStream(Struct, frozen=True):
    """Make an empty stream."""

    name: str
    properties: StreamProperties


class DescribeStream(Struct, frozen=True):
    """Tell what a stream is, as of now."""

    name: str
    stream_id: StreamId = ANY_STREAM


class ListStreams(Struct, frozen=True):
    """List streams in the order of their names' bytes, ``after`` excluded."""

    prefix: str
    after: str
    page_size: int


class ChangeStream(Struct, frozen=True):
    """Replace a stream's properties."""

    name: str
    stream_id: StreamId
    properties: StreamProperties


class SealStream(Struct, frozen=True):
    """End a stream."""

    name: str
    stream_id: StreamId


class TrimStream(Struct, frozen=True):
    """Drop the bytes before an offset."""

    name: str
    stream_id: StreamId
    before: int


class DeleteStream(Struct, frozen=True):
    """Remove a stream."""

    name: str
    stream_id: StreamId


class AtOffset(Struct, frozen=True):
    """Begin at an offset."""

    offset: int


class Earliest(Struct, frozen=True):
    """Begin with the first byte that is still there."""


class Latest(Struct, frozen=True):
    """Begin at the committed end."""


class FromTimestamp(Struct, frozen=True):
    """Begin with the first record whose time is not before this."""

    timestamp_ms: int


class LastBytes(Struct, frozen=True):
    """Begin so many bytes before the end, or at the start."""

    count: int


class LastRecords(Struct, frozen=True):
    """Begin so many records before the end, or at the start."""

    count: int


Start = AtOffset | Earliest | Latest | FromTimestamp | LastBytes | LastRecords


class Read(Struct, frozen=True):
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


class ReadAnswer(Struct, frozen=True):
    """Bytes of a stream; the fields are those of goutube.v1.ReadResponse, made of ``data``."""

    stream_id: StreamId
    offset: int
    data: ReadData
    checksum: int
    lengths: bytes
    timestamps: bytes
    ordinal: int
    next_offset: int
    start_offset: int
    end_offset: int
    sealed: bool


class ListPage(Struct, frozen=True):
    """Streams in order; ``more`` tells whether others follow the last of them."""

    streams: list[StreamInfo]
    more: bool


class ShardStatus(Struct, frozen=True):
    """One shard as this node sees it; ``damages`` is what is in quarantine."""

    shard: int
    term: int
    last_index: int
    commit_index: int
    stream_count: int
    fault: str
    damages: tuple[Damage, ...] = ()


class NodeReport(Struct, frozen=True):
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


class Reply(Struct, frozen=True):
    """The answer to the command that was submitted under ``token``: a result or an error."""

    token: int
    result: Result = None
    error: GoutubeError | None = None
