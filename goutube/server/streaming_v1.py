"""``streaming.v1``: the wire API of the Go server, served as its clients expect it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from typing import Final

from goutube.api import codecs, methods, streaming_pb2
from goutube.errors import InvalidArgumentError
from goutube.limits import MIB
from goutube.model import Buffer, StreamInfo
from goutube.node import ANY_STREAM, AtOffset, DescribeStream, Read
from goutube.observe import Metrics
from goutube.server.boundary import Context, Method, not_a_message, parse
from goutube.server.drain import Drain, Stage
from goutube.server.options import Driver, ServerOptions
from goutube.server.produce import ProduceCall
from goutube.server.read_ahead import read_ahead

_READ_BYTES: Final = MIB
"""Asked of the driver at once, unless a chunk is larger."""


class StreamingService:
    """All services of ``streaming.v1``.

    Args:
        advertised: tells the RPC address at which clients reach this node.
    """

    def __init__(
        self,
        driver: Driver,
        drain: Drain,
        metrics: Metrics,
        options: ServerOptions,
        advertised: str,
    ) -> None:
        self._driver = driver
        self._drain = drain
        self._metrics = metrics
        self._options = options
        self._advertised = advertised

    def methods(self) -> list[Method]:
        """What to serve."""
        return [
            Method(
                methods.PRODUCE_STREAM, self._produce_stream, requests_stream=True, stage=Stage.CUT
            ),
            Method(methods.CONSUME_STREAM, self._consume_stream, answers_stream=True),
            Method(methods.GET_METADATA, self._get_metadata),
            Method(methods.GET_SERVERS, self._get_servers),
            Method(methods.GET_FOLLOWERS, self._get_followers),
        ]

    async def _produce_stream(self, _message: bytes, context: Context) -> bytes:
        record_bytes_max = self._options.record_bytes_max
        call = ProduceCall(self._driver, self._metrics, record_bytes_max, context)
        with self._drain.ended_by(call.close, Stage.LAST):
            return await call.run()

    async def _consume_stream(self, message: bytes, context: Context) -> None:
        decoded = codecs.decode_consume_request(message)
        if decoded is None:
            raise not_a_message("streaming.v1.ConsumeRequest", message)
        name, offset, limit, chunk_bytes = decoded
        if limit and limit < offset:
            raise InvalidArgumentError(
                f"the limit {limit} lies before the offset {offset}; a limit is one past the last "
                "offset wanted, 0 for all",
                limit=limit,
                offset=offset,
            )
        chunk_bytes = min(
            chunk_bytes or self._options.chunk_bytes_max, self._options.chunk_bytes_max
        )
        bytes_max = max(1, _READ_BYTES // chunk_bytes) * chunk_bytes
        command = Read(
            name, ANY_STREAM, AtOffset(offset), limit or None, bytes_max, records=False, wait=False
        )
        chunks = Chunks(chunk_bytes)
        async with aclosing(read_ahead(self._driver, command, follow=False)) as answers:
            async for answer in answers:
                for chunk in chunks.cut(memoryview(answer.data)):
                    await context.write(codecs.encode_consume_response(chunk))
        if rest := chunks.rest():
            await context.write(codecs.encode_consume_response(rest))

    async def _get_metadata(self, message: bytes, _context: Context) -> bytes:
        request = parse(streaming_pb2.MetadataRequest, message)
        described = await self._driver.call(DescribeStream(request.point))
        assert isinstance(described, StreamInfo)
        answer = streaming_pb2.MetadataResponse(
            workers=[self._advertised], size=described.end_offset
        )
        return answer.SerializeToString()

    async def _get_servers(self, message: bytes, _context: Context) -> bytes:
        parse(streaming_pb2.GetServersRequest, message)
        server = streaming_pb2.Server(rpc_addr=self._advertised)
        return streaming_pb2.GetServersResponse(servers=[server]).SerializeToString()

    async def _get_followers(self, message: bytes, _context: Context) -> bytes:
        """A node without peers leads every shard, and nobody follows it."""
        parse(streaming_pb2.GetFollowersRequest, message)
        return streaming_pb2.GetFollowersResponse().SerializeToString()


class Chunks:
    """Cuts bytes that come in pieces into chunks of one size; each byte is copied once at most.

    Args:
        chunk_bytes: 1 or more.
    """

    __slots__ = ("_chunk_bytes", "_held_bytes", "_pieces")

    def __init__(self, chunk_bytes: int) -> None:
        self._chunk_bytes = chunk_bytes
        self._pieces: list[memoryview] = []
        self._held_bytes = 0

    def cut(self, piece: Buffer) -> Iterator[Buffer]:
        """Yield the chunks that this piece completes; iterate to the end before the next piece."""
        view = memoryview(piece)
        start = 0
        if self._pieces:
            start = self._chunk_bytes - self._held_bytes
            self._hold(view[:start])
            if self._held_bytes < self._chunk_bytes:
                return
            yield self.rest()
        while start + self._chunk_bytes <= len(view):
            yield view[start : start + self._chunk_bytes]
            start += self._chunk_bytes
        if start < len(view):
            self._hold(view[start:])

    def rest(self) -> bytes:
        """Take what is left; nothing when the bytes came out even."""
        chunk = b"".join(self._pieces)
        self._pieces.clear()
        self._held_bytes = 0
        return chunk

    def _hold(self, view: memoryview) -> None:
        self._pieces.append(view)
        self._held_bytes += len(view)
