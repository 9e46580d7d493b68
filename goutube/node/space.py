"""Room on the disk: looked at before there is none, and what is done when there is none.

Segments reserve their space before they are written, and the journal has its own since it was made;
so a disk that fills up takes nothing that was acknowledged. What then waits for room is tried again
now and then, so that the node goes on by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from goutube.errors import DiskFullError
from goutube.ports import Call, Disk, Outcome, Room
from goutube.storage import Store, hold_reserve, holds_reserve, lacks_room, release_reserve

_INTERVAL_MS: Final = 1_000
_FILES_MIN: Final = 64
"""For the indexes and catalogues of what is there already."""


class Space(StrEnum):
    """How much room there is."""

    PLENTY = "plenty"
    LOW = "low"
    """Less than the operator wants to be warned of."""
    FULL = "full"
    """Too little for anything but what frees some."""


class SpaceWatch:
    """Looks at the free space while something is written, and gives the reserve up for the rest.

    Attributes:
        space: as of the last look, and of what was reserved since.
        tell: called when that changes.
    """

    def __init__(self, store: Store) -> None:
        self.space = Space.PLENTY
        self.tell: Callable[[Space, Room], None] = lambda _space, _room: None
        self._store = store
        self._room = Room(1 << 62, 1 << 32)
        """As of the last look; before the first one nothing is refused."""
        self._reserved_then = 0
        self._held = False
        """Whether there is a reserve that can be given back."""
        self._looking = False
        self._looked_ms: int | None = None

    def check(self) -> None:
        """See that what needs room may be taken.

        Raises:
            DiskFullError: it may not.
        """
        if self.space is not Space.FULL:
            if self._left >= self._store.config.free_bytes_min:
                return
            self._judge()
        room, least = self._room, self._store.config.free_bytes_min
        raise DiskFullError(
            f"the disk of the data directory is full: of {room.bytes} bytes and {room.files} files "
            f"that are free, {least} bytes and {_FILES_MIN} files are kept back; free some, or "
            "trim or delete streams",
            free_bytes=room.bytes,
            free_bytes_min=least,
        )

    def advance(self, now_ms: int, *, active: bool) -> int | None:
        """Look if it is time; returns when to be called again.

        Args:
            now_ms: of the monotonic clock.
            active: whether anything was written since the last call.
        """
        if self._looking:
            return None
        lacking = self._store.lacks_room
        if lacking and self.space is not Space.FULL:
            self._judge()
        if self._looked_ms is not None:
            if not active and not lacking and self.space is Space.PLENTY:
                return None
            due_ms = self._looked_ms + _INTERVAL_MS
            if now_ms < due_ms and not (lacking and self._held):
                return due_ms
        self._looked_ms = now_ms
        self._look(release=lacking)
        return None

    @property
    def _left(self) -> int:
        """The bytes that are free, if nobody else has taken some."""
        return self._room.bytes - (self._store.reserved_bytes - self._reserved_then)

    def _look(self, *, release: bool) -> None:
        self._looking = True
        reserved, reserve_bytes = self._store.reserved_bytes, self._store.config.reserve_bytes

        def look(disk: Disk) -> tuple[Room, bool]:
            if release:
                release_reserve(disk)
            return disk.room(), holds_reserve(disk, reserve_bytes)

        def then(outcome: Outcome) -> None:
            self._looking = False
            if self._store.fail(outcome):
                return
            self._room, self._held = outcome.value  # type: ignore[misc]  # what look returns
            self._reserved_then = reserved
            if self._store.lacks_room:
                self._store.retry_roomless()  # the next look tells what came of it
                return
            self._judge()
            if not self._held and self.space is not Space.FULL:
                self._hold()

        self._store.start(lambda ticket: Call(ticket, look), then)

    def _hold(self) -> None:
        """Hold the reserve again, or for the first time, where that leaves enough."""
        config = self._store.config
        if self._left < config.free_bytes_min + config.reserve_bytes:
            return  # it would be full the moment after
        self._looking = True

        def then(outcome: Outcome) -> None:
            self._looking = False
            if lacks_room(outcome.error):
                return
            if not self._store.fail(outcome):
                self._held = True
                self._reserved_then -= config.reserve_bytes

        self._store.start(
            lambda ticket: Call(ticket, lambda disk: hold_reserve(disk, config.reserve_bytes)), then
        )

    def _judge(self) -> None:
        config = self._store.config
        least = config.free_bytes_min
        if self.space is Space.FULL:
            # It takes a little more to go on, not back and forth with each byte, and the reserve.
            least += least // 16 + (0 if self._held else config.reserve_bytes)
        if self._store.lacks_room or self._left < least or self._room.files < _FILES_MIN:
            space = Space.FULL
        else:
            space = Space.LOW if self._left < config.free_bytes_low else Space.PLENTY
        if space is not self.space:
            self.space = space
            self.tell(space, self._room)
