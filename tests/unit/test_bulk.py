"""Bulk: written to its segment alone, while the bulk before it is being synced there."""

import random
from functools import partial

import pytest
from msgspec.structs import replace

from goutube.crash_points import CrashPoint
from goutube.limits import KIB, MIB
from goutube.ports import Job, SyncFile, WriteGroup, WriteSegment
from goutube.sim import SMALL, World
from goutube.storage import EntryKind, NewEntry, small_storage
from tests.support.commands import append, batch_of, read_all

BULK_BYTES = SMALL.bulk_bytes + 1


def bulk(letter: str) -> bytes:
    return letter.encode() * BULK_BYTES


def run_others(world: World, *held: Job) -> None:
    """Run rounds and jobs until nothing but these is left."""
    world.round()
    while others := [place for place, job in enumerate(world.pending) if job not in held]:
        world.run_one(others[0])
        world.round()


def run_until_synced(world: World) -> SyncFile:
    """Run everything up to the first sync of a segment, which is left pending."""
    world.round()
    while not (syncs := syncs_of(world)):
        world.run_one()
        world.round()
    return syncs[0]


def syncs_of(world: World) -> list[SyncFile]:
    return [job for job in world.pending if isinstance(job, SyncFile)]


def run(world: World, job: Job) -> None:
    world.run_one(world.pending.index(job))
    world.round()


def test_bulk_goes_to_its_segment_once():
    """What is too much for the journal is synced in place; the journal has the mark alone."""
    world = World()
    token = world.submit(append("a", random.Random(1).randbytes(60_000)))
    world.round()
    assert token not in world.replies
    synced = False
    while world.pending:
        job = world.pending[0]
        synced = synced or (isinstance(job, SyncFile) and job.point is CrashPoint.BULK_DURABLE)
        if isinstance(job, WriteGroup):
            assert sum(map(len, job.buffers)) <= 8192  # marks and records, not the bulk
        world.run_one()
        world.round()
    assert synced
    assert world.replies[token].result.next_offset == 60_000


def test_bulk_is_written_while_the_bulk_before_it_is_synced():
    """What comes too late for a sync waits for the next one, and is acknowledged after that."""
    world = World(shard_count=1, storage=replace(SMALL, segment_bytes=256 * KIB))
    world.call(append("a", b"first"))
    early = world.submit(append("a", bulk("x")))
    sync = run_until_synced(world)
    late = world.submit(append("a", bulk("y")))
    run_others(world, sync)
    assert world.node.store.logs[0].written_index == 3
    assert not {early, late} & world.replies.keys()

    run(world, sync)
    (second,) = syncs_of(world)
    run_others(world, second)
    assert world.replies[early].result.offset == 5
    assert late not in world.replies
    for seed in range(8):
        again = world.restart(world.disk.power_cut(random.Random(seed)))
        assert read_all(again, "a").startswith(b"first" + bulk("x"))
    world.settle()
    assert world.replies[late].result.offset == 5 + BULK_BYTES
    for seed in range(8):
        again = world.restart(world.disk.power_cut(random.Random(seed)))
        assert read_all(again, "a") == b"first" + bulk("x") + bulk("y")


def test_a_segment_is_synced_by_one_job_at_a_time():
    """Of two, the success of one could be heard of before the failure of the other."""
    world = World(shard_count=1)
    world.call(append("a", b"kept" * 5_000))
    world.clock.now_ms += 60_000
    world.round()
    (checkpoint,) = syncs_of(world)
    assert checkpoint.point is CrashPoint.SEGMENT_FLUSHED
    token = world.submit(append("a", bulk("x")))
    run_others(world, checkpoint)
    assert token not in world.replies
    run(world, checkpoint)
    (sync,) = syncs_of(world)
    assert sync.point is CrashPoint.BULK_DURABLE
    world.settle()
    assert world.replies[token].error is None


def test_a_checkpoint_waits_for_the_sync_of_bulk_that_covers_small_entries_too():
    """Else it would free the journal of entries that no sync has brought to their segment."""
    world = World(shard_count=1)
    world.call(append("a", b"small"))
    world.submit(append("a", bulk("x")))
    sync = run_until_synced(world)
    before = world.node.store.stats.checkpoints
    world.clock.now_ms += 60_000
    run_others(world, sync)
    assert world.node.store.stats.checkpoints == before
    for seed in range(8):
        again = world.restart(world.disk.power_cut(random.Random(seed)))
        assert read_all(again, "a").startswith(b"small")
    world.settle()
    assert world.node.store.stats.checkpoints == before + 1


def test_checkpoints_are_taken_while_bulk_never_ceases():
    """A segment that is always being synced for bulk is synced for them in between."""
    world = World(shard_count=1)
    before = world.node.store.stats.checkpoints
    world.submit(append("a", b"small"))
    for _ in range(20):
        world.submit(append("a", bulk("x")))
        world.clock.now_ms += 1_000
        sync = run_until_synced(world)
        world.submit(append("a", bulk("y")))
        run_others(world, sync)
        run(world, sync)
    assert world.node.store.stats.checkpoints > before


def test_much_bulk_is_begun_by_half():
    """While the sync of the first half runs, the second is written; little is written at once."""
    storage = small_storage(journal_bytes=8 * MIB, segment_bytes=32 * MIB)
    world = World(shard_count=1, storage=storage)
    world.call(append("a", b"first"))
    log = world.node.store.logs[0]
    contents = [letter * MIB for letter in (b"a", b"b", b"c", b"d", b"e", b"f", b"g")]
    tokens = [world.submit(append("a", content)) for content in contents]
    sync = run_until_synced(world)
    assert log.written_index == 5
    run_others(world, sync)
    assert (log.written_index, log.durable_index) == (8, 1)
    world.settle()
    assert all(world.replies[token].error is None for token in tokens)

    for content in contents[:3]:
        world.submit(append("a", content))
    run_until_synced(world)
    assert log.written_index == 11
    world.settle()
    again = world.restart(world.disk.power_cut(random.Random(1)))
    assert read_all(again, "a") == b"first" + b"".join(contents + contents[:3])


def test_a_new_segment_gets_nothing_before_the_bulk_of_the_one_before_is_synced():
    """A start that finds a torn end has nothing but that to cut."""
    world = World(shard_count=1)
    world.call(append("a", b"first"))
    world.submit(append("a", bulk("x")))
    sync = run_until_synced(world)
    world.submit(append("a", bulk("y")))  # too much for the rest of the segment
    run_others(world, sync)
    first, second = world.node.store.logs[0].segments
    assert second.queue
    run(world, sync)
    while not second.sealed and world.pending:
        assert not (second.in_flight and first.bulk_index)
        world.run_one()
        world.round()
    assert world.node.store.logs[0].segments[1].last_index == 3


@pytest.mark.parametrize("seed", range(10))
def test_bulk_and_small_entries_end_in_any_order(seed):
    """Whatever was acknowledged is there after a power cut at any moment, in its order."""
    chance = random.Random(seed)
    world = World(seed=seed, shard_count=1)
    sent: list[tuple[int, bytes]] = []
    for number in range(40):
        size = chance.choice([10, 10, BULK_BYTES, BULK_BYTES // 2])
        content = (b"%04d" % number) * (size // 4)
        sent.append((world.submit(append("a", content)), content))
        world.round()
        for _ in range(chance.randint(0, 3)):
            if world.pending:
                world.run_one(chance.randrange(len(world.pending)))
                world.round()
        told = [number for number, (token, _) in enumerate(sent) if token in world.replies]
        if number % 4 == 3 and told:
            again = world.restart(world.disk.power_cut(chance))
            expected = b"".join(content for _, content in sent[: told[-1] + 1])
            assert read_all(again, "a").startswith(expected)
    world.settle(chance)
    assert read_all(world, "a") == b"".join(content for _, content in sent)


@pytest.mark.parametrize("kept", [b"kept", bulk("k")], ids=["same-segment", "next-segment"])
def test_a_truncation_leaves_nothing_to_wait_for(kept):
    """Bulk that was cut off holds up no mark, and its sync proves nothing of what replaces it."""
    world = World(shard_count=1)
    store = world.node.store
    log = store.logs[0]
    entry = partial(NewEntry, EntryKind.BATCH, 0, 9, ordinal=0, stamp_ms=1)
    log.append(entry(offset=0, batch=batch_of(kept)), 1)
    store.staged(log)
    world.settle()
    log.append(entry(offset=len(kept), batch=batch_of(bulk("x"))), 1)
    store.staged(log)
    stale = run_until_synced(world)
    log.truncate(1)
    store.staged(log)
    run_others(world, stale)
    assert not log.staged

    log.append(entry(offset=len(kept), batch=batch_of(bulk("y"))), 2)
    store.staged(log)
    world.round()
    run(world, stale)
    while groups := [job for job in world.pending if isinstance(job, WriteGroup)]:
        run(world, groups[0])
    assert log.durable_index == 1
    run_others(world)
    assert (log.last_index, log.commit_index) == (2, 2)
    again = world.restart(world.disk.power_cut(random.Random(1))).node.store.logs[0]
    assert (again.last_index, again.term_at(2)) == (2, 2)


def test_the_sync_of_a_hidden_segment_proves_nothing_of_what_replaces_it():
    """A checkpoint syncs both; that of the hidden one may be heard of first."""
    world = World(shard_count=1, storage=replace(SMALL, segment_bytes=256 * KIB))
    store = world.node.store
    log = store.logs[0]
    entry = partial(NewEntry, EntryKind.BATCH, 0, 9, ordinal=0, stamp_ms=1)
    log.append(entry(offset=0, batch=batch_of(b"hidden")), 1)
    store.staged(log)
    world.settle()
    log.truncate(0)
    store.staged(log)
    run_others(world)
    log.append(entry(offset=0, batch=batch_of(bulk("y"))), 2)
    store.staged(log)
    world.round()
    while not log.written_index:
        if isinstance(world.pending[0], WriteSegment):
            world.clock.now_ms += 60_000
        world.run_one()
        world.round()
    hidden = [job for job in syncs_of(world) if job.file is log.hidden[0].file]
    run(world, hidden[0])
    while groups := [job for job in world.pending if isinstance(job, WriteGroup)]:
        run(world, groups[0])
    assert log.durable_index == 0
    world.settle()
    assert log.commit_index == 1
