"""A node on a disk in memory, run by hand: jobs are done when the test says so."""

from __future__ import annotations

from itertools import count
from random import Random

from msgspec.structs import replace

from goutube import ports
from goutube.crash_points import CrashPoint
from goutube.model import StreamInfo
from goutube.node import (
    KEEP_ALL,
    Command,
    ListPage,
    ListStreams,
    NodeOptions,
    Reply,
    Result,
    RetentionLimits,
    open_node,
)
from goutube.sim.disk import MemoryDisk
from goutube.sim.jobs import perform
from goutube.storage import StorageConfig, small_storage


class HandClock:
    """A clock that moves when told."""

    def __init__(self, now_ms: int = 1_000_000) -> None:
        self.now_ms = now_ms

    def wall_ms(self) -> int:
        """Milliseconds of an era of its own."""
        return self.now_ms

    def monotonic_ms(self) -> int:
        """The same."""
        return self.now_ms


class SeededEntropy:
    """Random bytes from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def token_bytes(self, count: int) -> bytes:
        """``count`` bytes, the same ones for the same seed."""
        return self._random.randbytes(count)


SMALL = replace(
    small_storage(journal_bytes=256 * 1024, segment_bytes=64 * 1024), heads_percent_max=400
)
"""Files so small that a short life seals segments and goes around the journal; all get heads."""

APART = replace(SMALL, along_bytes_max=0)
"""The same, but nothing is written to a segment by the job of a journal group."""


class World:
    """One node; jobs wait in ``pending`` until they are run, in any order the test likes.

    Args:
        disk: what an earlier life left; a new one is founded without.
        seed: of the node's random bytes.

    Attributes:
        replies: those that nobody has taken yet, by token.
    """

    def __init__(
        self,
        disk: MemoryDisk | None = None,
        *,
        seed: int = 1,
        storage: StorageConfig = SMALL,
        shard_count: int = 4,
        retention: RetentionLimits = KEEP_ALL,
    ) -> None:
        self.disk = disk if disk is not None else MemoryDisk()
        self.clock = HandClock()
        self.options = NodeOptions(
            node_name="n1",
            shard_count=shard_count,
            hash_function="xxh64",
            storage=storage,
            retention=retention,
        )
        self.node = open_node(self.disk, self.clock, SeededEntropy(seed), self.options)
        self.pending: list[ports.Job] = []
        self.replies: dict[int, Reply] = {}
        self._tokens = count(1)

    def submit(self, command: Command) -> int:
        """Hand a command to the node; the token that its reply will have."""
        token = next(self._tokens)
        self.node.submit(token, command)
        return token

    def round(self) -> None:
        """One round of the driver: collect what is ready."""
        self.node.advance(self.clock.now_ms, self.clock.now_ms)
        skipped = self.node.can_wait  # the driver would leave this round out
        ready = self.node.ready()
        if skipped:  # what tidies up may start later
            assert not ready.replies
            assert all(isinstance(job, ports.Call | ports.SyncFile) for job in ready.jobs)
        self.pending += ready.jobs
        for reply in ready.replies:
            self.replies[reply.token] = reply

    def run_one(self, place: int = 0) -> None:
        """Do one of the pending jobs, and tell the node how it ended."""
        job = self.pending.pop(place)
        self.node.completed(perform(self.disk, job))

    def settle(self, chance: Random | None = None) -> None:
        """Run rounds and jobs until nothing is left to do."""
        self.round()
        while self.pending:
            self.run_one(chance.randrange(len(self.pending)) if chance else 0)
            self.round()

    def call(self, command: Command) -> Result:
        """Submit one command, settle, and return its result or raise its error."""
        token = self.submit(command)
        self.settle()
        reply = self.replies.pop(token)
        if reply.error is not None:
            raise reply.error
        return reply.result

    def streams(self) -> list[StreamInfo]:
        """Every stream there is."""
        page = self.call(ListStreams("", "", 1000))
        assert isinstance(page, ListPage)
        return page.streams

    def drain(self) -> None:
        """Bring everything into segments and catalogues."""
        self.disk.reached(CrashPoint.DRAIN_BEGUN)
        self.node.drain()
        self.settle()
        assert self.node.drained
        self.disk.reached(CrashPoint.DRAINED)

    def restart(self, disk: MemoryDisk | None = None, *, seed: int = 1) -> World:
        """A new life on what the disk holds after kill -9."""
        return World(
            disk if disk is not None else self.disk.crash(),
            seed=seed,
            storage=self.options.storage,
            shard_count=self.options.shard_count,
            retention=self.options.retention,
        )
