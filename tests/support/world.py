"""A node on a disk in memory, run by hand: jobs are done when the test says so."""

from __future__ import annotations

import random
from itertools import count

from goutube import ports
from goutube._native import complete_group, join_records, read_run
from goutube.model import Batch
from goutube.node import Append, ListStreams, NodeOptions, Reply, open_node
from goutube.storage import small_storage
from tests.support.memory_disk import MemoryDisk


class FixedClock:
    """A clock that moves when told."""

    def __init__(self, now_ms: int = 1_000_000) -> None:
        self.now_ms = now_ms

    def wall_ms(self):
        return self.now_ms

    def monotonic_ms(self):
        return self.now_ms


class SeededEntropy:
    """Random bytes from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def token_bytes(self, count):
        return self._random.randbytes(count)


def perform(disk: MemoryDisk, seed: int, job: ports.Job) -> ports.Outcome:
    """Do one job on a disk in memory."""
    try:
        return ports.Outcome(job.ticket, _perform(disk, seed, job))
    except OSError as error:
        return ports.Outcome(job.ticket, error=error)


def _perform(disk, seed, job):
    match job:
        case ports.WriteGroup():
            complete_group(seed, job.buffers[0], job.buffers[1:])
            job.file.write(job.position, *job.buffers)
            job.file.sync()
        case ports.WriteSegment():
            job.file.write(job.position, *job.buffers)
            if job.sync:
                job.file.sync()
        case ports.SyncFile():
            job.file.sync()
        case ports.ReadEntries():
            return read_run(
                job.file.map(),
                job.position,
                job.count,
                job.salt,
                job.stream_id,
                job.first_offset,
                job.limit_offset,
                job.first_ordinal,
                job.first_stamp,
                job.bytes_max,
                job.records,
            )
        case ports.Call():
            return job.function(disk)
    return None


SMALL = small_storage(journal_bytes=256 * 1024, segment_bytes=64 * 1024)


class World:
    """One node; jobs wait in ``pending`` until they are run, in any order the test likes."""

    def __init__(self, disk=None, *, seed=1, storage=SMALL, shard_count=4) -> None:
        self.disk = disk if disk is not None else MemoryDisk()
        self.clock = FixedClock()
        self.options = NodeOptions(
            node_name="n1", shard_count=shard_count, hash_function="xxh64", storage=storage
        )
        self.node = open_node(self.disk, self.clock, SeededEntropy(seed), self.options)
        self.pending: list[ports.Job] = []
        self.replies: dict[int, Reply] = {}
        self.tokens = count(1)
        self.ended = False
        """Whether a job has ended since the last round."""

    def submit(self, command) -> int:
        token = next(self.tokens)
        self.node.submit(token, command)
        return token

    def round(self) -> None:
        """One round of the driver: collect what is ready."""
        self.node.advance(self.clock.now_ms, self.clock.now_ms)
        skipped = self.node.can_wait and not self.ended  # the driver would leave this round out
        ready = self.node.ready()
        if skipped:  # what tidies up may start later
            assert not ready.replies
            assert all(isinstance(job, ports.Call) for job in ready.jobs)
        self.ended = False
        self.pending += ready.jobs
        for reply in ready.replies:
            self.replies[reply.token] = reply

    def run_one(self, place: int = 0) -> None:
        job = self.pending.pop(place)
        self.ended = True
        self.node.completed(perform(self.disk, self.node.store.journal.seed, job))

    def settle(self, chance: random.Random | None = None) -> None:
        """Run rounds and jobs until nothing is left to do."""
        self.round()
        while self.pending:
            self.run_one(chance.randrange(len(self.pending)) if chance else 0)
            self.round()

    def call(self, command):
        """Submit one command, settle, and return its result or raise its error."""
        token = self.submit(command)
        self.settle()
        reply = self.replies.pop(token)
        if reply.error is not None:
            raise reply.error
        return reply.result

    def streams(self):
        """Every stream there is."""
        return self.call(ListStreams("", "", 1000)).streams

    def drain(self) -> None:
        self.node.drain()
        self.settle()
        assert self.node.drained

    def restart(self, disk=None, **options) -> World:
        """A new life on what the disk holds after kill -9."""
        disk = disk if disk is not None else self.disk.crash()
        return World(
            disk, storage=self.options.storage, shard_count=self.options.shard_count, **options
        )


def batch_of(*records: bytes) -> Batch:
    """A batch as a client builds it."""
    tables, data, flags, checksum = join_records(records)
    return Batch(len(records), flags, tables, data, checksum)


def append(name: str, *records: bytes, stream_id=0, expected=None, producer=None, seal=False):
    """An append command with its defaults filled in."""
    batch = batch_of(*records) if records else None
    return Append(name, stream_id, batch, expected, producer, 0, seal)
