"""Lives on the disk in memory which together come to every crash point of the product."""

from __future__ import annotations

import copy
import random
from collections import Counter
from types import UnionType

from msgspec.structs import replace

from goutube.crash_points import CrashAt, CrashPoint
from goutube.errors import CorruptionError, GoutubeError, StreamNotFoundError
from goutube.node import (
    AtOffset,
    Command,
    DeleteStream,
    DescribeStream,
    Read,
    SealStream,
    TrimStream,
)
from goutube.ports import SyncFile, WriteGroup
from goutube.ring import ShardMap
from goutube.sim import SMALL, MemoryDisk, PowerCutError, World
from goutube.storage import EntryKind, HardState, NewEntry, inspect_directory
from goutube.storage.segment import Segment
from tests.support.commands import append, batch_of
from tests.support.on_disk import assert_nothing_leaked
from tests.support.stream_model import Model, check

STORAGE = replace(SMALL, free_bytes_min=0, free_bytes_low=0)
SHARDS = 4
BULK_BYTES = SMALL.bulk_bytes + 1
_SHARD_OF = ShardMap(SHARDS, "xxh64").shard_of
_NAMES_OF_ALL = [f"s{number}" for number in range(30)]
NAMES = [name for name in _NAMES_OF_ALL if _SHARD_OF(name) < 2][:5]
DYING, KEPT = [name for name in NAMES[2:] if _SHARD_OF(name) == _SHARD_OF(NAMES[2])][:2]
"""Of one shard; so a segment that one leaves is rewritten for the other."""
CUT_SHARD = 2
"""Its log is written by hand and loses suffixes; no stream belongs to it."""
SPOILT = next(name for name in _NAMES_OF_ALL if _SHARD_OF(name) == SHARDS - 1)
"""A stream, alone in its shard, some of whose bytes rot."""
_AMPLE_BYTES = 1 << 30
_CHECKPOINT_MS = 6_000


class Lives:
    """One disk, one life after the other, and what its clients know.

    Attributes:
        terms: of the entries of the log that is cut by hand: all that it may hold.
        spoilt: what the stream of this name was given.
        rotten: whether any of it has rotted.
    """

    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.model = Model()
        self.terms: list[list[int]] = [[]]
        self.spoilt = b""
        self.rotten = False
        self.points: Counter[CrashPoint] = Counter()
        self._chance = random.Random(7)
        self._crash_at: CrashAt | None = None

    def copy(self) -> Lives:
        """The same, for another fate from here on."""
        disk, self.disk = self.disk, MemoryDisk()
        copied = copy.deepcopy(self)
        self.disk, copied.disk = disk, disk.crash()
        return copied

    def cut_power(self, seed: int) -> None:
        """The power goes, too."""
        self.disk = self.disk.power_cut(random.Random(seed))

    def live(self, crash_at: CrashAt | None = None) -> bool:
        """Go through all the lives; whether they ended at this place."""
        self.points, self._crash_at = Counter(), crash_at
        try:
            for life in (
                self._grow,
                self._end_before_the_files,
                self._end_before_the_group,
                self._end_before_the_mark,
                self._end_in_a_write,
                self._cut_the_log,
                self._shrink,
                self._stop_tidying,
                self._tidy,
                self._run_full,
                self._spoil,
            ):
                life()
                self.kill()
        except PowerCutError:
            self.kill()
            return True
        return False

    def kill(self) -> None:
        """The process ends, the page cache stays."""
        self.model.lose_track()
        self.disk = self.disk.crash()

    def start(self) -> World:
        """Begin a life, with everything there that was promised."""
        disk = self.disk
        disk.free = _AMPLE_BYTES
        disk.points, disk.crash_at = self.points, self._crash_at
        world = World(disk, seed=self._chance.getrandbits(32), storage=STORAGE, shard_count=SHARDS)
        assert_nothing_leaked(disk)
        self.check(world)
        return world

    def check(self, world: World) -> None:
        """All is as it must be, and what there is then is known."""
        check(world, self.model, NAMES)
        log = world.node.store.logs[CUT_SHARD]
        found = [log.term_at(i) for i in range(log.first_index, log.last_index + 1)]
        fits = [terms for terms in self.terms if terms[log.first_index - 1 :] == found]
        assert fits, f"the log that was cut has the terms {found}, not one of {self.terms}"
        self.terms = fits[-1:]
        self._check_spoilt(world)
        faults = [log.fault for log in world.node.store.logs[:-1] if log.fault]
        assert not faults, faults

    def check_next_start(self) -> None:
        """The next life has all that was promised, and nothing that nobody needs."""
        self.points, self._crash_at = Counter(), None
        world = self.start()
        self._append(world, 100)
        damaged = inspect_directory(world.disk.crash()).damaged
        assert self.rotten or not damaged, inspect_directory(world.disk.crash()).findings

    def _check_spoilt(self, world: World) -> None:
        """Each byte that reads is right; those that do not are told to be lost."""
        try:
            end = world.call(DescribeStream(SPOILT, 0)).end_offset
        except StreamNotFoundError:
            assert len(self.spoilt) <= 100  # not acknowledged
            self.spoilt = b""
            return
        assert len(self.spoilt) - 100 <= end <= len(self.spoilt)
        self.spoilt = self.spoilt[:end]  # what was not acknowledged may be gone
        for offset in range(0, end, 100):
            try:
                answer = world.call(Read(SPOILT, 0, AtOffset(offset), None, 100, False, False))
            except CorruptionError:
                assert self.rotten
            else:
                assert answer.data == self.spoilt[offset : answer.next_offset]

    # What lives are made of

    def _send(self, world: World, kind: str, name: str, data: bytes) -> int:
        commands: dict[str, Command] = {
            "append": append(name, data or b"?"),
            "trim": TrimStream(name, 0, int.from_bytes(data[:8], "big")),
            "seal": SealStream(name, 0),
            "delete": DeleteStream(name, 0),
        }
        token = world.submit(commands[kind])
        self.model.sent[token] = (kind, name, data)
        return token

    def _do(self, world: World, kind: str, name: str, data: bytes = b"") -> None:
        """Send one command and take its answer."""
        self._send(world, kind, name, data)
        world.settle()
        self._answers(world)

    def _answers(self, world: World) -> None:
        for token in sorted(world.replies):
            reply = world.replies.pop(token)
            if reply.error is None:
                self.model.acknowledge(token, getattr(reply.result, "offset", None))
            else:
                assert isinstance(reply.error, GoutubeError)
                del self.model.sent[token]

    def _append(self, world: World, size: int) -> None:
        name = self._chance.choice([n for n in NAMES if n not in self.model.sealed])
        self._do(world, "append", name, self._chance.randbytes(size))

    def _pass(self, world: World, ms: int) -> None:
        for _ in range(ms // 500):
            world.clock.now_ms += 500
            world.settle()

    # The lives

    def _grow(self) -> None:
        """Small appends and bulk ones, a checkpoint, and an end with something in the journal."""
        world = self.start()
        if NAMES[0] in self.model.sealed:
            self._do(world, "delete", NAMES[0])
        for size in (10, 20_000, 50_000, 3000, 40_000, 700, 20_000, 30_000, 9000):
            self._append(world, size)
        self._pass(world, _CHECKPOINT_MS)
        self._do(world, "seal", NAMES[0])
        for size in (25_000, 100, 25_000):
            self._append(world, size)

    def _end_before_the_files(self) -> None:
        """The journal holds entries of segments that were not made."""
        world = self.start()
        for _ in range(3):
            self._send(world, "append", NAMES[1], self._chance.randbytes(21_000))
        world.round()
        for _ in range(2):
            while any(isinstance(job, WriteGroup) for job in world.pending):
                (place,) = [n for n, j in enumerate(world.pending) if isinstance(j, WriteGroup)]
                world.run_one(place)
                world.round()
        self._answers(world)

    def _end_before_the_group(self) -> None:
        """A segment is sealed although the journal does not hold its last entries yet."""
        world = self.start()
        for _ in range(3):
            self._append(world, 100)
        for _ in range(5):
            self._send(world, "append", NAMES[2], self._chance.randbytes(12_000))
        world.round()
        while places := [n for n, j in enumerate(world.pending) if not isinstance(j, WriteGroup)]:
            world.run_one(places[0])
            world.round()
        self._answers(world)

    def _end_before_the_mark(self) -> None:
        """Bulk is synced and no mark tells of it yet; then a byte of it rots."""
        world = self.start()
        segment = self._write_bulk(world, WriteGroup)
        self.disk.names[segment.path].rot(segment.size - 1_000, 1)

    def _end_in_a_write(self) -> None:
        """Of bulk that is not synced a sector does not get to the disk."""
        world = self.start()
        segment = self._write_bulk(world, WriteGroup | SyncFile)
        self.disk.names[segment.path].write((segment.size - 1_000) // 512 * 512, bytes(512))

    def _write_bulk(self, world: World, held: type | UnionType) -> Segment:
        """Append more than the journal takes, jobs of some kinds left undone; where it went."""
        self._do(world, "append", NAMES[1], b"begun")
        self._send(world, "append", NAMES[1], self._chance.randbytes(BULK_BYTES))
        world.round()
        while places := [n for n, j in enumerate(world.pending) if not isinstance(j, held)]:
            world.run_one(places[0])
            world.round()
        self._answers(world)
        return world.node.store.logs[_SHARD_OF(NAMES[1])].segments[-1]

    def _cut_the_log(self) -> None:
        """A log loses a suffix over several segments, which a checkpoint then removes."""
        world = self.start()
        log = world.node.store.logs[CUT_SHARD]
        for keep in (1, 2):
            before = self.terms[-1]
            self._lengthen(world, 4)
            log.truncate(len(before) + keep)
            self._lengthen(world, 5)
        self._pass(world, _CHECKPOINT_MS)
        self._cut_what_is_noted(world)

    def _cut_what_is_noted(self, world: World) -> None:
        """The log loses entries whose heads are written down; it ends before anything follows."""
        store = world.node.store
        log = store.logs[CUT_SHARD]
        while log.segments[-1].last_index == log.segments[-1].header.name.first_index:
            self._lengthen(world, 1)
        self._pass(world, _CHECKPOINT_MS)
        log.truncate(log.last_index - 1)
        self.terms.append(self.terms[-1][: log.last_index])
        store.staged(log)
        world.round()
        (place,) = [n for n, job in enumerate(world.pending) if isinstance(job, WriteGroup)]
        world.run_one(place)
        self.terms = self.terms[-1:]

    def _lengthen(self, world: World, count: int) -> None:
        """Append entries of a new term to the log that is cut by hand."""
        store = world.node.store
        log = store.logs[CUT_SHARD]
        kept, term = self.terms[-1][: log.last_index], log.last_term + 1
        self.terms += [kept + [term] * more for more in range(count + 1)]
        log.set_hard_state(HardState(term, bytes(16)))
        for number in range(count):
            batch = batch_of(self._chance.randbytes(24_000))
            log.append(NewEntry(EntryKind.BATCH, 0, 9, number, 0, 1, b"", batch), term)
        store.staged(log)
        world.settle()
        self.terms = self.terms[-1:]

    def _shrink(self) -> None:
        """Streams go, others are trimmed; a clean end."""
        world = self.start()
        for size, name in [(900, KEPT), (9000, DYING)] * 16:
            self._do(world, "append", name, self._chance.randbytes(size))
        self._do(world, "delete", DYING)
        for name in NAMES[:2]:
            end = len(self.model.content.get(name, b""))
            self._do(world, "trim", name, max(0, end - 10_000).to_bytes(8, "big"))
        world.drain()

    def _stop_tidying(self) -> None:
        """A compaction is given up in its middle, for the process is to end."""
        world = self.start()
        for _ in range(40):
            created = self.points[CrashPoint.REWRITE_CREATED]
            self._pass(world, 500)
            if self.points[CrashPoint.REWRITE_CREATED] > created:
                break
        world.drain()

    def _tidy(self) -> None:
        """Compactions come to their end."""
        self._leave_half_a_file()
        world = self.start()
        self._append(world, 100)
        self._pass(world, 20_000)

    def _leave_half_a_file(self) -> None:
        """What an end in the middle of making an index leaves."""
        path = "shards/0000/half.idx.tmp"
        if self.disk.exists("shards/0000") and not self.disk.exists(path):
            self.disk.open(path, create=True).write(0, b"half")

    def _run_full(self) -> None:
        """The disk runs full, the reserve is given up and held again."""
        world = self.start()
        self._pass(world, 1_000)
        self._append(world, 100)
        self._pass(world, 3_000)
        world.disk.free = 0
        for _ in range(4):
            self._append(world, 30_000)
            self._pass(world, 1_000)
        world.disk.free = _AMPLE_BYTES
        self._pass(world, 3_000)
        self._append(world, 100)
        self._pass(world, 1_500)

    def _spoil(self) -> None:
        """Of a stream that is alone in its shard an entry's header rots, which a start finds."""
        world = self.start()
        for _ in range(4):
            piece = self._chance.randbytes(100)
            self.spoilt += piece
            token = world.submit(append(SPOILT, piece))
            world.settle()
            if world.replies.pop(token).error is not None:
                assert self.rotten
                self.spoilt = self.spoilt[:-100]
        self._pass(world, _CHECKPOINT_MS)  # or replay would put it right
        self._rot()
        self.kill()
        self.start()

    def _rot(self) -> None:
        directory = f"shards/{SHARDS - 1:04d}/"
        path = max(p for p in self.disk.names if p.startswith(directory) and p.endswith(".seg"))
        self.disk.names[path].sync()
        content = bytes(self.disk.names[path].cached)
        places = [i for i in range(256, len(content) - 4, 8) if content[i : i + 4] == b"gtE1"]
        if len(places) > 2:
            self.rotten = True
            self.disk.names[path].rot(places[-2] + 9, 1)
