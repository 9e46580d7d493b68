"""User events: told once to every node, in the order of a clock of their own."""

from __future__ import annotations

from typing import Final

from goutube.errors import InvalidArgumentError
from goutube.membership.broadcasts import Broadcasts
from goutube.membership.clocks import Clock
from goutube.membership.context import Context
from goutube.membership.effects import EventSeen
from goutube.membership.serf_messages import PastEvent, PastEvents, UserEvent, encode_serf
from goutube.membership.swim import user_command

SLOTS: Final = 512
"""Times of the clock of which the events are remembered."""
EVENTS_PER_SLOT_MAX: Final = 64
EVENT_BYTES_MAX: Final = 512


class UserEvents:
    """Events that were seen, so that none is told twice."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.clock = Clock()
        self.queue = Broadcasts()
        self.least_ltime = 0
        self._slots: dict[int, PastEvents] = {}

    def fire(self, name: str, payload: bytes) -> None:
        """Tell an event to the whole cluster.

        Raises:
            InvalidArgumentError: it is longer than every agent accepts.
        """
        event = UserEvent(False, self.clock.time, name, payload)
        size = len(encode_serf(event))
        if size > EVENT_BYTES_MAX:
            raise InvalidArgumentError(
                f"a user event of {size} bytes; at most {EVENT_BYTES_MAX} are allowed"
            )
        self.clock.take()
        self.seen(event)

    def seen(self, event: UserEvent) -> None:
        """Take an event that was gossiped; a new one is told here and sent on."""
        self.clock.witness(event.ltime)
        if self._remember(event):
            self._context.effects.events.append(
                EventSeen(event.name, event.payload or b"", event.ltime)
            )
            key = (event.ltime, event.name, event.payload)
            self.queue.put(key, user_command(encode_serf(event)))

    def _remember(self, event: UserEvent) -> bool:
        too_old = self.clock.time > SLOTS and event.ltime < self.clock.time - SLOTS
        if too_old or event.ltime < self.least_ltime:
            return False
        slot = self._slots.get(event.ltime % SLOTS)
        past = PastEvent(event.name, event.payload)
        events = slot.events if slot is not None and slot.ltime == event.ltime else ()
        known = any(one.name == past.name and (one.payload or b"") == (past.payload or b"")
                    for one in events)  # fmt: skip
        if known or len(events) >= EVENTS_PER_SLOT_MAX:
            return False
        self._slots[event.ltime % SLOTS] = PastEvents((*events, past), event.ltime)
        return True

    def past(self) -> tuple[PastEvents, ...]:
        """What a push/pull tells of them."""
        return tuple(self._slots.values())

    def merge(self, slots: tuple[PastEvents | None, ...]) -> None:
        """Take over what a push/pull told."""
        for slot in slots:
            for event in slot.events if slot is not None else ():
                self.seen(UserEvent(False, slot.ltime if slot else 0, event.name, event.payload))
