"""What this node holds of every other: alive, suspect, dead or left, and by which incarnation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec import Struct

from goutube.errors import WireFormatError
from goutube.membership.broadcasts import Broadcasts
from goutube.membership.context import Context
from goutube.membership.effects import Endpoint
from goutube.membership.messages import (
    VERSIONS,
    Alive,
    Dead,
    Message,
    NodeState,
    State,
    Suspect,
    encode_message,
)
from goutube.membership.serf_messages import decode_tags, encode_tags
from goutube.membership.suspicion import Suspicion

ENTRIES_MAX = 16_384
"""Nodes held at once: strangers must not fill the memory with names."""
_GONE = (State.DEAD, State.LEFT)
_TRIED_PER_WANTED = 4


class Entry(Struct):
    """One node."""

    name: str
    endpoint: Endpoint
    meta: bytes
    versions: bytes
    incarnation: int = 0
    state: State = State.DEAD
    changed_ms: int = 0
    suspicion: Suspicion | None = None

    @property
    def gone(self) -> bool:
        """Whether it is held for dead or has left."""
        return self.state in _GONE


class Watcher(Protocol):
    """Who is told what changes."""

    def node_joined(self, entry: Entry) -> None:
        """It is alive, and was not known to be."""

    def node_updated(self, entry: Entry) -> None:
        """Its meta changed."""

    def node_gone(self, entry: Entry) -> None:
        """It is dead or has left."""

    def name_in_use(self, entry: Entry, other: Endpoint) -> None:
        """Somebody else goes by the name of a node that is not known to be gone."""


class View:
    """The rules by which rumours change what is held. ``me`` is an entry like the others."""

    def __init__(self, context: Context, watcher: Watcher) -> None:
        options = context.options
        self._context = context
        self._watcher = watcher
        self.broadcasts = Broadcasts()
        self.entries: dict[str, Entry] = {}
        self.ring: list[str] = []
        self.leaving = False
        self.me = Entry(options.name, options.endpoint, encode_tags(options.tags), VERSIONS)
        self.me.incarnation = options.incarnation

    def start(self) -> None:
        """Hold ourselves for alive, and say so."""
        self.entries[self.me.name] = self.me
        self.ring.append(self.me.name)
        self._set_state(self.me, State.ALIVE)
        self._announce()
        self._watcher.node_joined(self.me)

    # Rumours

    def alive(self, rumour: Alive) -> None:
        """Somebody is there."""
        about_us = rumour.node == self.me.name
        if about_us and self.leaving:
            return
        endpoint = Endpoint(rumour.addr, rumour.port or self.me.endpoint.port)
        entry = self.entries.get(rumour.node)
        if entry is not None and not about_us and _is_late(entry, rumour, endpoint):
            self._heard_late(entry, rumour)
            return
        if not self._admitted(rumour, endpoint):
            return
        entry = entry or self._new_entry(rumour, endpoint)
        if entry is None:
            return
        moved = entry.endpoint.plain() != endpoint.plain()
        if moved and not self._may_move(entry, rumour):
            self._watcher.name_in_use(entry, endpoint)
        elif about_us:
            self._alive_about_us(rumour)
        elif moved or rumour.incarnation > entry.incarnation:
            self._take(entry, rumour, endpoint)

    def _heard_late(self, entry: Entry, rumour: Alive) -> None:
        """Most rumours are old; one that is older than a death is of a node that came back."""
        if entry.gone and rumour.incarnation < entry.incarnation:
            # Told what is held of it, it will speak up above that.
            self._context.send(entry.endpoint, self._obituary(entry), entry.versions)

    def _admitted(self, rumour: Alive, endpoint: Endpoint) -> bool:
        reason = version_fault(rumour.versions)
        if reason is None and rumour.node != self.me.name:
            try:
                tags = decode_tags(rumour.meta)
            except WireFormatError as error:
                reason = f"its tags cannot be read: {error.message}"
            else:
                reason = self._context.options.admission(rumour.node, endpoint, tags)
        if reason is not None:
            self._context.refuse(rumour.node, endpoint, reason)
        return reason is None

    def _new_entry(self, rumour: Alive, endpoint: Endpoint) -> Entry | None:
        if rumour.incarnation == 0:
            return None
        if len(self.entries) >= ENTRIES_MAX:
            self._context.refuse(rumour.node, endpoint, f"{ENTRIES_MAX} nodes are known already")
            return None
        entry = Entry(rumour.node, endpoint, b"", rumour.versions)
        self.entries[entry.name] = entry
        at = self._context.chance.randrange(len(self.ring) + 1)
        self.ring.insert(at, entry.name)
        return entry

    def _may_move(self, entry: Entry, rumour: Alive) -> bool:
        if entry.state == State.LEFT:
            return True
        return entry.state == State.DEAD and rumour.incarnation > entry.incarnation

    def _alive_about_us(self, rumour: Alive) -> None:
        me = self.me
        same = (rumour.incarnation, rumour.meta or b"", rumour.versions) == (
            me.incarnation, me.meta, me.versions)  # fmt: skip
        if rumour.incarnation >= me.incarnation and not same:
            self._refute(rumour.incarnation)

    def _take(self, entry: Entry, rumour: Alive, endpoint: Endpoint) -> None:
        self._forgive(entry)
        was_gone, old_meta = entry.gone, entry.meta
        entry.endpoint, entry.versions = endpoint, rumour.versions
        entry.incarnation, entry.meta = rumour.incarnation, rumour.meta or b""
        self._tell(entry.name, rumour)
        if entry.state != State.ALIVE:
            self._set_state(entry, State.ALIVE)
        if was_gone:
            self._watcher.node_joined(entry)
        elif entry.meta != old_meta:
            self._watcher.node_updated(entry)

    def suspect(self, rumour: Suspect) -> None:
        """Somebody got no answer."""
        entry = self.entries.get(rumour.node)
        if entry is None or rumour.incarnation < entry.incarnation:
            return
        if entry.suspicion is not None:
            if entry.suspicion.confirm(rumour.source):
                self._tell(entry.name, rumour)
            return
        if entry.state != State.ALIVE:
            return
        if entry is self.me:
            if not self.leaving:
                self._refute(rumour.incarnation)
            return
        self._tell(entry.name, rumour)
        entry.incarnation = rumour.incarnation
        self._set_state(entry, State.SUSPECT)
        context = self._context
        entry.suspicion = Suspicion(
            rumour.source,
            len(self.entries),
            context.profile,
            context.timers,
            lambda: self.dead(Dead(self.me.name, entry.incarnation, entry.name)),
        )

    def dead(self, rumour: Dead) -> None:
        """Somebody is gone."""
        entry = self.entries.get(rumour.node)
        if entry is None or rumour.incarnation < entry.incarnation:
            return
        self._forgive(entry)
        if entry.gone:
            return
        if entry is self.me and not self.leaving:
            self._refute(rumour.incarnation)
            return
        self._tell(entry.name, rumour)
        entry.incarnation = rumour.incarnation
        self._set_state(entry, State.LEFT if rumour.source == rumour.node else State.DEAD)
        self._watcher.node_gone(entry)

    def merge(self, states: Iterable[NodeState]) -> None:
        """Take over what a peer holds; whom it holds for dead is only a suspect."""
        for state in states:
            match state.state:
                case State.ALIVE:
                    self.alive(
                        Alive(state.addr, state.incarnation, state.meta, state.node,
                              state.port, state.versions)
                    )  # fmt: skip
                case State.LEFT:
                    self.dead(Dead(state.node, state.incarnation, state.node))
                case _:
                    self.suspect(Suspect(self.me.name, state.incarnation, state.node))

    # Ourselves

    def set_tags(self, tags: dict[str, str]) -> None:
        """Change what the others are told of us."""
        self.me.meta = encode_tags(tags)
        self.me.incarnation += 1
        self._announce()
        self._watcher.node_updated(self.me)

    def leave(self) -> Dead:
        """Hold ourselves for gone; what to say so by is queued, and returned."""
        self.leaving = True
        farewell = Dead(self.me.name, self.me.incarnation, self.me.name)
        self.dead(farewell)
        return farewell

    def _refute(self, accused: int) -> None:
        self.me.incarnation = max(self.me.incarnation, accused) + 1
        self._context.health(+1)
        self._announce()

    def _announce(self) -> None:
        self._tell(self.me.name, self.own_alive())

    def own_alive(self) -> Alive:
        """What we say of ourselves."""
        me = self.me
        return Alive(me.endpoint.addr, me.incarnation, me.meta, me.name, me.endpoint.port)

    # What is held

    def states(self) -> tuple[NodeState, ...]:
        """All that is held, for a push/pull."""
        return tuple(
            NodeState(entry.endpoint.addr, entry.incarnation, entry.meta, entry.name,
                      entry.endpoint.port, entry.state, entry.versions)
            for entry in self.entries.values()
        )  # fmt: skip

    def others(self, *states: State) -> list[Entry]:
        """Entries in one of these states, without ourselves."""
        return [e for e in self.entries.values() if e.state in states and e is not self.me]

    def some(self, count: int, fits: Callable[[Entry], bool]) -> list[Entry]:
        """So many entries that fit, or all that do, by chance and without ourselves."""
        chance = self._context.chance
        # Most fit: to look at a few first costs the same in a cluster of any size.
        few = chance.sample(self.ring, min(len(self.ring), count * _TRIED_PER_WANTED))
        found = self._fitting(few, fits)
        if len(found) < count:
            found = self._fitting(self.ring, fits)
        return chance.sample(found, min(count, len(found)))

    def _fitting(self, names: list[str], fits: Callable[[Entry], bool]) -> list[Entry]:
        entries = map(self.entries.get, names)
        return [e for e in entries if e is not None and e is not self.me and fits(e)]

    def purge(self) -> None:
        """Forget who is gone for long, and probe the rest in a new order."""
        limit = self._context.timers.now_ms - self._context.profile.gossip_to_the_dead_ms
        old = [e.name for e in self.entries.values() if e.gone and e.changed_ms < limit]
        for name in old:
            if name != self.me.name:
                del self.entries[name]
        self.ring = list(self.entries)
        self._context.chance.shuffle(self.ring)

    def _forgive(self, entry: Entry) -> None:
        if entry.suspicion is not None:
            entry.suspicion.cancel()
            entry.suspicion = None

    def _obituary(self, entry: Entry) -> Dead:
        source = entry.name if entry.state == State.LEFT else self.me.name
        return Dead(source, entry.incarnation, entry.name)

    def _set_state(self, entry: Entry, state: State) -> None:
        entry.state = state
        entry.changed_ms = self._context.timers.now_ms

    def _tell(self, name: str, rumour: Message) -> None:
        self.broadcasts.put(name, encode_message(rumour))


def _is_late(entry: Entry, rumour: Alive, endpoint: Endpoint) -> bool:
    return entry.endpoint == endpoint and rumour.incarnation <= entry.incarnation


def version_fault(versions: bytes) -> str | None:
    """Why a node of these protocol versions would break the cluster's exchanges; None: it fits."""
    if len(versions) != len(VERSIONS):
        return f"it tells {len(versions)} protocol versions, not {len(VERSIONS)}"
    low, high, current, serf_low, serf_high, serf_current = versions
    ours = VERSIONS
    fits = 1 <= low <= ours[2] <= high and serf_low <= ours[5] <= serf_high
    if fits and ours[0] <= current <= ours[1] and ours[3] <= serf_current <= ours[4]:
        return None
    return f"its protocol versions {versions.hex(' ')} do not fit {ours.hex(' ')}"
