"""The gRPC server of a node: one port, all services, and an orderly end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

import grpc

from goutube.api import methods
from goutube.errors import ConfigError
from goutube.limits import MESSAGE_BYTES_MAX
from goutube.observe import Metrics
from goutube.server.admin import AdminService
from goutube.server.append import AppendService
from goutube.server.boundary import Boundary, Method
from goutube.server.cluster import ClusterService
from goutube.server.drain import Drain, Stage
from goutube.server.health import (
    HEALTH_SERVICE,
    REFLECTION_SERVICE,
    HealthService,
    ReflectionService,
)
from goutube.server.options import Driver, ServerOptions
from goutube.server.read import ReadService
from goutube.server.streaming_v1 import StreamingService

CONNECTION_STREAMS_MAX: Final = 1024
CALLS_MAX: Final = 16_384
HANDSHAKE_MS: Final = 5_000
CONNECTION_IDLE_MS: Final = 15 * 60_000
KEEPALIVE_MS: Final = 60_000
KEEPALIVE_TIMEOUT_MS: Final = 20_000
PING_INTERVAL_MIN_MS: Final = 10_000
"""A client that pings more often is disconnected after a few warnings."""
PORT_MAX: Final = (1 << 16) - 1
_LAST_CALL_SHARE: Final = 0.8
"""Of the grace; the rest is for appends to settle."""
_CUT_S: Final = 1.0
"""For the statuses of calls that were cut to go out."""

_GRPC_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_concurrent_streams", CONNECTION_STREAMS_MAX),
    ("grpc.max_connection_idle_ms", CONNECTION_IDLE_MS),
    ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_INTERVAL_MIN_MS),
    ("grpc.so_reuseport", 0),
)

SERVICES: Final = (
    methods.STREAM_SERVICE,
    methods.STREAM_ADMIN_SERVICE,
    methods.CLUSTER_SERVICE,
    methods.STREAMING,
    methods.LB_RESOLVER_HELPER,
    methods.FOLLOWER_RESOLVER_HELPER,
)


class Listener:
    """Serves one node. All of it runs on the event loop on which ``start`` was called.

    Args:
        driver: what answers commands.
        options: addresses and limits.
        metrics: where calls are counted; none: they are counted for nobody.
    """

    def __init__(
        self, driver: Driver, options: ServerOptions, metrics: Metrics | None = None
    ) -> None:
        self._driver = driver
        self._options = options
        self._metrics = metrics or Metrics(options.version)
        self._drain = Drain()
        self._health = HealthService(SERVICES)
        self._server: grpc.aio.Server | None = None
        self._telling: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Bind, serve, and return the bound address as host:port.

        Raises:
            ConfigError: the address cannot be had; the message names it and says why.
        """
        address = self._options.address
        host, _, port = address.rpartition(":")
        _probe(address, host, port)
        server = grpc.aio.server(options=_GRPC_OPTIONS, maximum_concurrent_rpcs=CALLS_MAX)
        try:
            bound = f"{host}:{server.add_insecure_port(address)}"
        except RuntimeError as error:
            raise ConfigError(f"the RPC address {address} cannot be bound: {error}") from error
        boundary = Boundary(self._metrics, self._drain)
        served = self._methods(self._options.advertise_address or bound)
        server.add_generic_rpc_handlers(boundary.handlers(served))
        await self._health.set_serving(True)
        await server.start()
        self._server = server
        return bound

    def set_serving(self, serving: bool) -> None:
        """Tell health checks whether to send calls here; calls are answered either way."""
        self._telling = asyncio.create_task(self._tell(serving, self._telling))

    async def stop(self, grace_s: float) -> None:
        """End: new calls are refused at once; those that are open have ``grace_s`` to end.

        Calls that wait for news end with UNAVAILABLE now, as do Append calls once their batches
        are answered; other reads and ProduceStream calls may end by themselves first. Stop the
        driver after this, not before.
        """
        self.set_serving(False)
        if self._telling is not None:
            await self._telling
        if self._server is None:
            return
        # gRPC ends what is open at the end of its own grace, with a status that says nothing.
        stopped = asyncio.create_task(self._server.stop(grace_s + _CUT_S))
        self._driver.end_reads()
        self._drain.reach(Stage.BEGIN)
        await self._drain.idle(grace_s * _LAST_CALL_SHARE)
        self._drain.reach(Stage.LAST)
        await self._drain.idle(grace_s * (1 - _LAST_CALL_SHARE))
        self._drain.reach(Stage.CUT)
        await stopped

    async def _tell(self, serving: bool, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        await self._health.set_serving(serving)

    def _methods(self, advertised: str) -> Sequence[Method]:
        driver, options, drain, metrics = self._driver, self._options, self._drain, self._metrics
        append = AppendService(driver, drain, metrics, options.record_bytes_max)
        streaming = StreamingService(driver, drain, metrics, options, advertised)
        reflected = (*SERVICES, HEALTH_SERVICE, REFLECTION_SERVICE)
        return [
            *append.methods(),
            *ReadService(driver).methods(),
            *AdminService(driver).methods(),
            *ClusterService(driver, options, advertised).methods(),
            *streaming.methods(),
            *self._health.methods(),
            *ReflectionService(reflected).methods(),
        ]


def _probe(address: str, host: str, port: str) -> None:
    """Find out why an address cannot be bound; gRPC's own error does not tell."""
    name = host.removeprefix("[").removesuffix("]")
    try:
        for family, kind, protocol, _, target in socket.getaddrinfo(
            name, _number(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(target)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"the RPC address {address} cannot be bound: {why}; "
            "stop what uses it, or choose another one with rpc_port",
            setting="rpc_port",
            address=address,
        ) from error


def _number(port: str) -> int:
    number = int(port)
    if number > PORT_MAX:
        raise ValueError(f"ports end at {PORT_MAX}")
    return number
