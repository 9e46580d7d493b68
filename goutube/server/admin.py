"""``goutube.v1.StreamAdminService``: making, describing and ending streams."""

from __future__ import annotations

from typing import Final

from goutube.api import admin_pb2, methods
from goutube.limits import LIST_PAGE_MAX, MIB
from goutube.model import StreamId, StreamInfo, StreamProperties, shard_of_stream
from goutube.node import (
    ChangeStream,
    Command,
    CreateStream,
    DeleteStream,
    DescribeStream,
    ListPage,
    ListStreams,
    SealStream,
    TrimStream,
)
from goutube.server.boundary import Context, Method, parse
from goutube.server.options import Driver

PAGE_BYTES_MAX: Final = 2 * MIB
"""A page of streams with much metadata ends early: clients take 4 MiB unless told otherwise."""


class AdminService:
    """The methods of the service."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def methods(self) -> list[Method]:
        """What to serve."""
        return [
            Method(methods.CREATE_STREAM, self._create),
            Method(methods.DESCRIBE_STREAM, self._describe),
            Method(methods.LIST_STREAMS, self._list),
            Method(methods.CHANGE_STREAM, self._change),
            Method(methods.SEAL_STREAM, self._seal),
            Method(methods.TRIM_STREAM, self._trim),
            Method(methods.DELETE_STREAM, self._delete),
        ]

    async def _create(self, message: bytes, _context: Context) -> bytes:
        request = parse(admin_pb2.CreateStreamRequest, message)
        info = await self._info(CreateStream(request.stream, _properties(request.properties)))
        return admin_pb2.CreateStreamResponse(info=info).SerializeToString()

    async def _describe(self, message: bytes, _context: Context) -> bytes:
        request = parse(admin_pb2.DescribeStreamRequest, message)
        info = await self._info(DescribeStream(request.stream))
        return admin_pb2.DescribeStreamResponse(info=info).SerializeToString()

    async def _list(self, message: bytes, _context: Context) -> bytes:
        request = parse(admin_pb2.ListStreamsRequest, message)
        page_size = min(request.page_size or LIST_PAGE_MAX, LIST_PAGE_MAX)
        page = await self._driver.call(ListStreams(request.prefix, request.page_token, page_size))
        assert isinstance(page, ListPage)
        answer = admin_pb2.ListStreamsResponse()
        size, more = 0, page.more
        for stream in page.streams:
            info = _info_message(stream)
            size += info.ByteSize()
            if size > PAGE_BYTES_MAX and answer.streams:
                more = True
                break
            answer.streams.append(info)
        if more and answer.streams:
            answer.next_page_token = answer.streams[-1].name
        return answer.SerializeToString()

    async def _change(self, message: bytes, _context: Context) -> bytes:
        request = parse(admin_pb2.ChangeStreamRequest, message)
        info = await self._info(
            ChangeStream(
                request.stream, StreamId(request.stream_id), _properties(request.properties)
            )
        )
        return admin_pb2.ChangeStreamResponse(info=info).SerializeToString()

    async def _seal(self, message: bytes, _context: Context) -> bytes:
        request = parse(admin_pb2.SealStreamRequest, message)
        info = await self._info(SealStream(request.stream, StreamId(request.stream_id)))
        return admin_pb2.SealStreamResponse(info=info).SerializeToString()

    async def _trim(self, message: bytes, _context: Context) -> bytes:
        request = parse(admin_pb2.TrimStreamRequest, message)
        info = await self._info(
            TrimStream(request.stream, StreamId(request.stream_id), request.before)
        )
        return admin_pb2.TrimStreamResponse(info=info).SerializeToString()

    async def _delete(self, message: bytes, _context: Context) -> bytes:
        request = parse(admin_pb2.DeleteStreamRequest, message)
        await self._driver.call(DeleteStream(request.stream, StreamId(request.stream_id)))
        return admin_pb2.DeleteStreamResponse().SerializeToString()

    async def _info(self, command: Command) -> admin_pb2.StreamInfo:
        info = await self._driver.call(command)
        assert isinstance(info, StreamInfo)
        return _info_message(info)


def _properties(message: admin_pb2.StreamProperties) -> StreamProperties:
    return StreamProperties(
        message.content_type,
        dict(message.metadata),
        message.retention_bytes if message.HasField("retention_bytes") else None,
        message.retention_ms if message.HasField("retention_ms") else None,
    )


def _info_message(info: StreamInfo) -> admin_pb2.StreamInfo:
    return admin_pb2.StreamInfo(
        name=info.name,
        stream_id=info.stream_id,
        start_offset=info.start_offset,
        end_offset=info.end_offset,
        record_count=info.record_count,
        sealed=info.sealed,
        created_ms=info.created_ms,
        modified_ms=info.modified_ms,
        properties=admin_pb2.StreamProperties(
            content_type=info.properties.content_type,
            metadata=dict(info.properties.metadata),
            retention_bytes=info.properties.retention_bytes,
            retention_ms=info.properties.retention_ms,
        ),
        shard=shard_of_stream(info.stream_id),
    )
