"""Reading all sealed segments again, now and then: damage is found while copies may still be whole.

One segment after the other, one slice at a time, at a bounded rate. A pass takes in what was sealed
when it began. How far it has come is not written down: the pass of a new start begins at another
place, so that many restarts leave no file unread for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from goutube.errors import CorruptionError
from goutube.node.shard import Shard
from goutube.ports import Call, Outcome
from goutube.storage import (
    Damage,
    Mended,
    SealedIndex,
    Segment,
    SegmentScrub,
    ShardLog,
    Store,
    damage_in,
    remake_index,
)

_FIRST_MS: Final = 60_000
"""From the start to the first pass: others want the disk then."""
_GOLDEN_RATIO: Final = 0x9E3779B9
"""Of 2**32: its multiples lie far from one another."""


class ScrubPass(Struct):
    """One pass over the sealed segments.

    Attributes:
        segment_count, byte_count: what it is to read.
        read_bytes: what it has read.
        damage_count: ranges that were found and not known before.
        unread_count: segments that could not be read, for want of descriptors or memory.
        began_ms, ended_ms: on the monotonic clock; None: not ended yet.
    """

    segment_count: int
    byte_count: int
    began_ms: int
    ended_ms: int | None = None
    read_bytes: int = 0
    damage_count: int = 0
    unread_count: int = 0


class Scrubber:
    """Reads sealed segments again; damage goes to the quarantine of their logs.

    Attributes:
        read_bytes, damage_count, pass_count: of all passes of this process.
        ended_unix_s: when the last pass ended; 0: none has.
        tell: called when a pass begins and when it ends.
        tell_mended: called with a file that was damaged and is made anew.
    """

    def __init__(self, store: Store, shards: Sequence[Shard]) -> None:
        self.read_bytes = self.damage_count = self.pass_count = 0
        self.ended_unix_s = 0.0
        self.tell: Callable[[ScrubPass], None] = lambda _pass: None
        self.tell_mended: Callable[[Mended], None] = lambda _mended: None
        self._store = store
        self._shards = shards
        self._pass: ScrubPass | None = None
        self._todo: deque[tuple[ShardLog, int]] = deque()
        """Logs and the first indexes of their segments that this pass has yet to read."""
        self._scrub: SegmentScrub | None = None
        self._log: ShardLog = shards[0].log
        """Whose segment that is."""
        self._healthy = True
        """Whether no damage was found in it."""
        self._running = False
        self._due_ms: int | None = None
        self._slice_ms = 0

    @property
    def progress(self) -> float:
        """How much of the pass under way is done, 0 to 1; 1 between two passes, 0 before any."""
        if self._pass is None:
            return float(self.pass_count > 0)
        return min(1.0, self._pass.read_bytes / max(1, self._pass.byte_count))

    def advance(self, now_ms: int, wall_ms: int) -> int | None:
        """Read the next slice if it is due; when to be called again, if nothing else happens."""
        config = self._store.config
        if self._running or not config.scrub_bytes_per_s:
            return None
        if self._due_ms is None:
            self._due_ms = now_ms + min(_FIRST_MS, config.scrub_interval_ms)
        if now_ms < self._due_ms:
            return self._due_ms
        if self._pass is None:
            self._begin(now_ms)
        if self._scrub is None and not self._next_segment():
            return self._end(now_ms, wall_ms)
        self._slice_ms = now_ms
        self._step()
        return None

    def _begin(self, now_ms: int) -> None:
        found = [(s.log, segment) for s in self._shards for segment in s.log.segments]
        sealed = [(log, segment) for log, segment in found if segment.sealed]
        self._todo = deque((log, s.header.name.first_index) for log, s in sealed)
        boot = self._store.identity.boot
        self._todo.rotate(-(len(sealed) * (boot * _GOLDEN_RATIO % (1 << 32)) >> 32))
        count = sum(_bytes_of(segment) for _, segment in sealed)
        self._pass = ScrubPass(len(sealed), count, now_ms)
        if sealed:
            self.tell(self._pass)

    def _end(self, now_ms: int, wall_ms: int) -> int:
        assert self._pass is not None
        ended, self._pass = self._pass, None
        ended.ended_ms = now_ms
        self.pass_count += 1
        self.ended_unix_s = wall_ms / 1000
        self._due_ms = max(now_ms, ended.began_ms + self._store.config.scrub_interval_ms)
        if ended.segment_count:
            self.tell(ended)
        return self._due_ms

    def _next_segment(self) -> bool:
        while self._todo:
            log, first_index = self._todo.popleft()
            for segment in log.segments:
                if segment.header.name.first_index == first_index and segment.sealed:
                    self._log, self._scrub, self._healthy = log, SegmentScrub(segment), True
                    return True
        return False

    def _step(self) -> None:
        scrub, log = self._scrub, self._log
        assert scrub is not None
        self._running = True

        def then(outcome: Outcome) -> None:
            self._running = False
            if scrub.segment not in log.segments:  # compacted meanwhile: its new file is read
                self._scrub = None
                self._todo.appendleft((log, scrub.segment.header.name.first_index))
                return
            if outcome.error is not None:
                assert self._pass is not None
                self._scrub = None  # the next pass tries it again
                self._pass.unread_count += 1
                return
            assert isinstance(outcome.value, int)
            self._took(scrub, outcome.value)

        self._store.start(lambda ticket: Call(ticket, scrub.step), then)

    def _took(self, scrub: SegmentScrub, count: int) -> None:
        assert self._pass is not None
        self.read_bytes += count
        self._pass.read_bytes += count
        self._due_ms = self._slice_ms + count * 1000 // self._store.config.scrub_bytes_per_s
        segment = scrub.segment
        for position, size in scrub.take_bad():
            self._note(damage_in(self._log.segments, segment, position, size))
        if scrub.missing:
            self._note(Damage(segment.path, 0, segment.size))
        if not scrub.left:
            self._scrub = None
            if scrub.bad_index:
                self._mend_index(scrub)

    def _note(self, damage: Damage) -> None:
        self._healthy = False
        self._found(damage)

    def _found(self, damage: Damage) -> None:
        if self._log.note_damage(damage):
            assert self._pass is not None
            self.damage_count += 1
            self._pass.damage_count += 1

    def _mend_index(self, scrub: SegmentScrub) -> None:
        """Make a damaged index anew, if all of its segment is whole."""
        log, segment = self._log, scrub.segment
        damage = Damage(segment.index_path, 0, _bytes_of(segment) - segment.size)
        if not self._healthy:
            self._found(damage)  # what the segment has lost is for the next start to find out
            return
        self._running = True

        def then(outcome: Outcome) -> None:
            self._running = False
            if isinstance(outcome.error, CorruptionError):
                self._found(damage)
            elif not self._store.fail(outcome) and segment in log.segments:
                assert isinstance(outcome.value, SealedIndex)
                segment.index = outcome.value
                log.forget_damages(segment.index_path)  # of an earlier pass that could not mend it
                self.tell_mended(Mended(segment.index_path, scrub.bad_index))

        self._store.start_roomy(lambda t: Call(t, lambda disk: remake_index(disk, segment)), then)


def _bytes_of(segment: Segment) -> int:
    assert isinstance(segment.index, SealedIndex)
    return segment.size + segment.index.byte_count
