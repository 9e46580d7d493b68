"""Asks one node after the other whether it is there: directly, through others, and over TCP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from goutube.membership.context import Context
from goutube.membership.effects import Endpoint
from goutube.membership.messages import (
    Ack,
    IndirectPing,
    Nack,
    Ping,
    State,
    Suspect,
    encode_message,
)
from goutube.membership.packet import bundle
from goutube.membership.stream import StreamMessage
from goutube.membership.view import Entry, View

_RELAYED_MAX: Final = 1024
"""Pings on behalf of others that may be under way."""
_NACK_VERSION: Final = 4
_STREAM_VERSION: Final = 3
_NACK_SHARE: Final = 0.8
"""Part of a probe's time after which a helper owns up to have no answer. Stock nodes wait for all
of it, and their word comes too late to clear the one who asks of being slow himself."""
_SEQ_END: Final = 1 << 32

DialAction = Callable[[StreamMessage | None], None]
Dialler = Callable[[Endpoint, StreamMessage, int, DialAction], None]
Sender = Callable[[Entry, bytes], None]


class _Probe(Struct):
    target: Entry
    endpoint: Endpoint
    incarnation: int
    limit_ms: int
    nacks_due: int = 0
    nacks: int = 0


class _Relayed(Struct, frozen=True):
    seq_no: int
    requester: Endpoint


class Prober:
    """Probes the ring and answers the probes of others.

    Args:
        context: shared with the other parts.
        view: whom to probe, and where failures go.
        dial: opens a stream and calls back with the answer, or with None.
        send_along: sends a command to a node together with what is queued.
        answered: told of each member that answered.
    """

    def __init__(
        self,
        context: Context,
        view: View,
        dial: Dialler,
        send_along: Sender,
        answered: Callable[[str], None],
    ) -> None:
        self._context = context
        self._view = view
        self._dial = dial
        self._send_along = send_along
        self._answered = answered
        self._seq_no = 0
        self._next = 0
        self._probes: dict[int, _Probe] = {}
        self._relayed: dict[int, _Relayed] = {}

    def start(self) -> None:
        """Probe from now on, first at a random moment of one interval."""
        interval = self._context.profile.probe_interval_ms
        self._context.timers.after(self._context.chance.random() * interval, self._tick)

    def _tick(self) -> None:
        profile = self._context.profile
        limit = profile.probe_interval_ms * (self._context.awareness + 1)
        self._context.timers.after(limit, self._tick)
        target = self._next_target()
        if target is not None:
            self._probe(target, limit)

    def _next_target(self) -> Entry | None:
        for _ in range(2):
            while self._next < len(self._view.ring):
                entry = self._view.entries.get(self._view.ring[self._next])
                self._next += 1
                if entry is not None and entry is not self._view.me and not entry.gone:
                    return entry
            self._view.purge()
            self._next = 0
        return None

    def next_seq_no(self) -> int:
        """A number that no ping under way has."""
        self._seq_no = (self._seq_no + 1) % _SEQ_END
        return self._seq_no

    def _probe(self, target: Entry, limit_ms: int) -> None:
        number = self.next_seq_no()
        probe = _Probe(target, target.endpoint, target.incarnation, limit_ms)
        self._probes[number] = probe
        ping = encode_message(self._ping(target.name, number))
        if target.state == State.SUSPECT:
            # It hears at once what is said of it, and can speak up.
            suspect = Suspect(self._view.me.name, target.incarnation, target.name)
            command = bundle([ping, encode_message(suspect)])
            self._context.send_command(target.endpoint, command, target.versions)
        else:
            self._send_along(target, ping)
        timers, timeout = self._context.timers, self._context.profile.probe_timeout_ms
        timers.after(min(timeout, limit_ms), lambda: self._ask_others(number))
        timers.after(limit_ms, lambda: self._judge(number))

    def _ping(self, name: str, number: int) -> Ping:
        me = self._view.me
        return Ping(name, number, me.endpoint.addr, me.name, me.endpoint.port)

    def _ask_others(self, number: int) -> None:
        probe = self._probes.get(number)
        if probe is None:
            return
        profile, me = self._context.profile, self._view.me

        def helps(entry: Entry) -> bool:
            return entry.state == State.ALIVE and entry is not probe.target

        for helper in self._view.some(profile.indirect_checks, helps):
            nack = helper.versions[1] >= _NACK_VERSION
            probe.nacks_due += nack
            request = IndirectPing(
                nack, probe.target.name, probe.endpoint.port, number, me.endpoint.addr,
                me.name, me.endpoint.port, probe.endpoint.addr,
            )  # fmt: skip
            self._context.send(helper.endpoint, request)
        if probe.target.versions[1] >= _STREAM_VERSION:
            left = max(1, probe.limit_ms - profile.probe_timeout_ms)
            ping = self._ping(probe.target.name, number)
            self._dial(probe.endpoint, ping, left, lambda answer: self._by_stream(number, answer))

    def _by_stream(self, number: int, answer: StreamMessage | None) -> None:
        if isinstance(answer, Ack) and answer.seq_no == number:
            self.ack(answer)

    def _judge(self, number: int) -> None:
        probe = self._probes.pop(number, None)
        if probe is None:
            return
        self._context.health(probe.nacks_due - probe.nacks if probe.nacks_due else 1)
        rumour = Suspect(self._view.me.name, probe.incarnation, probe.target.name)
        self._view.suspect(rumour)

    # What others send

    def ack(self, ack: Ack) -> None:
        """Somebody answered."""
        probe = self._probes.pop(ack.seq_no, None)
        if probe is not None:
            self._context.health(-1)
            self._answered(probe.target.name)
        relayed = self._relayed.pop(ack.seq_no, None)
        if relayed is not None:
            self._context.send(relayed.requester, Ack(None, relayed.seq_no))

    def nack(self, nack: Nack) -> None:
        """Somebody whom we asked got no answer either."""
        probe = self._probes.get(nack.seq_no)
        if probe is not None:
            probe.nacks += 1

    def pinged(self, ping: Ping, source: Endpoint) -> None:
        """Answer a ping that is for us, or for anyone."""
        if ping.node in ("", self._view.me.name):
            to = self._reply_to(ping.source_addr, ping.source_port, source)
            asker = self._view.entries.get(ping.source_node)
            ack = encode_message(Ack(None, ping.seq_no))
            if asker is not None and asker.endpoint == to:
                self._send_along(asker, ack)
            else:
                self._context.send_command(to, ack)

    def asked(self, request: IndirectPing, source: Endpoint) -> None:
        """Ping for somebody, where we know whom he means."""
        to = self._reply_to(request.source_addr, request.source_port, source)
        target = self._view.entries.get(request.node)
        number = self.next_seq_no()
        place = Endpoint(request.target, request.port or self._view.me.endpoint.port)
        if target is not None and target.endpoint.plain() == place.plain():
            if len(self._relayed) >= _RELAYED_MAX:
                return
            self._relayed[number] = _Relayed(request.seq_no, to)
            self._context.send(place, self._ping(request.node, number))
        profile, timers = self._context.profile, self._context.timers
        nack_ms = profile.probe_timeout_ms * _NACK_SHARE
        timers.after(nack_ms, lambda: self._relay_nack(number, to, request))
        timers.after(profile.probe_interval_ms, lambda: self._forget(number))

    def _relay_nack(self, number: int, to: Endpoint, request: IndirectPing) -> None:
        known = self._view.entries.get(request.node) is not None
        if request.nack and (number in self._relayed or not known):
            self._context.send(to, Nack(request.seq_no))

    def _forget(self, number: int) -> None:
        self._relayed.pop(number, None)

    def _reply_to(self, addr: bytes, port: int, source: Endpoint) -> Endpoint:
        """Where an answer goes: to whom a packet names only if he is no stranger."""
        named = Endpoint(addr, port).plain() if addr and port else source.plain()
        if named == source.plain():
            return source
        known = (e.endpoint for e in self._view.entries.values() if e.endpoint.plain() == named)
        return next(known, source)
