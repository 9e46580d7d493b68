"""Gossip in the real world: sockets, a thread and an event loop of its own.

A main loop that stands still for seconds must not make the others believe that this node is dead.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from goutube.errors import ShuttingDownError, WireFormatError
from goutube.membership import (
    NONCE_BYTES,
    PACKET_BYTES_MAX,
    Dial,
    Effects,
    Endpoint,
    Event,
    EventSeen,
    Joined,
    KeyAction,
    KeyAnswer,
    Keyring,
    LeaveDone,
    Member,
    MemberChanged,
    Membership,
    Options,
    Seal,
    Send,
    Snapshot,
    Status,
    StreamMessage,
    open_packet,
    parse_snapshot,
    render_snapshot,
    seal_packet,
)
from goutube.observe import events, get_log
from goutube.runtime.clock import SystemClock
from goutube.runtime.gossip_seeds import Seeds
from goutube.runtime.gossip_sockets import (
    Datagrams,
    FaultyPackets,
    Streams,
    bind_sockets,
    endpoint_of,
    socket_address,
)
from goutube.runtime.loop import new_event_loop

SNAPSHOT_NAME: Final = "members.snapshot"
_SNAPSHOT_S: Final = 2.0
_LEAVE_S: Final = 12.0
_LONGEST_SLEEP_MS: Final = 1000


class GossipOptions(Struct, frozen=True):
    """How a node takes part.

    Attributes:
        host: address to bind, a number or a name.
        port: UDP and TCP; 0 takes a free one.
        advertise: builds the endpoint that the others are told from the bound port.
        options: builds who we are from that endpoint and what was kept.
        seeds: (host, port) of members to join.
        keyring: empty: not encrypted.
        local_only: read nothing that comes from another machine.
        directory: where the snapshot of members is kept; None: nowhere.
    """

    host: str
    port: int
    advertise: Callable[[int], Endpoint]
    options: Callable[[Endpoint, Snapshot], Options]
    seeds: tuple[tuple[str, int], ...] = ()
    keyring: Keyring = field(default_factory=lambda: Keyring(()))
    local_only: bool = False
    directory: Path | None = None


class GossipStats(Struct):
    """What gossip has done in this process; plain counters."""

    packets_sent: int = 0
    bytes_sent: int = 0
    packets_received: int = 0
    bytes_received: int = 0
    streams_opened: int = 0
    packets_dropped: int = 0
    member_changes: int = 0
    user_events: int = 0


class Gossip:
    """One node's membership, running.

    Args:
        options: how it takes part.
        told: called on the gossip thread with each event; must not block.
        unresolved: called there with a seed that could not be looked up, and why.
    """

    def __init__(
        self,
        options: GossipOptions,
        told: Callable[[Event], None],
        unresolved: Callable[[str, str], None] = lambda _seed, _reason: None,
    ) -> None:
        self._options = options
        self._told = told
        self._unresolved = unresolved
        self._clock = SystemClock()
        self._seal = Seal(options.keyring)
        self._members: tuple[Member, ...] = ()
        self._changed = False
        self._left = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._dials: set[asyncio.Task[None]] = set()
        self._asked: set[Future[tuple[KeyAnswer, ...]]] = set()
        self.stats = GossipStats()
        self.faults = FaultyPackets()
        self.cluster = ""

    # Any thread

    def start(self) -> Endpoint:
        """Bind, and take part from now on; the endpoint that the others are told.

        Raises:
            OSError: the address cannot be bound.
        """
        self._sockets = bind_sockets(self._options.host, self._options.port)
        self.endpoint = self._options.advertise(self._sockets[0].getsockname()[1])
        self._family = self._sockets[0].family
        kept = self._read_snapshot()
        self.cluster = kept.cluster
        chosen = self._options.options(self.endpoint, kept)
        chance = random.Random(os.urandom(16))  # noqa: S311 - times and choices, no secret
        self._machine = Membership(chosen, self._seal, chance, self._clock.monotonic_ms())
        self._machine.resume(kept.clocks)
        self._name = chosen.name
        self._seeds = Seeds(
            self._options.seeds,
            [endpoint.plain() for _, endpoint in kept.members],
            self._join,
            self._others,
            self.endpoint.plain(),
            lambda: bool(self.cluster) or not self._options.seeds,
            self._unresolved,
        )
        self._loop = new_event_loop()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="gossip", daemon=True
        )
        self._thread.start()
        return self.endpoint

    @property
    def members(self) -> tuple[Member, ...]:
        """All members as of now, ourselves included."""
        return self._members

    def count(self, status: Status) -> int:
        """How many members are of a status."""
        return sum(member.status == status for member in self._members)

    @property
    def health(self) -> int:
        """0: well; the greater, the slower this node finds itself."""
        return self._machine.health

    @property
    def queued(self) -> int:
        """Messages that wait to be sent on."""
        return self._machine.queued()

    def set_tags(self, tags: dict[str, str]) -> None:
        """Change what the others are told of us."""
        self._ask(lambda machine: machine.set_tags(tags))

    def fire(self, name: str, payload: bytes) -> None:
        """Tell a user event to the whole cluster."""
        self._ask(lambda machine: machine.fire(name, payload))

    def ask_keys(self, action: KeyAction, key: bytes) -> Future[tuple[KeyAnswer, ...]]:
        """Have every live member list its keys (no ``key``), or install, use or remove one.

        Returns:
            What each member said, ourselves included, by name: after the last answer, or after some
            seconds; ``ShuttingDownError`` when gossip ends before.
        """
        told: Future[tuple[KeyAnswer, ...]] = Future()
        self._asked.add(told)
        told.add_done_callback(self._asked.discard)
        try:
            self._ask(lambda machine: machine.ask_keys(action, key, told.set_result))
        except RuntimeError:  # the loop is closed
            told.set_exception(_stopping())
        return told

    def keys_kept(self, number: int, fault: str) -> None:
        """Say that a restart would find the keys of a ``KeysChanged``, or why not."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._ask(lambda machine: machine.keys_kept(number, fault))

    def stop(self, *, leave: bool) -> None:
        """End; with ``leave`` the others are told first, which takes about two seconds."""
        if leave:
            self._ask(lambda machine: machine.leave())
            self._left.wait(_LEAVE_S)
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        for told in tuple(self._asked):
            told.set_exception(_stopping())

    def _ask(self, action: Callable[[Membership], None]) -> None:
        self._loop.call_soon_threadsafe(self._do, action)

    # The gossip thread

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_fault)
        datagrams, listener = self._sockets
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Datagrams(self._packet), sock=datagrams
        )
        self._transport = transport
        self._streams = Streams(
            self._seal, self._is_admitted, self._answer,
            lambda reason, host: self.faults.count(reason, host, loop.time()),
        )  # fmt: skip
        server = await asyncio.start_server(self._streams.serve, sock=listener)
        self._do(lambda _machine: None)
        background = [
            asyncio.create_task(self._seeds.keep_joined()),
            asyncio.create_task(self._keep_snapshot()),
        ]
        try:
            await self._ending.wait()
        finally:
            for task in (*background, *self._dials):
                task.cancel()
            await asyncio.gather(*background, *self._dials, return_exceptions=True)
            server.close()
            transport.close()
            self._write_snapshot()

    def _do(self, action: Callable[[Membership], None]) -> None:
        """Tell the machine the time, ask it for something, and do what it wants."""
        try:
            self._machine.advance(self._clock.monotonic_ms())
            action(self._machine)
        finally:
            self._perform(self._machine.take())
            self._set_timer()

    def _perform(self, effects: Effects) -> None:
        for event in effects.events:
            self._take_in(event)
        for send in effects.sends:
            self._send(send)
        for dial in effects.dials:
            self.stats.streams_opened += 1
            task = asyncio.get_running_loop().create_task(self._dial(dial))
            self._dials.add(task)
            task.add_done_callback(self._dials.discard)

    def _take_in(self, event: Event) -> None:
        if isinstance(event, MemberChanged | Joined):
            self._members = tuple(self._machine.members.values())
            self._changed = True
        elif isinstance(event, LeaveDone):
            self._left.set()
        self.stats.member_changes += isinstance(event, MemberChanged)
        self.stats.user_events += isinstance(event, EventSeen)
        self._told(event)
        self._seeds.note(event)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._machine.deadline_ms
        now = self._clock.monotonic_ms()
        wait = _LONGEST_SLEEP_MS if deadline is None else min(deadline - now, _LONGEST_SLEEP_MS)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0, wait) / 1000, self._do, lambda _machine: None)

    # Packets

    def _send(self, send: Send) -> None:
        packet = seal_packet(
            send.command, self._seal, os.urandom(NONCE_BYTES), checksum=send.checksum
        )
        self.stats.packets_sent += 1
        self.stats.bytes_sent += len(packet)
        # A packet that the kernel does not take is lost like one on the way.
        with suppress(OSError):
            self._transport.sendto(packet, socket_address(send.to, self._family))

    def _packet(self, data: bytes, host: str, port: int) -> None:
        self.stats.packets_received += 1
        self.stats.bytes_received += len(data)
        now = asyncio.get_running_loop().time()
        source = endpoint_of(host, port)
        unread = self.faults.too_many(host, now) and source not in self._others()
        if unread or len(data) > PACKET_BYTES_MAX or not self._is_admitted(host):
            self.stats.packets_dropped += 1
            return
        try:
            commands = open_packet(data, self._seal)
            self._do(lambda machine: machine.receive(commands, source))
        except WireFormatError as error:
            self.stats.packets_dropped += 1
            self.faults.count(error.fields.get("fault", "format"), host, now)

    def _is_admitted(self, host: str) -> bool:
        """Whether we read what comes from there at all."""
        if not self._options.local_only or self._seal.keyring:
            return True
        return host == "" or endpoint_of(host, 0).is_loopback

    # Streams

    async def _dial(self, dial: Dial) -> None:
        answer = await self._streams.ask(dial.to, dial.message, dial.timeout_ms)
        self._do(lambda machine: machine.stream_ended(dial.ticket, answer))

    def _answer(self, message: StreamMessage) -> StreamMessage | None:
        answers: list[StreamMessage | None] = []
        self._do(lambda machine: answers.append(machine.answer_stream(message)))
        return answers[0]

    # Finding the others again

    def _join(self, peer: Endpoint) -> None:
        self._do(lambda machine: machine.join(peer))

    def _others(self) -> frozenset[Endpoint]:
        return frozenset(
            member.endpoint.plain()
            for member in self._members
            if member.status == Status.ALIVE and member.name != self._name
        )

    def _read_snapshot(self) -> Snapshot:
        if self._options.directory is None:
            return Snapshot()
        try:
            return parse_snapshot((self._options.directory / SNAPSHOT_NAME).read_bytes())
        except OSError:
            return Snapshot()

    async def _keep_snapshot(self) -> None:
        while True:
            await asyncio.sleep(_SNAPSHOT_S)
            if self._changed:
                self._write_snapshot()

    def _write_snapshot(self) -> None:
        """Write beside the old one and put it in its place; without it only seeds are known."""
        self._changed = False
        if self._options.directory is None:
            return
        raw = render_snapshot(
            self._machine.members.values(), self._name, self._machine.clocks(), self.cluster
        )
        path = self._options.directory / SNAPSHOT_NAME
        fresh = path.with_suffix(".new")
        with suppress(OSError):
            fresh.write_bytes(raw)
            fresh.replace(path)


def _stopping() -> ShuttingDownError:
    return ShuttingDownError("the node is shutting down; ask another one")


def _log_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    get_log().error(
        events.LOOP_FAULT, text=str(context.get("message")), exc_info=context.get("exception")
    )
