"""``goutube.v1.StreamService/Read``: bytes or records of a stream, followed on request."""

from __future__ import annotations

from contextlib import aclosing

from goutube.api import codecs, methods, stream_pb2
from goutube.errors import InvalidArgumentError
from goutube.limits import CHUNK_BYTES_DEFAULT, READ_BYTES_MAX
from goutube.model import StreamId
from goutube.node import (
    AtOffset,
    Earliest,
    FromTimestamp,
    LastBytes,
    LastRecords,
    Latest,
    Read,
    Start,
)
from goutube.server.boundary import Context, Method, parse
from goutube.server.options import Driver
from goutube.server.read_ahead import at_end_of_stream, read_ahead


class ReadService:
    """The Read method."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def methods(self) -> list[Method]:
        """What to serve."""
        return [Method(methods.READ, self._read, answers_stream=True)]

    async def _read(self, message: bytes, context: Context) -> None:
        request = parse(stream_pb2.ReadRequest, message)
        command = read_command(request)
        async with aclosing(read_ahead(self._driver, command, follow=request.follow)) as answers:
            async for answer in answers:
                await context.write(
                    codecs.encode_read_response(
                        answer.stream_id,
                        answer.offset,
                        answer.data,
                        answer.checksum,
                        answer.lengths,
                        answer.timestamps,
                        answer.ordinal,
                        answer.next_offset,
                        answer.end_offset,
                        at_end_of_stream(answer),
                    )
                )


def read_command(request: stream_pb2.ReadRequest) -> Read:
    """The first command of a read.

    Raises:
        InvalidArgumentError: a name that is none, or more bytes an answer than the limit.
    """
    if request.bytes_max > READ_BYTES_MAX:
        raise InvalidArgumentError(
            f"bytes_max is {request.bytes_max}; an answer holds at most {READ_BYTES_MAX} bytes",
            bytes_max=request.bytes_max,
        )
    limit = request.limit if request.HasField("limit") else None
    start = _start(request)
    if limit is not None and isinstance(start, AtOffset) and limit < start.offset:
        raise InvalidArgumentError(
            f"the limit {limit} lies before the offset {start.offset}; "
            "a limit is one past the last offset wanted",
            limit=limit,
            offset=start.offset,
        )
    return Read(
        request.stream,
        StreamId(request.stream_id),
        start,
        limit,
        request.bytes_max or CHUNK_BYTES_DEFAULT,
        request.records,
        wait=False,
    )


def _start(request: stream_pb2.ReadRequest) -> Start:
    match request.WhichOneof("start"):
        case "offset":
            return AtOffset(request.offset)
        case "latest" if request.latest:
            return Latest()
        case "timestamp_ms":
            return FromTimestamp(request.timestamp_ms)
        case "last_bytes":
            return LastBytes(request.last_bytes)
        case "last_records":
            return LastRecords(request.last_records)
        case _:
            return Earliest()
