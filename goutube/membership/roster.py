"""Serf's members: who came, who said that he leaves, who just stopped answering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goutube.errors import WireFormatError
from goutube.membership.broadcasts import Broadcasts
from goutube.membership.clocks import Clock
from goutube.membership.context import Context
from goutube.membership.effects import Change, Member, MemberChanged, Status
from goutube.membership.serf_messages import (
    JoinIntent,
    LeaveIntent,
    decode_tags,
    encode_serf,
)
from goutube.membership.swim import user_command
from goutube.membership.view import Entry

INTENTS_MAX: Final = 4096
"""Names without a member of which the newest intent is kept."""
_PRUNE_LEAVING_MS: Final = 6000


class _Early(Struct, frozen=True):
    """An intent about a node that is not known yet."""

    intent: JoinIntent | LeaveIntent
    since_ms: int


class Roster:
    """All members, ourselves included, and the rules that change them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._early: dict[str, _Early] = {}
        self.clock = Clock()
        self.queue = Broadcasts()
        self.members: dict[str, Member] = {}
        self.leaving = False

    @property
    def my_name(self) -> str:
        """Our own."""
        return self._context.options.name

    def alive_count(self) -> int:
        """Members that are there, ourselves included."""
        return sum(member.status == Status.ALIVE for member in self.members.values())

    # What the failure detector says

    def node_joined(self, entry: Entry) -> None:
        """It is alive."""
        fresh = self._of(entry, Status.ALIVE, 0)
        old = self.members.get(entry.name)
        early = self._early.pop(entry.name, None)
        if old is not None:
            fresh = replace(fresh, status_ltime=old.status_ltime)
        elif early is not None:
            leaving = isinstance(early.intent, LeaveIntent)
            status = Status.LEAVING if leaving else Status.ALIVE
            fresh = replace(fresh, status=status, status_ltime=early.intent.ltime)
        self._put(fresh, Change.JOINED)

    def node_updated(self, entry: Entry) -> None:
        """It has other tags."""
        old = self.members.get(entry.name)
        if old is not None:
            fresh = self._of(entry, old.status, old.status_ltime)
            self._put(replace(fresh, since_ms=old.since_ms), Change.UPDATED)

    def node_gone(self, entry: Entry) -> None:
        """It is dead, or has left: which of them, its intent tells."""
        old = self.members.get(entry.name)
        if old is None or old.status not in (Status.ALIVE, Status.LEAVING):
            return
        left = old.status == Status.LEAVING
        status = Status.LEFT if left else Status.FAILED
        self._put(self._with(old, status), Change.LEFT if left else Change.FAILED)

    def _of(self, entry: Entry, status: Status, ltime: int) -> Member:
        try:
            tags = decode_tags(entry.meta)
        except WireFormatError:
            tags = {}
        now = self._context.timers.now_ms
        return Member(entry.name, entry.endpoint, tags, status, entry.versions, ltime, now)

    def _with(self, member: Member, status: Status) -> Member:
        return replace(member, status=status, since_ms=self._context.timers.now_ms)

    def _put(self, member: Member, change: Change | None = None) -> None:
        self.members[member.name] = member
        if change is not None:
            self._context.effects.events.append(MemberChanged(change, member))

    def answered(self, name: str) -> None:
        """A node answered a probe; one that left long since by its own word is here after all."""
        member = self.members.get(name)
        if member is not None and member.status == Status.LEAVING:
            patience = self._context.profile.leaving_patience_ms
            if self._context.timers.now_ms - member.since_ms >= patience:
                self._put(self._with(member, Status.ALIVE), Change.UPDATED)

    # Intents

    def join_intent(self, intent: JoinIntent) -> None:
        """A node has come, at this time of the members' clock."""
        self.clock.witness(intent.ltime)
        member = self.members.get(intent.node)
        if member is None:
            self._keep_early(intent)
            return
        if intent.ltime <= member.status_ltime:
            return
        if member.status == Status.LEAVING:
            member = self._with(member, Status.ALIVE)
        self._put(replace(member, status_ltime=intent.ltime))
        self._spread(intent)

    def leave_intent(self, intent: LeaveIntent) -> None:
        """A node is about to leave, or is taken for one that left."""
        self.clock.witness(intent.ltime)
        member = self.members.get(intent.node)
        if member is None:
            self._keep_early(intent)
            return
        if intent.ltime <= member.status_ltime:
            return
        if intent.node == self.my_name and not self.leaving:
            self.tell_joined()  # an old farewell, or a false one: we are here
            return
        member = replace(member, status_ltime=intent.ltime)
        change = None
        if member.status == Status.ALIVE:
            member = self._with(member, Status.LEAVING)
        elif member.status == Status.FAILED:
            member, change = self._with(member, Status.LEFT), Change.LEFT
        self._put(member, change)
        self._spread(intent)
        if intent.prune:
            self._prune(member)

    def _prune(self, member: Member) -> None:
        def forget() -> None:
            still = self.members.get(member.name)
            if still is not None and still.status in (Status.LEAVING, Status.LEFT):
                self._reap(still)

        delay = _PRUNE_LEAVING_MS if member.status == Status.LEAVING else 0
        self._context.timers.after(delay, forget)

    def _keep_early(self, intent: JoinIntent | LeaveIntent) -> None:
        old = self._early.get(intent.node)
        if old is not None and intent.ltime <= old.intent.ltime:
            return
        if old is None and len(self._early) >= INTENTS_MAX:
            return
        self._early[intent.node] = _Early(intent, self._context.timers.now_ms)
        self._spread(intent)

    def _spread(
        self, intent: JoinIntent | LeaveIntent, finished: Callable[[], None] | None = None
    ) -> None:
        # One intent a node at a time: the newest is the only one that still says something.
        self.queue.put(intent.node, user_command(encode_serf(intent)), finished)

    def tell_joined(self) -> None:
        """Tell all that we are here, above every older farewell of our name."""
        intent = JoinIntent(self.clock.take(), self.my_name)
        me = self.members[self.my_name]
        self._put(replace(me, status=Status.ALIVE, status_ltime=intent.ltime))
        self._spread(intent)

    def tell_leaving(self, finished: Callable[[], None]) -> LeaveIntent:
        """Tell all that we leave; ``finished`` is called when this was sent often enough."""
        self.leaving = True
        intent = LeaveIntent(self.clock.take(), self.my_name)
        me = self.members[self.my_name]
        self._put(replace(self._with(me, Status.LEAVING), status_ltime=intent.ltime))
        self._spread(intent, finished)
        return intent

    # Time passes

    def reap(self) -> None:
        """Forget who is gone for a day, and intents that nobody came for."""
        now, profile = self._context.timers.now_ms, self._context.profile
        limits = {
            Status.FAILED: now - profile.reconnect_timeout_ms,
            Status.LEFT: now - profile.tombstone_timeout_ms,
        }
        for member in list(self.members.values()):
            if member.status in limits and member.since_ms < limits[member.status]:
                self._reap(member)
        oldest = now - profile.recent_intent_timeout_ms
        self._early = {name: kept for name, kept in self._early.items() if kept.since_ms > oldest}

    def _reap(self, member: Member) -> None:
        del self.members[member.name]
        self._context.effects.events.append(MemberChanged(Change.REAPED, member))

    def to_reconnect(self) -> Member | None:
        """A failed member that is worth another try now, by chance."""
        members = self.members.values()
        failed = [member for member in members if member.status == Status.FAILED]
        there = sum(member.status in (Status.ALIVE, Status.LEAVING) for member in members)
        if failed and self._context.chance.random() < len(failed) / max(1, there):
            return failed[self._context.chance.randrange(len(failed))]
        return None
