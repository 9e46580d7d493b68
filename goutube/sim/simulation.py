"""One seed's whole story: lives of a node, their ends, and the checker behind every answer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from hashlib import blake2b
from random import Random

from msgspec import Struct

from goutube.errors import GoutubeError
from goutube.node import NodeOptions
from goutube.sim.calls import Network
from goutube.sim.faults import Ambush, Rot, let_rot
from goutube.sim.history import Excuses, History
from goutube.sim.keepers import Keeper
from goutube.sim.life import Life, Surroundings
from goutube.sim.options import Options, draw_options
from goutube.sim.plants import NO_PLANT, Plant
from goutube.sim.readers import Reader
from goutube.sim.stepping import PowerCutError
from goutube.sim.stream_history import expect
from goutube.sim.timeline import MS, SECOND, Timeline, VirtualClock
from goutube.sim.writers import Habits, Writer
from goutube.storage import Mended, inspect_directory

_AMPLE_BYTES = 1 << 40
_WRITTEN_IN_PLACE = (".seg", "hard-state", "journal")
"""Files that a power cut may leave half written; all others are renamed when they are whole."""
_PATIENCE_US = 120 * SECOND
"""How long everything may take to come to its end once nothing goes wrong any more."""


class Report(Struct, frozen=True):
    """What a seed came to.

    Attributes:
        trace: the hash of everything that happened, in order.
    """

    seed: int
    trace: str
    virtual_ms: int
    events: int
    starts: int
    cuts: int
    appends: int
    unknown: int
    bytes_read: int
    checks: int


class Simulation:
    """One seed.

    Args:
        plant: a bug to plant, for the tests of the checker.
        told: is told each line of the trace.
    """

    def __init__(
        self, seed: int, plant: Plant = NO_PLANT, told: Callable[[str], None] | None = None
    ) -> None:
        self.seed = seed
        self.options: Options = plant.focus(draw_options(self._chance("options")))
        self.history = History()
        self._plant = plant
        self._told = told
        self._digest = blake2b(digest_size=16)
        self._fate = self._chance("fate")
        self._timeline = Timeline()
        self._clock = VirtualClock(self._timeline)
        self._network = Network(
            self._timeline, self._chance("network"), self.options.loss, self.options.delay_us
        )
        self._disk = plant.disk(self._chance("disk"))
        self._around = Surroundings(
            self._timeline,
            self._clock,
            self.history,
            NodeOptions(
                node_name="n1",
                shard_count=self.options.shard_count,
                hash_function="xxh64",
                storage=self.options.storage,
            ),
            plant.performer,
            self.options.sync_us,
            self._note,
        )
        self._rot: list[Rot] = []
        self._ambushes: list[Ambush] = []
        self._life: Life | None = None
        self._starts = self._cuts = 0
        self._make_clients()

    def _chance(self, what: str) -> Random:
        return Random(f"{self.seed}/{what}")

    def _make_clients(self) -> None:
        options, history, network = self.options, self.history, self._network
        names = [f"s{number}" for number in range(options.stream_count)]
        chance, numbers = self._chance("clients"), [0]
        self._writers = [
            Writer(
                network,
                history,
                self._chance(f"writer {number}"),
                numbers,
                Habits(
                    chance.choice(names),
                    options.record_bytes,
                    options.think_us,
                    "a name" if chance.random() < options.strict_share else None,
                ),
            )
            for number in range(options.writer_count)
        ]
        self._readers = [
            Reader(network, history, self._chance(f"reader {n}"), names, options.think_us)
            for n in range(options.reader_count)
        ]
        self._keepers = [
            Keeper(network, history, self._chance(f"keeper {n}"), names, options.think_us)
            for n in range(options.keeper_count)
        ]

    def run(self) -> Report:
        """Live through it.

        Raises:
            AssertionError: a promise was broken, or the node found itself wrong.
        """
        with self._plant.around():
            for _ in range(self.options.lives):
                self._hostile_life()
                self._note("the node is gone")
                self._pass(self._fate.randint(1, 500) * MS)
            self._last_lives()
        return Report(
            self.seed,
            self._digest.hexdigest(),
            self._timeline.now_ms,
            self._timeline.count,
            self._starts,
            self._cuts,
            sum(writer.done_count for writer in self._writers),
            sum(writer.unknown_count for writer in self._writers),
            sum(reader.byte_count for reader in self._readers),
            self.history.checks,
        )

    def _note(self, line: str) -> None:
        line = f"{self._timeline.now_us} {line}"
        self._digest.update(line.encode())
        if self._told is not None:
            self._told(line)

    def _stepped(self, step: str) -> None:
        """An operation of the disk begins; something may lie in wait behind it."""
        self._note(step)
        for ambush in self._ambushes:
            ambush.look(step)

    # Lives

    def _start(self) -> Life:
        self._starts += 1
        self._disk.on_step = self._stepped
        life = Life(self._disk, self._chance(f"life {self._starts}"), self._around)
        self._life = life
        self._note("the node is up")
        self._check_mended(life.node.recovered.mended)
        life.check()
        self._network.life = life
        return life

    def _check_mended(self, mended: list[Mended]) -> None:
        """A file that is only ever replaced as a whole is whole after each end, unless it rots."""
        rotten = {rot.path for rot in self._rot}
        for one in mended:
            self._note(f"mended: {one.reason}")
            replaced = not one.path.endswith(_WRITTEN_IN_PLACE)
            expect(
                one.missing or not replaced or one.path in rotten,
                f"{one.path} was damaged by nobody: {one.reason}",
            )

    def _hostile_life(self) -> None:
        """Whatever may happen to a node, and its end."""
        self._prepare()
        try:
            self._plan(self._start())
            end_us = self._timeline.now_us + self._fate.randint(1, self.options.life_us)
            self._timeline.after(end_us - self._timeline.now_us, lambda: None)
            while self._timeline.now_us < end_us:
                self._timeline.step()
        except PowerCutError:
            self._note("in the middle of it")
        except (OSError, GoutubeError) as error:
            excuses = self.history.excuses
            excused = excuses.failed or excuses.full or excuses.damaged
            expect(self._life is None and excused, f"the node does not start: {error!r}")
            self._note(f"no start: {error}")
        self._end()

    def _prepare(self) -> None:
        """Decide what this life has to stand from its first moment on."""
        fate, options, disk = self._fate, self.options, self._disk
        excuses = self.history.excuses = Excuses(damaged=bool(self._rot))
        self._ambushes.clear()
        if fate.random() < options.sudden_share:
            self._lie_in_wait(150, disk.cut_off)
        if fate.random() < options.io_errors:
            number = fate.choice([errno.EIO, errno.EIO, errno.ENOSPC])
            error = OSError(number, os.strerror(number))
            self._lie_in_wait(80, lambda later: disk.fail_once(disk.steps + later, error))
            excuses.failed = True
        excuses.full = disk.free < options.storage.free_bytes_min
        if fate.random() < 0.2:
            self._clock.wall_offset_ms += fate.randint(-3_600_000, 3_600_000)

    def _lie_in_wait(self, steps: int, strike: Callable[[int], None]) -> None:
        """Strike after some steps, about so many, or right behind one of a certain kind."""
        fate, options = self._fate, self.options
        if fate.random() < options.ambush_share:
            kind, skip = fate.choice(options.ambush_kinds), fate.choice([0, 0, 1, 2, 5, 20])
            self._ambushes.append(Ambush(kind, skip, lambda: strike(0)))
        else:
            strike(round(fate.expovariate(1 / steps)))

    def _plan(self, life: Life) -> None:
        """Decide what happens to this life, and when."""
        fate, options = self._fate, self.options

        def later(action: Callable[[], None]) -> None:
            def act() -> None:
                if not life.dead:
                    action()

            self._timeline.after(fate.randint(0, options.life_us), act)

        if fate.random() < options.full_share:
            later(self._fill)
            later(self._make_room)
        if fate.random() < options.rot_share:
            later(self._let_rot)
        if fate.random() < options.evictions:
            later(self._disk.drop_caches)
        if fate.random() < 0.2:
            later(life.drain)

    def _fill(self) -> None:
        self.history.excuses.full = True
        self._disk.free = self._fate.choice([0, 5_000, 100_000, 1_000_000])
        self._note("the disk is full")

    def _make_room(self) -> None:
        self._disk.free = _AMPLE_BYTES
        self._note("the disk has room")

    def _let_rot(self) -> None:
        rot = let_rot(self._disk, self._fate)
        if rot is not None:
            self.history.excuses.damaged = True
            self._rot.append(rot)
            self._note(f"{rot.path} rots at {rot.position}")

    def _end(self) -> None:
        """The process ends, and perhaps the power with it; some of what rots is put right."""
        self._end_life()
        fate, disk = self._fate, self._disk
        self._heal(all_of_it=fate.random() < 0.5)
        if fate.random() < self.options.cut_share:
            self._cuts += 1
            self._note("the power is cut")
            self._disk = disk.power_cut(fate)
        else:
            self._disk = disk.crash()
            if fate.random() < self.options.evictions:
                self._disk.drop_caches()
        if fate.random() < 0.7:
            self._make_room()

    def _end_life(self) -> None:
        self._network.life = None
        if self._life is not None:
            self._life.end()
            self._life = None

    def _heal(self, *, all_of_it: bool) -> None:
        """Put bytes right; those of segments always, for a start gives up what it finds damaged."""
        healed = [rot for rot in self._rot if all_of_it or rot.path.endswith(".seg")]
        for rot in healed:
            rot.heal(self._disk)
            self._rot.remove(rot)

    def _pass(self, length_us: int) -> None:
        """Let time pass."""
        end_us = self._timeline.now_us + length_us
        self._timeline.after(length_us, lambda: None)
        while self._timeline.now_us < end_us:
            self._timeline.step()

    # The end, when all is well

    def _last_lives(self) -> None:
        """Nothing fails any more: everybody comes to an end, and all is there, and again."""
        self._heal(all_of_it=True)
        self._make_room()
        self._network.calm = True
        self.history.excuses = Excuses()
        life = self._start()
        self._pass(20 * self.options.think_us)
        clients: list[Writer | Reader | Keeper] = [*self._writers, *self._readers, *self._keepers]
        for client in clients:
            client.active = False
        self._await(lambda: all(writer.idle for writer in self._writers), "the writers")
        life.drain()
        self._await(lambda: life.node.drained, "the node")
        expect(life.node.healthy, "the node failed, and nothing was wrong")
        life.check()
        self._end_life()
        self._disk = self._disk.power_cut(self._fate)
        last = self._start()
        faults = [log.fault for log in last.node.store.logs if log.fault]
        expect(not faults, f"shards are faulty: {faults}")
        self._end_life()
        damaged = inspect_directory(self._disk.crash()).damaged
        expect(not damaged, f"the directory looks damaged: {damaged}")

    def _await(self, condition: Callable[[], bool], who: str) -> None:
        end_us = self._timeline.now_us + _PATIENCE_US
        self._timeline.after(_PATIENCE_US, lambda: None)
        while not condition():
            expect(self._timeline.now_us < end_us, f"{who} did not come to an end")
            self._timeline.step()
