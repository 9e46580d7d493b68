"""Queries: asked of all by gossip, answered straight to the one who asks."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from goutube.errors import InvalidArgumentError, WireFormatError
from goutube.membership.broadcasts import Broadcasts
from goutube.membership.clocks import Clock
from goutube.membership.context import Context
from goutube.membership.dialect import list_of, text, unpack
from goutube.membership.effects import Endpoint, KeysChanged, Member, QuerySeen, Status
from goutube.membership.key_queries import (
    KeyAction,
    KeyAnswer,
    encode_key_request,
    read_key_answer,
)
from goutube.membership.keyring import Keyring
from goutube.membership.messages import User
from goutube.membership.roster import Roster
from goutube.membership.serf_messages import (
    KeyResponse,
    MemberRecord,
    Query,
    QueryResponse,
    Relay,
    RelayHeader,
    SerfKind,
    TagFilter,
    UdpAddress,
    decode_key_request,
    decode_member_record,
    encode_payload,
    encode_serf,
)
from goutube.membership.swim import user_command

_SLOTS: Final = 512
_IDS_PER_SLOT_MAX: Final = 256
_RESPONSE_BYTES_MAX: Final = 1024
_RELAY_VERSION: Final = 5
_PATTERN_BYTES_MAX: Final = 128
_REPEATED_GROUP: Final = re.compile(r"\)[*+?{]|\\[1-9]|\(\?")
_REPETITION: Final = re.compile(r"[*+{]")
_REPETITIONS_MAX: Final = 2

_KEY_CHANGES: Final = {
    KeyAction.INSTALL: Keyring.add,
    KeyAction.USE: Keyring.use,
    KeyAction.REMOVE: Keyring.remove,
}
_KEY_QUERIES: Final = frozenset(map(str, KeyAction))
_ANSWER_RELAYS: Final = 2
"""Members that pass an answer about keys on, too: each is a packet that may get lost."""
_Reply = Callable[[bytes], None]


class _Asked(Struct):
    """A query of ours that is under way.

    Attributes:
        awaited: it ends early when all of these have answered.
        own: whether we answer, too: that is waited for, however long our disk takes.
        overdue: the time of the others is over.
    """

    end: Callable[[dict[str, bytes]], None]
    awaited: frozenset[str]
    own: bool
    overdue: bool = False
    answers: dict[str, bytes] = {}


class Queries:
    """Answers what Serf itself asks, tells the node of the rest, and asks about our own name."""

    def __init__(self, context: Context, roster: Roster, keyring: Keyring) -> None:
        self._context = context
        self._roster = roster
        self._keyring = keyring
        self.clock = Clock()
        self.queue = Broadcasts()
        self.least_ltime = 0
        self._seen: dict[int, tuple[int, list[int]]] = {}
        self._asked: dict[int, _Asked] = {}
        self._change_count = 0
        self._unkept: dict[int, _Reply] = {}
        """Who waits until a change of keys would outlast a restart, by its number."""

    # Queries of others

    def seen(self, query: Query) -> None:
        """Take a query that was gossiped: send it on, and answer where it is meant for us."""
        self.clock.witness(query.ltime)
        if not self._is_new(query):
            return
        if not query.flags & Query.NO_BROADCAST:
            self.queue.put((query.ltime, query.number), user_command(encode_serf(query)))
        if query.number in self._asked or not self._is_for_us(query):
            return
        if query.flags & Query.ACK_WANTED:
            self._respond(query, QueryResponse.ACK, None)
        self._answer(query, lambda payload: self._respond(query, 0, payload))

    def _is_new(self, query: Query) -> bool:
        too_old = self.clock.time > _SLOTS and query.ltime < self.clock.time - _SLOTS
        if too_old or query.ltime < self.least_ltime:
            return False
        ltime, numbers = self._seen.get(query.ltime % _SLOTS, (query.ltime, []))
        if ltime != query.ltime:
            numbers = []
        if query.number in numbers or len(numbers) >= _IDS_PER_SLOT_MAX:
            return False
        self._seen[query.ltime % _SLOTS] = (query.ltime, [*numbers, query.number])
        return True

    def _is_for_us(self, query: Query) -> bool:
        me = self._roster.members[self._roster.my_name]
        try:
            return all(_matches(one, me) for one in query.filters or ())
        except WireFormatError:
            return False

    def _answer(self, query: Query, reply: _Reply) -> None:
        payload = query.payload or b""
        try:
            if query.name == "_serf_conflict":
                self._conflict(text(payload), reply)
            elif query.name in _KEY_QUERIES:
                self._obey(KeyAction(query.name), payload, query, reply)
            elif not query.name.startswith("_serf_"):
                event = QuerySeen(query.name, payload, query.source_node)
                self._context.effects.events.append(event)
        except WireFormatError:
            return

    def _conflict(self, name: str, reply: _Reply) -> None:
        member = self._roster.members.get(name)
        if member is None or name == self._roster.my_name:
            return  # stock nodes count an answer without a member as a vote against both
        v = member.versions
        record = MemberRecord(member.endpoint.addr, v[5], v[4], v[3], name, member.endpoint.port,
                              v[2], v[1], v[0], member.status, member.tags)  # fmt: skip
        reply(encode_payload(SerfKind.CONFLICT_RESPONSE, record))

    def _obey(self, action: KeyAction, payload: bytes, query: Query, reply: _Reply) -> None:
        if action is KeyAction.LIST:
            reply(self._list_keys(query))
        else:
            self._change_key(action, decode_key_request(payload).key, reply)

    def _change_key(self, action: KeyAction, key: bytes, reply: _Reply) -> None:
        if not self._keyring:
            reply(_change_answer("No keyring to modify (encryption not enabled)"))
            return
        try:
            _KEY_CHANGES[action](self._keyring, key)
        except InvalidArgumentError as error:
            reply(_change_answer(error.message))
            return
        self._change_count += 1
        self._unkept[self._change_count] = reply
        changed = KeysChanged(self._keyring.keys, self._change_count)
        self._context.effects.events.append(changed)

    def keys_kept(self, number: int, fault: str) -> None:
        """Answer for a change of keys, now that a restart would find them.

        Args:
            number: of the ``KeysChanged`` that told of them.
            fault: why a restart would not find them; empty where it would.
        """
        self._unkept.pop(number)(_change_answer(fault))

    def _list_keys(self, query: Query) -> bytes:
        keys = tuple(base64.b64encode(key).decode() for key in self._keyring.keys)
        if not keys:
            answer = KeyResponse(None, "Keyring is empty (encryption not enabled)", "", False)
            return encode_payload(SerfKind.KEY_RESPONSE, answer)
        shown = keys
        while True:
            note = "" if shown == keys else f"truncated to {len(shown)} of {len(keys)} keys"
            body = KeyResponse(shown, note, keys[0], True)
            payload = encode_payload(SerfKind.KEY_RESPONSE, body)
            if len(self._response(query, 0, payload)) <= _RESPONSE_BYTES_MAX:
                return payload
            shown = shown[:-1]

    def _response(self, query: Query, flags: int, payload: bytes | None) -> bytes:
        name = self._roster.my_name
        return encode_serf(QueryResponse(flags, name, query.number, query.ltime, payload))

    def _respond(self, query: Query, flags: int, payload: bytes | None) -> None:
        response = self._response(query, flags, payload)
        asker = Endpoint(query.addr, query.port)
        self._context.send(asker, User(response))
        if query.relay_factor:
            header = RelayHeader(UdpAddress(query.addr, query.port), query.source_node)
            relay = encode_serf(Relay(header, response))
            for member in self._relays(query.relay_factor):
                self._context.send(member.endpoint, User(relay), member.versions)

    def _relays(self, count: int) -> list[Member]:
        others = [
            member
            for member in self._roster.members.values()
            if member.status == Status.ALIVE
            and member.name != self._roster.my_name
            and member.versions[1] >= _RELAY_VERSION
        ]
        return self._context.chance.sample(others, min(count, len(others)))

    def relay(self, message: Relay) -> None:
        """Pass on what another could not deliver, to members alone."""
        to = Endpoint(message.header.target.ip, message.header.target.port)
        places = (member.endpoint.plain() for member in self._roster.members.values())
        if to.plain() in places:
            self._context.send(to, User(message.inner))

    # Queries of ours

    def who_has(self, name: str, done: Callable[[int, int], None]) -> None:
        """Ask all for the address they know of a name.

        Args:
            name: the name.
            done: told how many answered, and how many of these named our own address.
        """
        ours = self._context.options.endpoint.plain()

        def count(answers: dict[str, bytes]) -> None:
            places = [_place(payload) for payload in answers.values()]
            known = [place for place in places if place is not None]
            done(len(known), sum(place == ours for place in known))

        self._ask("_serf_conflict", name.encode("utf-8", "surrogateescape"), count)

    def ask_keys(
        self, action: KeyAction, key: bytes, done: Callable[[tuple[KeyAnswer, ...]], None]
    ) -> None:
        """Have every member that is alive do something with the keys, ourselves first.

        Args:
            action: what.
            key: which one; empty for a list.
            done: told what each of them said, by name; one that kept silent says so.
        """
        members, me = self._roster.members.values(), self._roster.my_name
        awaited = frozenset({me} | {m.name for m in members if m.status == Status.ALIVE})
        payload = encode_key_request(key)

        def end(answers: dict[str, bytes]) -> None:
            done(tuple(read_key_answer(name, answers.get(name)) for name in sorted(awaited)))

        query = self._ask(action, payload, end, awaited, relay_factor=_ANSWER_RELAYS)
        self._obey(action, payload, query, lambda own: self._count(query.number, me, own))

    def _ask(
        self,
        name: str,
        payload: bytes,
        end: Callable[[dict[str, bytes]], None],
        awaited: frozenset[str] = frozenset(),
        relay_factor: int = 0,
    ) -> Query:
        """Send a query to all; ``end`` gets the answers that came in time, by who gave them."""
        options, number = self._context.options, self._context.chance.randrange(1 << 32)
        self._asked[number] = _Asked(end, awaited, self._roster.my_name in awaited)
        timeout = self._context.profile.query_timeout_ms(self._roster.alive_count())
        query = Query(options.endpoint.addr, None, 0, number, self.clock.time, name, payload,
                      options.endpoint.port, relay_factor, options.name,
                      timeout * 1_000_000)  # fmt: skip
        self.seen(query)
        self._context.timers.after(timeout, lambda: self._end(number))
        return query

    def _end(self, number: int) -> None:
        asked = self._asked.get(number)
        if asked is None:
            return
        if asked.own and self._roster.my_name not in asked.answers:
            asked.overdue = True
            return
        del self._asked[number]
        asked.end(asked.answers)

    def answered(self, response: QueryResponse) -> None:
        """An answer to a query of ours; the first of each node counts."""
        # Nobody else answers in our name.
        if not response.flags & QueryResponse.ACK and response.source != self._roster.my_name:
            self._count(response.number, response.source, response.payload or b"")

    def _count(self, number: int, member: str, answer: bytes) -> None:
        asked = self._asked.get(number)
        if asked is not None:
            asked.answers.setdefault(member, answer)
            if asked.overdue or (asked.awaited and asked.awaited <= asked.answers.keys()):
                self._context.timers.after(0, lambda: self._end(number))


def _change_answer(fault: str) -> bytes:
    return encode_payload(SerfKind.KEY_RESPONSE, KeyResponse(None, fault, "", not fault))


def _place(payload: bytes) -> Endpoint | None:
    try:
        record = decode_member_record(payload)
    except WireFormatError:
        return None
    return Endpoint(record.addr, record.port).plain() if record and record.addr else None


def _matches(raw: bytes, me: Member) -> bool:
    if raw[:1] == b"\x00":
        return me.name in list_of(text)(unpack(raw[1:])[0])
    if raw[:1] == b"\x01":
        wanted = TagFilter.decode(raw[1:])
        return _found(wanted.pattern, me.tags.get(wanted.tag, ""))
    return False


def _found(pattern: str, value: str) -> bool:
    """Search with a stranger's pattern, unless it is of a kind that can take for ever."""
    if len(pattern) > _PATTERN_BYTES_MAX or _REPEATED_GROUP.search(pattern):
        return False
    if len(_REPETITION.findall(pattern)) > _REPETITIONS_MAX:
        return False
    try:
        return re.search(pattern, value) is not None
    except (re.error, OverflowError, RecursionError):
        return False
