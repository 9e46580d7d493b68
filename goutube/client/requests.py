"""Requests as bytes and answers as values, for both clients.

What a call asks and what its answer means stands here once; the clients only carry it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from google.protobuf.message import DecodeError, Message

from goutube.api import admin_pb2, cluster_pb2, codecs, methods, stream_pb2
from goutube.client.cluster_status import ClusterStatus, NodeStatus, ShardStatus
from goutube.errors import (
    GoutubeError,
    InvalidArgumentError,
    OutcomeUnknownError,
    StreamExistsError,
    StreamNotFoundError,
    WireFormatError,
)
from goutube.limits import LIST_PAGE_MAX, MIB
from goutube.model import (
    AppendResult,
    Batch,
    Buffer,
    Record,
    StreamId,
    StreamInfo,
    StreamProperties,
)
from goutube.names import check_stream_name
from goutube.routing import Parcel, ProducerSession, ReadWish, Start

_Value = TypeVar("_Value")
_Answer = TypeVar("_Answer", bound=Message)
Place = int | Literal["earliest", "latest"]
Bound = int | Literal["default"] | None
_NUMBER_MAX = (1 << 64) - 1
ANSWER_BYTES: Final = MIB
"""What a read asks for at once: enough that what an answer costs by itself hardly counts."""


@dataclass(frozen=True, slots=True)
class Unary(Generic[_Value]):
    """One request with one answer.

    Attributes:
        after_lost: what an error means once an earlier try may have been carried out; it returns
            the value or raises.
        budget_ms_min: how long the server may take by rights, whatever the caller's patience.
    """

    path: str
    request: bytes
    read: Callable[[bytes], _Value]
    after_lost: Callable[[GoutubeError], _Value] | None = None
    budget_ms_min: int = 0


def check_number(value: int, what: str) -> int:
    """Return ``value`` if it fits an offset, id or count of the wire contract.

    Raises:
        InvalidArgumentError: it does not.
    """
    if not 0 <= value <= _NUMBER_MAX:
        raise InvalidArgumentError(f"{what} is {value!r}; it must be a number from 0 to 2**64 - 1")
    return value


def describe(name: str) -> Unary[StreamInfo]:
    """DescribeStream."""
    request = admin_pb2.DescribeStreamRequest(stream=check_stream_name(name))
    return Unary(
        methods.DESCRIBE_STREAM,
        request.SerializeToString(),
        lambda message: _info(_parse(admin_pb2.DescribeStreamResponse, message).info),
    )


def create(name: str, properties: StreamProperties) -> Unary[StreamInfo]:
    """CreateStream."""

    def after_lost(error: GoutubeError) -> StreamInfo:
        if isinstance(error, StreamExistsError):
            raise OutcomeUnknownError(
                f"the stream {name!r} is there now; whether this call made it is not known, "
                "because an earlier answer was lost",
                stream=name,
            ) from error
        raise error

    request = admin_pb2.CreateStreamRequest(
        stream=check_stream_name(name), properties=_properties(properties)
    )
    return Unary(
        methods.CREATE_STREAM,
        request.SerializeToString(),
        lambda message: _info(_parse(admin_pb2.CreateStreamResponse, message).info),
        after_lost,
    )


def change(
    info: StreamInfo,
    content_type: str | None,
    metadata: Mapping[str, str] | None,
    retention_bytes: Bound,
    retention_ms: Bound,
) -> Unary[StreamInfo]:
    """ChangeStream of the stream that was described; what is None stays."""
    known = info.properties
    request = admin_pb2.ChangeStreamRequest(
        stream=info.name,
        stream_id=info.stream_id,
        properties=_properties(
            StreamProperties(
                known.content_type if content_type is None else content_type,
                known.metadata if metadata is None else metadata,
                _bound(known.retention_bytes, retention_bytes),
                _bound(known.retention_ms, retention_ms),
            )
        ),
    )
    return Unary(
        methods.CHANGE_STREAM,
        request.SerializeToString(),
        lambda message: _info(_parse(admin_pb2.ChangeStreamResponse, message).info),
    )


def seal(name: str, stream_id: int) -> Unary[StreamInfo]:
    """SealStream."""
    request = admin_pb2.SealStreamRequest(
        stream=check_stream_name(name), stream_id=check_number(stream_id, "stream_id")
    )
    return Unary(
        methods.SEAL_STREAM,
        request.SerializeToString(),
        lambda message: _info(_parse(admin_pb2.SealStreamResponse, message).info),
    )


def trim(name: str, before: int, stream_id: int) -> Unary[StreamInfo]:
    """TrimStream."""
    request = admin_pb2.TrimStreamRequest(
        stream=check_stream_name(name),
        stream_id=check_number(stream_id, "stream_id"),
        before=check_number(before, "before"),
    )
    return Unary(
        methods.TRIM_STREAM,
        request.SerializeToString(),
        lambda message: _info(_parse(admin_pb2.TrimStreamResponse, message).info),
    )


def delete(name: str, stream_id: int) -> Unary[None]:
    """DeleteStream of the stream with this id: repeating it never meets another stream."""

    def read(message: bytes) -> None:
        _parse(admin_pb2.DeleteStreamResponse, message)

    def after_lost(error: GoutubeError) -> None:
        if not isinstance(error, StreamNotFoundError):
            raise error

    request = admin_pb2.DeleteStreamRequest(
        stream=check_stream_name(name), stream_id=check_number(stream_id, "stream_id")
    )
    return Unary(methods.DELETE_STREAM, request.SerializeToString(), read, after_lost)


def list_page(prefix: str, token: str) -> Unary[tuple[list[StreamInfo], str]]:
    """ListStreams: one page, and the token of the next one."""

    def read(message: bytes) -> tuple[list[StreamInfo], str]:
        answer = _parse(admin_pb2.ListStreamsResponse, message)
        return [_info(info) for info in answer.streams], answer.next_page_token

    request = admin_pb2.ListStreamsRequest(prefix=prefix, page_size=LIST_PAGE_MAX, page_token=token)
    return Unary(methods.LIST_STREAMS, request.SerializeToString(), read)


def cluster_status() -> Unary[ClusterStatus]:
    """GetStatus."""

    def read(message: bytes) -> ClusterStatus:
        answer = _parse(cluster_pb2.GetStatusResponse, message)
        nodes = tuple(
            NodeStatus(node.name, node.rpc_address, node.status, node.version, node.boot)
            for node in answer.nodes
        )
        shards = tuple(
            ShardStatus(
                shard=shard.shard,
                leader=shard.leader,
                replicas=tuple(shard.replicas),
                term=shard.term,
                last_index=shard.last_index,
                commit_index=shard.commit_index,
                stream_count=shard.stream_count,
                fault=shard.fault,
            )
            for shard in answer.shards
        )
        return ClusterStatus(
            answer.settled, answer.topology_version, answer.cluster_id, nodes, shards
        )

    return Unary(methods.GET_STATUS, cluster_pb2.GetStatusRequest().SerializeToString(), read)


def batch_of(content: Buffer, lengths: Sequence[int]) -> Batch:
    """A batch of records that lie one behind the other."""
    tables, flags, checksum = codecs.build_tables(lengths, content)
    return Batch(len(lengths), flags, tables, content, checksum)


def join(records: Sequence[bytes]) -> Batch:
    """A batch of separate records."""
    tables, content, flags, checksum = codecs.join_records(records)
    return Batch(len(records), flags, tables, content, checksum)


def append_message(session: ProducerSession, parcel: Parcel) -> bytes:
    """One AppendRequest; a batch carries its session's producer id and epoch."""
    batch = parcel.batch
    return codecs.encode_append_request(
        session.stream,
        parcel.stream_id,
        parcel.request,
        parcel.expected_offset,
        session.producer_id if batch else b"",
        session.epoch if batch else 0,
        parcel.sequence if batch else 0,
        parcel.seal,
        batch.record_count if batch else 0,
        batch.flags if batch else 0,
        batch.checksum if batch else 0,
        batch.tables if batch else b"",
        batch.data if batch else b"",
        time.time_ns() // 1_000_000,
    )


def append_answer(message: bytes) -> tuple[int, AppendResult]:
    """The request that an AppendResponse answers, and what it says.

    Raises:
        WireFormatError: the bytes are no such message.
    """
    answer = codecs.decode_append_response(message)
    if answer is None:
        raise WireFormatError("the server's answer to an append is no AppendResponse")
    stream_id = StreamId(answer.stream_id)
    return answer.request, AppendResult(
        answer.offset, answer.next_offset, stream_id, answer.duplicate
    )


def check_append(
    name: str, data: object, records: object, expected_offset: int | None, stream_id: int | None
) -> None:
    """Judge what is asked of an append before anything is sent.

    Raises:
        InvalidArgumentError: the name or a number is not allowed, or there is not one content.
    """
    check_stream_name(name)
    if (data is None) == (records is None):
        raise InvalidArgumentError("give either data or records to append")
    if expected_offset or stream_id:
        check_number(expected_offset or 0, "expected_offset")
        check_number(stream_id or 0, "stream_id")


def wish(
    name: str,
    start: Start,
    limit: int | None,
    stream_id: int | None,
    *,
    records: bool,
    follow: bool,
    bytes_max: int = ANSWER_BYTES,
) -> ReadWish:
    """What a read asks for first, its arguments judged.

    Raises:
        InvalidArgumentError: the name or a number is not allowed.
    """
    if limit is not None:
        check_number(limit, "limit")
    known = check_number(stream_id or 0, "stream_id")
    return ReadWish(check_stream_name(name), known, start, limit, records, follow, bytes_max)


def check_download(name: str, offset: int | str, limit: int | None) -> None:
    """Judge what is asked of a download before anything is sent.

    Raises:
        InvalidArgumentError: the name or a number is not allowed.
    """
    check_stream_name(name)
    if isinstance(offset, int):
        check_number(offset, "offset")
    elif offset != "earliest":
        raise InvalidArgumentError(f"the offset {offset!r} is neither a number nor 'earliest'")
    if limit is not None:
        check_number(limit, "limit")


def read_message(wish: ReadWish) -> bytes:
    """One ReadRequest."""
    start = wish.start
    value = True if start.kind in ("earliest", "latest") else start.value
    request = stream_pb2.ReadRequest(
        stream=wish.stream,
        stream_id=wish.stream_id,
        limit=wish.limit,
        records=wish.records,
        follow=wish.follow,
        bytes_max=wish.bytes_max,
    )
    setattr(request, start.kind, value)
    return request.SerializeToString()


def read_answer(message: bytes) -> codecs.ReadResponse:
    """One ReadResponse.

    Raises:
        WireFormatError: the bytes are no such message.
    """
    answer = codecs.decode_read_response(message)
    if answer is None:
        raise WireFormatError("the server's answer to a read is no ReadResponse")
    return answer


def records_of(answer: codecs.ReadResponse) -> list[Record]:
    """The records of an accepted answer."""
    records = codecs.split_records(
        Record, answer.offset, answer.data, answer.lengths, answer.timestamps
    )
    assert records is not None, "the cursor has seen that they fit"
    return records


def _parse(kind: type[_Answer], message: bytes) -> _Answer:
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise WireFormatError(f"the server's answer is no {kind.__name__}: {error}") from error


def _bound(known: int | None, wanted: Bound) -> int | None:
    if wanted == "default":
        return None
    return known if wanted is None else wanted


def _properties(properties: StreamProperties) -> admin_pb2.StreamProperties:
    message = admin_pb2.StreamProperties(
        content_type=properties.content_type, metadata=properties.metadata
    )
    if properties.retention_bytes is not None:
        message.retention_bytes = check_number(properties.retention_bytes, "retention_bytes")
    if properties.retention_ms is not None:
        message.retention_ms = check_number(properties.retention_ms, "retention_ms")
    return message


def _info(info: admin_pb2.StreamInfo) -> StreamInfo:
    told = info.properties
    properties = StreamProperties(
        told.content_type,
        dict(told.metadata),
        told.retention_bytes if told.HasField("retention_bytes") else None,
        told.retention_ms if told.HasField("retention_ms") else None,
    )
    return StreamInfo(
        name=info.name,
        stream_id=StreamId(info.stream_id),
        start_offset=info.start_offset,
        end_offset=info.end_offset,
        record_count=info.record_count,
        sealed=info.sealed,
        created_ms=info.created_ms,
        modified_ms=info.modified_ms,
        properties=properties,
    )
