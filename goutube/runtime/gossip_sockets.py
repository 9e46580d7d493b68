"""UDP and TCP on one port for gossip, with a bound on what a stranger can make us do."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

from typing_extensions import override

from goutube.errors import WireFormatError
from goutube.limits import KIB, MIB
from goutube.membership import (
    NONCE_BYTES,
    Endpoint,
    Seal,
    StreamError,
    StreamMessage,
    StreamReader,
    seal_stream,
)

_RECEIVE_BYTES: Final = 2 * MIB
_CHUNK_BYTES: Final = 64 * KIB
_STREAMS_MAX: Final = 128
"""Streams of others that are read at once; more are closed without a word."""
_STREAM_BYTES_MAX: Final = 32 * MIB
"""What all of them may have sent and not finished."""
_STREAM_SECONDS: Final = 10.0
_PORT_TRIES: Final = 20
_FAULTS_PER_SECOND_MAX: Final = 200
_SOURCES_MAX: Final = 4096


def bind_sockets(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a listening TCP socket on one port; port 0 takes one that is free for both.

    Raises:
        OSError: the address cannot be bound.
    """
    for attempt in range(_PORT_TRIES):
        listener = _bound(host, port, socket.SOCK_STREAM)
        try:
            datagrams = _bound(host, listener.getsockname()[1], socket.SOCK_DGRAM)
        except OSError as error:
            listener.close()
            if port or error.errno != errno.EADDRINUSE or attempt == _PORT_TRIES - 1:
                raise
            continue
        listener.listen(_STREAMS_MAX)
        return datagrams, listener
    raise AssertionError("unreachable")


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host, port, type=kind)[0]
    made = socket.socket(family, kind)
    try:
        made.setblocking(False)
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made


@lru_cache(maxsize=4096)
def endpoint_of(host: str, port: int) -> Endpoint:
    """The endpoint of a numeric host."""
    return Endpoint(ip_address(host.partition("%")[0]).packed, port).plain()


@lru_cache(maxsize=4096)
def socket_address(to: Endpoint, family: int) -> tuple[str, int]:
    """What a socket of a family is to be given to reach an endpoint."""
    host = ip_address(to.plain().addr).compressed
    mapped = family == socket.AF_INET6 and len(to.plain().addr) == 4
    return (f"::ffff:{host}" if mapped else host), to.port


class FaultyPackets:
    """Counts packets that are none, and tells whose next ones are not worth reading this second."""

    def __init__(self) -> None:
        self.by_reason: dict[str, int] = {}
        self._second = 0
        self._sources: dict[str, int] = {}

    def count(self, reason: str, host: str, seconds: float) -> None:
        """Take in that a packet of a host was faulty."""
        self.by_reason[reason] = self.by_reason.get(reason, 0) + 1
        self._turn(seconds)
        if len(self._sources) < _SOURCES_MAX:
            self._sources[host] = self._sources.get(host, 0) + 1

    def too_many(self, host: str, seconds: float) -> bool:
        """Whether packets of this host are dropped unread for now."""
        self._turn(seconds)
        return self._sources.get(host, 0) > _FAULTS_PER_SECOND_MAX

    def _turn(self, seconds: float) -> None:
        if int(seconds) != self._second:
            self._second = int(seconds)
            self._sources.clear()


class Datagrams(asyncio.DatagramProtocol):
    """Hands each datagram on."""

    def __init__(self, received: Callable[[bytes, str, int], None]) -> None:
        self._received = received

    @override
    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._received(data, addr[0], addr[1])

    @override
    def error_received(self, exc: Exception) -> None:
        """Somebody's port is closed: what does not arrive is the failure detector's to notice."""


class Streams:
    """Answers streams of others, and opens our own.

    Args:
        seal: the cluster's keys and label.
        admitted: whether anything from a host is read.
        answer: what to say to a message; None: close.
        faulty: told of a stream that was none: the reason, and the host.
    """

    def __init__(
        self,
        seal: Seal,
        admitted: Callable[[str], bool],
        answer: Callable[[StreamMessage], StreamMessage | None],
        faulty: Callable[[str, str], None],
    ) -> None:
        self._seal = seal
        self._admitted = admitted
        self._answer = answer
        self._faulty = faulty
        self._open = 0
        self._held_bytes = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One stream that a peer opened, to its end."""
        host = str(writer.get_extra_info("peername", ("", 0))[0])
        self._open += 1
        try:
            if self._open <= _STREAMS_MAX and self._admitted(host):
                async with asyncio.timeout(_STREAM_SECONDS):
                    await self._exchange(reader, writer, host)
        except (OSError, TimeoutError):
            self._faulty("stream", host)
        finally:
            self._open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
    ) -> None:
        try:
            message = await self._read(reader, opened_by_peer=True)
            answer = None if message is None else self._answer(message)
        except WireFormatError as error:
            self._faulty(error.fields.get("fault", "format"), host)
            answer = StreamError(error.message)
        if answer is not None:
            writer.write(seal_stream(answer, self._seal, os.urandom(NONCE_BYTES), opening=False))
            await writer.drain()

    async def _read(
        self, reader: asyncio.StreamReader, *, opened_by_peer: bool
    ) -> StreamMessage | None:
        stream = StreamReader(self._seal, opened_by_peer=opened_by_peer)
        held = 0
        try:
            while data := await reader.read(_CHUNK_BYTES):
                held += len(data)
                self._held_bytes += len(data)
                if self._held_bytes > _STREAM_BYTES_MAX:
                    raise WireFormatError("too many bytes of streams are under way", fault="size")
                message = stream.feed(data)
                if message is not None:
                    return message
        finally:
            self._held_bytes -= held
        return None

    async def ask(self, to: Endpoint, message: StreamMessage, limit_ms: int) -> StreamMessage:
        """Open a stream and wait for what comes back; a failure is an answer, too."""
        try:
            async with asyncio.timeout(limit_ms / 1000):
                host, port = socket_address(to, socket.AF_INET)
                reader, writer = await asyncio.open_connection(host, port, limit=_CHUNK_BYTES)
                try:
                    nonce = os.urandom(NONCE_BYTES)
                    writer.write(seal_stream(message, self._seal, nonce, opening=True))
                    await writer.drain()
                    answer = await self._read(reader, opened_by_peer=False)
                finally:
                    writer.close()
        except TimeoutError:
            return StreamError(f"no answer within {limit_ms} ms")
        except OSError as error:
            return StreamError(error.strerror or str(error))
        except WireFormatError as error:
            return StreamError(f"its answer cannot be read: {error.message}")
        return answer or StreamError("it closed the connection without an answer")
