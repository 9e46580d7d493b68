"""The whole machine: Serf on top of memberlist, and the door to both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from goutube.errors import WireFormatError
from goutube.membership.broadcasts import Broadcasts
from goutube.membership.context import Chance, Context, Options
from goutube.membership.effects import (
    Effects,
    Endpoint,
    LeaveDone,
    Member,
    NameInUse,
    Status,
)
from goutube.membership.key_queries import KeyAction, KeyAnswer
from goutube.membership.messages import State, User
from goutube.membership.packet import Seal
from goutube.membership.queries import Queries
from goutube.membership.roster import Roster
from goutube.membership.serf_messages import (
    JoinIntent,
    LeaveIntent,
    Query,
    QueryResponse,
    Relay,
    SerfState,
    UserEvent,
    decode_serf,
    decode_serf_state,
    encode_serf,
)
from goutube.membership.stream import StreamMessage
from goutube.membership.swim import Swim, user_command
from goutube.membership.timers import Timers
from goutube.membership.user_events import UserEvents
from goutube.membership.view import Entry

_UNICASTS_MAX: Final = 64
"""Members who are told of our leaving straight, besides the gossip."""


class Membership:
    """One node's part in the gossip of a cluster. Everything it wants done is in ``take``.

    Args:
        options: who we are.
        seal: the cluster's keys and label; its ring changes when an operator changes keys.
        chance: a source of randomness of its own.
        now_ms: any time that only runs forward, the same in all calls.
    """

    def __init__(self, options: Options, seal: Seal, chance: Chance, now_ms: int) -> None:
        self._context = Context(options, Timers(now_ms), chance)
        self._roster = Roster(self._context)
        self._events = UserEvents(self._context)
        self._queries = Queries(self._context, self._roster, seal.keyring)
        self.queues: tuple[Broadcasts, ...] = (
            self._roster.queue, self._queries.queue, self._events.queue
        )  # fmt: skip
        self._swim = Swim(self._context, seal, self)
        self._voting = False
        self._leave_step = 0
        self._swim.start()
        profile, timers = options.profile, self._context.timers
        timers.after(profile.reap_interval_ms, self._reap)
        timers.after(profile.reconnect_interval_ms, self._reconnect)

    # Time and the world

    @property
    def deadline_ms(self) -> int | None:
        """When to call ``advance`` next."""
        return self._context.timers.due_ms

    def advance(self, now_ms: int) -> None:
        """Run what is due.

        A machine that comes late by more than a probe was itself asleep: it takes that time as if
        it had not passed, so that nobody is judged by answers that lie unread, and slows down.
        """
        timers = self._context.timers
        lag = timers.lag_ms(now_ms)
        if lag > self._context.profile.probe_interval_ms:
            timers.sleep(lag)
            self._context.health(+1)
        timers.run(now_ms)

    def receive(self, commands: Iterable[bytes], source: Endpoint) -> None:
        """Take the messages of one datagram, of which the layers are off.

        Raises:
            WireFormatError: one is none; those before it were taken.
        """
        for command in commands:
            self._swim.receive(command, source)

    def answer_stream(self, message: StreamMessage) -> StreamMessage | None:
        """What to send back on a stream that a peer opened; None: nothing, close it."""
        return self._swim.answer_stream(message)

    def stream_ended(self, ticket: int, answer: StreamMessage | None) -> None:
        """What came back on a stream of ours; None: nothing did."""
        self._swim.stream_ended(ticket, answer)

    def take(self) -> Effects:
        """What is to be done now; each effect is given out once."""
        effects, self._context.effects = self._context.effects, Effects()
        return effects

    # What the node asks

    @property
    def members(self) -> dict[str, Member]:
        """All members by name, ourselves included."""
        return self._roster.members

    @property
    def health(self) -> int:
        """0: well; the greater, the slower we find ourselves."""
        return self._context.awareness

    @property
    def incarnation(self) -> int:
        """The number that we speak with."""
        return self._swim.view.me.incarnation

    def queued(self) -> int:
        """Messages that wait to be sent on."""
        return sum(map(len, (self._swim.view.broadcasts, *self.queues)))

    def join(self, peer: Endpoint) -> None:
        """Join through a peer; ``Joined`` or ``JoinFailed`` tells how it ended."""
        self._swim.exchanger.join(peer)

    def fire(self, name: str, payload: bytes) -> None:
        """Tell a user event to the whole cluster."""
        self._events.fire(name, payload)

    def ask_keys(
        self, action: KeyAction, key: bytes, done: Callable[[tuple[KeyAnswer, ...]], None]
    ) -> None:
        """Have every live member list its keys, or install, use or remove one; see ``Queries``."""
        self._queries.ask_keys(action, key, done)

    def keys_kept(self, number: int, fault: str) -> None:
        """A restart would find the keys of a ``KeysChanged``; see ``Queries``."""
        self._queries.keys_kept(number, fault)

    def set_tags(self, tags: dict[str, str]) -> None:
        """Change what the others are told of us."""
        self._swim.view.set_tags(tags)

    def clocks(self) -> tuple[int, int, int]:
        """The clocks of members, user events and queries: what a snapshot keeps."""
        return self._roster.clock.time, self._events.clock.time, self._queries.clock.time

    def resume(self, clocks: tuple[int, int, int]) -> None:
        """Go on from an earlier process's clocks; its events are not told again."""
        members, events, queries = clocks
        self._roster.clock.witness(members)
        self._events.clock.witness(events)
        self._queries.clock.witness(queries)
        self._events.least_ltime, self._queries.least_ltime = events, queries

    # Leaving

    def leave(self) -> None:
        """Say goodbye; ``LeaveDone`` comes when all is said, in about two seconds."""
        if self._roster.leaving:
            return
        intent = self._roster.tell_leaving(lambda: self._leave_next(1))
        self._unicast(encode_serf(intent))
        alone = not self._swim.view.others(State.ALIVE)
        patience = 0 if alone else self._context.profile.broadcast_timeout_ms
        self._context.timers.after(patience, lambda: self._leave_next(1))

    def _leave_next(self, step: int) -> None:
        if step != self._leave_step + 1:
            return
        self._leave_step = step
        profile, timers, view = self._context.profile, self._context.timers, self._swim.view
        if step == 1:
            others = view.others(State.ALIVE, State.SUSPECT)
            farewell = view.leave()
            for entry in others[:_UNICASTS_MAX]:
                self._context.send(entry.endpoint, farewell, entry.versions)
            timers.after(profile.leave_propagate_ms if others else 0, lambda: self._leave_next(2))
        else:
            self._context.effects.events.append(LeaveDone())

    def _unicast(self, payload: bytes) -> None:
        for entry in self._swim.view.others(State.ALIVE, State.SUSPECT)[:_UNICASTS_MAX]:
            self._context.send(entry.endpoint, User(payload), entry.versions)

    # What the layer below says

    def node_joined(self, entry: Entry) -> None:
        """It is alive."""
        self._roster.node_joined(entry)

    def node_updated(self, entry: Entry) -> None:
        """It has other tags."""
        self._roster.node_updated(entry)

    def node_gone(self, entry: Entry) -> None:
        """It is dead or has left."""
        self._roster.node_gone(entry)

    def answered(self, name: str) -> None:
        """It answered a probe."""
        self._roster.answered(name)

    def name_in_use(self, entry: Entry, other: Endpoint) -> None:
        """Two go by one name; about our own the cluster votes."""
        own = entry is self._swim.view.me
        if not own:
            event = NameInUse(entry.name, entry.endpoint, other, own=False)
            self._context.effects.events.append(event)
        elif not self._voting and not self._roster.leaving:
            self._voting = True
            self._queries.who_has(
                entry.name, lambda answers, ours: self._voted(other, answers, ours)
            )

    def _voted(self, other: Endpoint, answers: int, ours: int) -> None:
        self._voting = False
        if answers > 0 and ours < answers // 2 + 1:
            me = self._context.options
            self._context.effects.events.append(NameInUse(me.name, other, me.endpoint, own=True))

    def user_message(self, payload: bytes) -> None:
        """A message of Serf."""
        message = decode_serf(payload)
        match message:
            case JoinIntent():
                self._roster.join_intent(message)
            case LeaveIntent():
                self._roster.leave_intent(message)
            case UserEvent():
                self._events.seen(message)
            case Query():
                self._queries.seen(message)
            case QueryResponse():
                self._queries.answered(message)
            case Relay():
                self._queries.relay(message)

    def local_state(self) -> bytes:
        """Serf's part of a push/pull."""
        members = self._roster.members.values()
        state = SerfState(
            self._events.clock.time,
            self._events.past(),
            self._roster.clock.time,
            tuple(member.name for member in members if member.status == Status.LEFT),
            self._queries.clock.time,
            {member.name: member.status_ltime for member in members},
        )
        return encode_serf(state)

    def merge_state(self, state: bytes, *, join: bool) -> None:
        """Take over Serf's part of a peer's push/pull; ``join``: its old events are not ours."""
        try:
            theirs = decode_serf_state(state)
        except WireFormatError as error:
            self._context.refuse("", self._context.options.endpoint, error.message)
            return
        if theirs is None:
            return
        self._roster.clock.witness(theirs.ltime - 1)
        self._events.clock.witness(theirs.event_ltime - 1)
        self._queries.clock.witness(theirs.query_ltime - 1)
        left = dict.fromkeys(theirs.left_members)
        for name in left:
            if name in theirs.status_ltimes:
                ltime = theirs.status_ltimes[name] + 1
                self._roster.leave_intent(LeaveIntent(ltime, name))
        for name, ltime in theirs.status_ltimes.items():
            if name not in left and name:
                self._roster.join_intent(JoinIntent(ltime, name))
        if join:
            self._events.least_ltime = max(self._events.least_ltime, theirs.event_ltime)
        self._events.merge(theirs.events)

    def joined(self) -> None:
        """We exchanged all with a peer in order to join."""
        self._roster.tell_joined()

    def farewell(self) -> bytes:
        """A command that says that what goes by our name elsewhere has left on purpose."""
        intent = LeaveIntent(self._roster.clock.take(), self._roster.my_name)
        return user_command(encode_serf(intent))

    def _reap(self) -> None:
        self._context.timers.after(self._context.profile.reap_interval_ms, self._reap)
        self._roster.reap()

    def _reconnect(self) -> None:
        self._context.timers.after(self._context.profile.reconnect_interval_ms, self._reconnect)
        member = self._roster.to_reconnect()
        if member is not None and not self._roster.leaving:
            self._swim.exchanger.join(member.endpoint)
