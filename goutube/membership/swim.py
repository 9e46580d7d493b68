"""memberlist's half of the machine: rumours, probes and exchanges, tied together."""

from __future__ import annotations

from typing import Final, Protocol

from goutube.membership.broadcasts import PART_BYTES, Broadcasts
from goutube.membership.context import Context
from goutube.membership.effects import Dial, Endpoint
from goutube.membership.exchange import Exchanger, Tail
from goutube.membership.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Kind,
    Nack,
    Ping,
    PushPull,
    State,
    Suspect,
    User,
    decode_message,
)
from goutube.membership.packet import PACKET_BYTES, PARTS_MAX, Seal, bundle
from goutube.membership.prober import DialAction, Prober
from goutube.membership.stream import StreamMessage
from goutube.membership.timers import Timer
from goutube.membership.view import Entry, View, Watcher

_COMPOUND_BYTES: Final = 2
_GRACE_MS: Final = 1000
"""How much later than its limit a stream is given up, should nobody report its end."""


class Above(Watcher, Tail, Protocol):
    """The layer above: Serf."""

    queues: tuple[Broadcasts, ...]

    def user_message(self, payload: bytes) -> None:
        """A message of that layer."""

    def answered(self, name: str) -> None:
        """A node answered a probe."""


class Swim:
    """Who is there, by probing and by rumour."""

    def __init__(self, context: Context, seal: Seal, above: Above) -> None:
        self._context = context
        self._seal = seal
        self._above = above
        self.view = View(context, above)
        self.prober = Prober(context, self.view, self.dial, self._send_along, above.answered)
        self.exchanger = Exchanger(context, self.view, above, self.dial, self.prober.next_seq_no)
        self._ticket = 0
        self._dials: dict[int, tuple[DialAction, Timer]] = {}

    def start(self) -> None:
        """Begin: with ourselves alone."""
        self.view.start()
        self.prober.start()
        self.exchanger.start()
        interval = self._context.profile.gossip_interval_ms
        self._context.timers.after(self._context.chance.random() * interval, self._gossip)

    # Streams

    def dial(self, to: Endpoint, message: StreamMessage, limit_ms: int, done: DialAction) -> None:
        """Open a stream; ``done`` is called once, with the answer or with None."""
        self._ticket += 1
        ticket = self._ticket
        timer = self._context.timers.after(
            limit_ms + _GRACE_MS, lambda: self.stream_ended(ticket, None)
        )
        self._dials[ticket] = (done, timer)
        self._context.effects.dials.append(Dial(ticket, to, message, limit_ms))

    def stream_ended(self, ticket: int, answer: StreamMessage | None) -> None:
        """The stream of a ticket brought this; an unknown ticket is one that was given up."""
        done, timer = self._dials.pop(ticket, (None, None))
        if done is not None and timer is not None:
            timer.cancel()
            done(answer)

    def answer_stream(self, message: StreamMessage) -> StreamMessage | None:
        """What to send back on a stream that a peer opened; None: nothing, close it."""
        if isinstance(message, PushPull):
            return None if self.view.me.gone else self.exchanger.answer(message)
        if isinstance(message, Ping) and message.node in ("", self.view.me.name):
            return Ack(None, message.seq_no)
        return None

    # Packets

    def receive(self, command: bytes, source: Endpoint) -> None:
        """Take one message of a datagram.

        Raises:
            WireFormatError: it is none.
        """
        message = decode_message(command)
        match message:
            case Suspect():  # rumours first: most messages are such
                self.view.suspect(message)
            case Alive():
                self.view.alive(message)
            case Dead():
                self.view.dead(message)
            case Ping():
                self.prober.pinged(message, source)
            case IndirectPing():
                self.prober.asked(message, source)
            case Ack():
                self.prober.ack(message)
            case Nack():
                self.prober.nack(message)
            case User():
                self._above.user_message(message.payload)

    def _send_along(self, entry: Entry, command: bytes) -> None:
        riders = self._riders(len(command) + PART_BYTES, PARTS_MAX - 1)
        self._context.send_command(entry.endpoint, bundle([command, *riders]), entry.versions)

    def _riders(self, used_bytes: int, parts: int) -> list[bytes]:
        """What is queued and fits beside ``used_bytes`` in one packet."""
        room = PACKET_BYTES - used_bytes - _COMPOUND_BYTES - self._seal.overhead_bytes
        limit = self._context.profile.retransmit_limit(len(self.view.entries))
        riders: list[bytes] = []
        for queue in (self.view.broadcasts, *self._above.queues):
            if len(queue) and len(riders) < parts:
                taken = queue.take(room, parts - len(riders), limit)
                riders += taken
                room -= sum(len(command) + PART_BYTES for command in taken)
        return riders

    def _gossip(self) -> None:
        profile, now = self._context.profile, self._context.timers.now_ms
        self._context.timers.after(profile.gossip_interval_ms, self._gossip)
        if not any(map(len, (self.view.broadcasts, *self._above.queues))):
            return
        dead_since = now - profile.gossip_to_the_dead_ms

        def hears(entry: Entry) -> bool:
            if entry.state == State.DEAD:
                return entry.changed_ms > dead_since
            return entry.state != State.LEFT

        for entry in self.view.some(profile.gossip_nodes, hears):
            riders = self._riders(0, PARTS_MAX)
            if not riders:
                return
            self._context.send_command(entry.endpoint, bundle(riders), entry.versions)


def user_command(payload: bytes) -> bytes:
    """A message of the layer above as a command."""
    return bytes((Kind.USER,)) + payload
