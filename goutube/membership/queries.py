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
    "_serf_install-key": Keyring.add,
    "_serf_use-key": Keyring.use,
    "_serf_remove-key": Keyring.remove,
}


class _Asked(Struct):
    """A query of ours that is under way."""

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
        answer = self._answer(query)
        if answer is not None:
            self._respond(query, 0, answer)

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

    def _answer(self, query: Query) -> bytes | None:
        payload = query.payload or b""
        try:
            if query.name == "_serf_conflict":
                return self._conflict(text(payload))
            if query.name in _KEY_CHANGES:
                return self._change_key(query.name, decode_key_request(payload).key)
            if query.name == "_serf_list-keys":
                return self._list_keys(query)
        except WireFormatError:
            return None
        if not query.name.startswith("_serf_"):
            event = QuerySeen(query.name, payload, query.source_node)
            self._context.effects.events.append(event)
        return None

    def _conflict(self, name: str) -> bytes | None:
        member = self._roster.members.get(name)
        if member is None or name == self._roster.my_name:
            return None  # stock nodes count an answer without a member as a vote against both
        v = member.versions
        return encode_payload(
            SerfKind.CONFLICT_RESPONSE,
            MemberRecord(member.endpoint.addr, v[5], v[4], v[3], name, member.endpoint.port,
                         v[2], v[1], v[0], member.status, member.tags),
        )  # fmt: skip

    def _change_key(self, name: str, key: bytes) -> bytes:
        fault = "" if self._keyring else "No keyring to modify (encryption not enabled)"
        if not fault:
            try:
                _KEY_CHANGES[name](self._keyring, key)
            except InvalidArgumentError as error:
                fault = error.message
            else:
                self._context.effects.events.append(KeysChanged(self._keyring.keys))
        answer = KeyResponse(None, fault, "", not fault)
        return encode_payload(SerfKind.KEY_RESPONSE, answer)

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
        options = self._context.options
        number = self._context.chance.randrange(1 << 32)
        asked = self._asked[number] = _Asked()
        timeout = self._context.profile.query_timeout_ms(self._roster.alive_count())
        query = Query(options.endpoint.addr, None, 0, number, self.clock.time, "_serf_conflict",
                      name.encode("utf-8", "surrogateescape"), options.endpoint.port, 0,
                      options.name, timeout * 1_000_000)  # fmt: skip
        self.seen(query)

        def count() -> None:
            del self._asked[number]
            ours = options.endpoint.plain()
            places = [_place(payload) for payload in asked.answers.values()]
            known = [place for place in places if place is not None]
            done(len(known), sum(place == ours for place in known))

        self._context.timers.after(timeout, count)

    def answered(self, response: QueryResponse) -> None:
        """An answer to a query of ours; the first of each node counts."""
        asked = self._asked.get(response.number)
        if asked is not None and not response.flags & QueryResponse.ACK:
            asked.answers.setdefault(response.source, response.payload or b"")


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
