"""Puts the parts of an agent together in order, and takes them apart in the reverse order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from goutube.agent.addresses import advertised
from goutube.agent.gossip import NodeGossip, Self, bound_fault
from goutube.agent.numbers import gossip_samples, samples, watch_lag
from goutube.agent.opening import Opened, open_directory
from goutube.config import NO_ADDRESS, Loaded, split_address
from goutube.crash_points import CrashPoint
from goutube.errors import ConfigError, UnavailableError
from goutube.membership import KeyAction, KeyAnswer
from goutube.observe import Check, Metrics, Probes, events, get_log
from goutube.runtime import DiskJobs, Driver, GossipFeed, SystemClock, loop_name
from goutube.server import Listener, ServerOptions, no_gossip

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Agent:
    """One node and its servers, from opening to the end. Used once, by ``run``.

    Args:
        last_lines: brings out what was logged, before the process ends at once.
    """

    def __init__(self, loaded: Loaded, last_lines: Callable[[], object]) -> None:
        self._last_lines = last_lines
        self._loaded = loaded
        self._config = loaded.config
        self._clock = SystemClock()
        self._version = _release()
        self._metrics = Metrics(self._version)
        self._stop: asyncio.Event
        self._draining = False
        self._serving = False
        self._failed = False
        self._gossip: NodeGossip | None = None
        self._gossip_keys: Callable[[KeyAction, str], Awaitable[Sequence[KeyAnswer]]] = (
            _no_gossip_yet
        )
        self._feed = GossipFeed()
        self._driver: Driver
        self._listener: Listener

    async def run(self) -> int:
        """Serve until a signal, or until the node fails; returns the exit status.

        Raises:
            StorageError, ConfigError: a part could not start; nothing is left running.
        """
        self._stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_loop_fault)
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)
        for warning in self._loaded.warnings:
            get_log().warning(events.SETTING_WARNING, text=warning)
        async with AsyncExitStack() as parts:
            await self._start(parts)
            await self._stop.wait()
            await self._drain()
        get_log().info(events.AGENT_STOPPED, exit_status=int(self._failed))
        return int(self._failed)

    # Up

    async def _start(self, parts: AsyncExitStack) -> None:
        """Start the parts; each leaves on ``parts`` how it is stopped, so they stop in reverse."""
        opened = await asyncio.to_thread(
            open_directory, self._config, self._clock, self._loaded.crash_at
        )
        parts.callback(opened.disk.close)
        parts.callback(opened.disk.reached, CrashPoint.DRAINED)
        self._driver = Driver(opened.node, DiskJobs(opened.disk), self._clock, self)
        self._driver.start()
        parts.push_async_callback(self._driver.stop)
        parts.callback(opened.disk.reached, CrashPoint.DRAIN_BEGUN)
        http_address = await self._start_gateway(parts)
        rpc_address = await self._start_listener(parts)
        gossip_address = await self._start_gossip(rpc_address, parts)
        self._watch(opened, parts)
        if self._driver.healthy:
            self._set_serving(serving=True)
        get_log().info(
            events.AGENT_READY,
            rpc_address=rpc_address,
            http_address=http_address,
            gossip_address=gossip_address,
            pid=os.getpid(),
            version=self._version,
            event_loop=loop_name(),
        )

    async def _start_listener(self, parts: AsyncExitStack) -> str:
        config = self._config
        options = ServerOptions(
            address=config.rpc_port,
            advertise_address=advertised(config.rpc_port, config.advertise_rpc_addr),
            version=self._version,
            record_bytes_max=config.record_bytes_max,
            chunk_bytes_max=config.max_chunk_size,
            hash_function=config.hash_function,
            virtual_node_count=config.virtual_node_count,
            members=lambda: self._gossip.gossip.members if self._gossip else (),
            feed=self._feed,
            gossip_keys=self._change_gossip_keys,
        )
        self._listener = Listener(self._driver, options, self._metrics)
        address = await self._listener.start()
        parts.push_async_callback(self._stop_listener)
        return address

    async def _change_gossip_keys(self, action: KeyAction, key: str) -> Sequence[KeyAnswer]:
        return await self._gossip_keys(action, key)

    async def _start_gateway(self, parts: AsyncExitStack) -> str | None:
        address = self._config.http_port
        if address == NO_ADDRESS:
            return None
        # A third of a start goes into this import: only for who wants the port.
        from goutube.gateway import Gateway  # noqa: PLC0415

        gateway = Gateway(
            Probes(lambda: not self._driver.failed, self._checks, self._metrics.render)
        )
        parts.push_async_callback(gateway.stop)
        host, port = split_address(address)
        try:
            bound = await gateway.start(host, port)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            if "http_port" in self._loaded.sources:
                raise ConfigError(
                    f"http_port = {address!r} (from {self._loaded.sources['http_port']}) cannot be "
                    f"bound: {reason}; set another one, or 'off' for none",
                    setting="http_port",
                ) from error
            get_log().warning(events.HTTP_PORT_TAKEN, http_address=address, reason=reason)
            return None
        return f"{address.rpartition(':')[0]}:{bound}"

    async def _start_gossip(self, rpc_address: str, parts: AsyncExitStack) -> str | None:
        loop, config = asyncio.get_running_loop(), self._config
        told = advertised(config.rpc_port, config.advertise_rpc_addr) or rpc_address

        def name_taken(text: str) -> None:
            loop.call_soon_threadsafe(self._name_taken, text)

        node = Self(self._driver.report(), told, self._version)
        gossip = NodeGossip(self._loaded, node, name_taken, self._feed)
        try:
            address = await asyncio.to_thread(gossip.start)
        except OSError as error:
            fault = bound_fault(self._loaded, error)
            if fault is not None:
                raise fault from error
            self._gossip_keys = no_gossip
            return None
        self._gossip, self._gossip_keys = gossip, gossip.change_keys
        parts.push_async_callback(lambda: asyncio.to_thread(gossip.stop, leave=not self._failed))
        self._metrics.watch(lambda: gossip_samples(gossip.gossip))
        return address

    def _watch(self, opened: Opened, parts: AsyncExitStack) -> None:
        self._metrics.watch(lambda: samples(opened.node, self._driver, opened.disk))
        lag = asyncio.create_task(watch_lag(self._metrics))

        async def end() -> None:
            lag.cancel()
            with suppress(asyncio.CancelledError):
                await lag

        parts.push_async_callback(end)

    # Down

    async def _drain(self) -> None:
        """Send new callers away while calls still work."""
        self._set_serving(serving=False)
        if self._failed:
            return
        get_log().info(events.AGENT_DRAINING, lame_duck_ms=self._config.lame_duck_ms)
        await asyncio.sleep(self._config.lame_duck_ms / 1000)

    async def _stop_listener(self) -> None:
        await self._listener.stop(0 if self._failed else self._config.drain_ms / 1000)

    def _signalled(self, number: int) -> None:
        if self._draining:
            get_log().warning(events.AGENT_ENDED_AT_ONCE, signal=signal.Signals(number).name)
            self._last_lines()
            # Nothing that was acknowledged is lost by this; nothing more is acknowledged after it.
            os._exit(1)
        self._draining = True
        self._stop.set()

    # What the driver and the probes ask

    def node_unhealthy(self) -> None:
        """Take the node out of service; its streams stay readable."""
        get_log().error(events.NODE_UNHEALTHY)
        self._set_serving(serving=False)

    def node_failed(self, error: Exception) -> None:
        """End the process with status 1."""
        get_log().critical(events.NODE_FAILED, exc_info=error)
        self._failed = True
        self._stop.set()

    def _name_taken(self, text: str) -> None:
        """End the process with status 1: two nodes of one name would be taken for one."""
        get_log().critical(events.NAME_TAKEN, text=text)
        self._failed = True
        self._stop.set()

    def _set_serving(self, *, serving: bool) -> None:
        if serving != self._serving:
            self._serving = serving
            self._listener.set_serving(serving)

    def _checks(self) -> list[Check]:
        healthy = self._driver.healthy
        return [
            Check("storage", healthy, "takes appends" if healthy else "a write or sync failed"),
            Check("serving", self._serving, "yes" if self._serving else "starting or stopping"),
        ]


async def _no_gossip_yet(_action: KeyAction, _key: str) -> Sequence[KeyAnswer]:
    """What is answered while the RPC port is open and gossip has not begun."""
    raise UnavailableError("this node is starting and does not gossip yet; ask again")


def _release() -> str:
    try:
        return version("goutube")
    except PackageNotFoundError:
        return "uninstalled"  # run from a source tree


def _log_loop_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    get_log().error(
        events.LOOP_FAULT, text=str(context.get("message")), exc_info=context.get("exception")
    )
