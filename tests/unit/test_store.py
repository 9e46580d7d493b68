"""The store: what is acknowledged is durable, whatever order the jobs end in."""

import random
from collections.abc import Callable

import pytest

from goutube.errors import (
    DiskFailedError,
    DiskFullError,
    OutcomeUnknownError,
)
from goutube.node import Append, ListStreams, SealStream
from goutube.ports import Call, Job, SyncFile, WriteGroup, WriteSegment
from goutube.sim import APART, SMALL, MemoryDisk, PowerCutError, World
from goutube.storage import EntryKind, NewEntry
from tests.support.commands import append, batch_of, read_all


def test_no_answer_before_the_group_is_synced_and_the_segment_written():
    """An append waits for its journal group and for the page cache of its segment."""
    world = World(storage=APART)
    world.call(append("a", b"first"))
    token = world.submit(append("a", b"second"))
    world.round()
    kinds = [type(job) for job in world.pending]
    assert WriteGroup in kinds
    assert WriteSegment in kinds
    while world.pending:
        assert token not in world.replies
        world.run_one()
        world.round()
    assert world.replies[token].result.offset == 5


def test_appends_during_a_sync_form_one_next_group():
    """What arrives while a group is being written shares the next one."""
    world = World()
    world.call(append("a", b"x"))
    world.submit(append("a", b"x"))
    world.round()
    for number in range(50):
        world.submit(append(f"s{number}", b"y"))
        world.round()
    assert sum(isinstance(job, WriteGroup) for job in world.pending) == 1
    groups = world.node.store.stats.groups
    world.settle()
    assert world.node.store.stats.groups - groups == 2


def hold_the_sync_of_a_new_segment(world: World) -> Job:
    """Run everything but the job that comes once the new segment's file is made."""
    world.round()
    while not isinstance(world.pending[0], Call):
        world.run_one()
        world.round()
    world.run_one()
    world.round()
    held = next(job for job in world.pending if isinstance(job, Call))
    run_all_but(world, held)
    return held


def run_all_but(world: World, held: Job) -> None:
    """Run rounds and jobs until one is left."""
    world.round()
    while others := [job for job in world.pending if job is not held]:
        world.run_one(world.pending.index(others[0]))
        world.round()


def test_an_append_does_not_wait_for_the_sync_of_a_new_segment():
    """The journal holds its entry, and that the segment is there."""
    world = World()
    world.call(append("other", b"x"))
    token = world.submit(append("a", b"first"))
    hold_the_sync_of_a_new_segment(world)
    assert world.replies[token].result.offset == 0
    again = world.restart(world.disk.power_cut(random.Random(1)))
    assert read_all(again, "a") == b"first"


def test_bulk_waits_for_the_sync_of_a_new_segment():
    """Nothing but the segment holds its bytes, so the segment has to last first."""
    world = World()
    world.call(append("other", b"x"))
    token = world.submit(append("a", bytes(60_000)))
    hold_the_sync_of_a_new_segment(world)
    assert token not in world.replies
    world.settle()
    assert world.replies[token].result.next_offset == 60_000


def test_a_checkpoint_waits_for_the_sync_of_a_new_segment():
    """Until then the journal alone knows of the segment."""
    world = World()
    world.call(append("other", b"x"))
    before = world.node.store.stats.checkpoints
    world.submit(append("a", b"first"))
    held = hold_the_sync_of_a_new_segment(world)
    world.clock.now_ms += world.options.storage.checkpoint_ms
    run_all_but(world, held)
    assert world.node.store.stats.checkpoints == before
    world.settle()
    assert world.node.store.stats.checkpoints == before + 1


def test_a_write_that_comes_too_late_for_a_sync_is_synced_by_the_next_checkpoint():
    """The checkpoint's sync was put off by another one, and begins while a write is under way."""
    world = World(storage=APART)
    world.call(append("other", b"x"))
    world.submit(append("a", b"first"))
    held = hold_the_sync_of_a_new_segment(world)
    world.clock.now_ms += world.options.storage.checkpoint_ms
    run_all_but(world, held)
    token = world.submit(append("a", b" second"))
    world.round()
    (late,) = [job for job in world.pending if isinstance(job, WriteSegment)]
    world.run_one(world.pending.index(held))
    world.round()
    assert any(isinstance(job, SyncFile) and job.file is late.file for job in world.pending)
    run_all_but(world, late)
    world.settle()
    assert world.replies[token].error is None
    before = world.node.store.stats.checkpoints
    world.clock.now_ms += world.options.storage.checkpoint_ms
    world.settle()
    assert world.node.store.stats.checkpoints == before + 1
    for seed in range(8):
        again = world.restart(world.disk.power_cut(random.Random(seed)))
        assert read_all(again, "a") == b"first second"


def test_the_ring_wraps_many_times_and_checkpoints_free_it():
    """A small ring carries many times its size."""
    world = World()
    total = 0
    rng = random.Random(4)
    while total < 2_000_000:
        content = rng.randbytes(rng.randint(1, 9000))
        world.call(append(f"s{rng.randrange(20)}", content))
        total += len(content)
    assert world.node.store.stats.checkpoints >= 10
    before = {info.name: read_all(world, info.name) for info in streams(world)}
    again = world.restart()
    assert {info.name: read_all(again, info.name) for info in streams(again)} == before


def test_a_checkpoint_ends_while_a_shard_is_being_made():
    """The shard's term is stored though the job that makes its directory has not begun."""
    world = World()
    world.call(append("a", b"x"))
    world.clock.now_ms += world.options.storage.checkpoint_ms
    world.round()
    assert [type(job) for job in world.pending] == [SyncFile]
    tokens = [world.submit(append(f"s{number}", b"y")) for number in range(20)]
    world.round()
    world.run_one()
    world.round()
    world.run_one(-1)  # the checkpoint's last job, before those that make files
    assert [info.name for info in streams(world.restart())] == ["a"]
    world.settle()
    assert [world.replies[token].error for token in tokens] == [None] * 20
    assert world.node.store.stats.checkpoints == 1
    assert len(streams(world.restart())) == 21


def streams(world: World):
    return world.call(ListStreams("", "", 1000)).streams


@pytest.mark.parametrize("seed", range(10))
def test_jobs_may_end_in_any_order(seed):
    """Bulk, journalled and control entries of many streams under a random scheduler."""
    rng = random.Random(seed)
    world = World(seed=seed)
    expected: dict[str, bytes] = {}
    sent: dict[int, tuple[str, bytes]] = {}
    for _ in range(60):
        for _ in range(rng.randint(1, 6)):
            name = f"s{rng.randrange(6)}"
            content = rng.randbytes(rng.choice([5, 300, 5000, 40_000]))
            sent[world.submit(append(name, content))] = (name, content)
            expected[name] = expected.get(name, b"") + content
        world.round()
        for _ in range(rng.randint(0, 4)):
            if world.pending:
                world.run_one(rng.randrange(len(world.pending)))
                world.round()
    world.settle(rng)
    assert sent.keys() <= world.replies.keys()
    for token, (name, content) in sent.items():
        offset = world.replies[token].result.offset
        assert expected[name][offset : offset + len(content)] == content
    for name, content in expected.items():
        assert read_all(world, name) == content
        assert read_all(world.restart(), name) == content


def test_a_refusal_that_rests_on_a_lost_entry_is_not_given():
    """The seal may not have happened: that the stream is sealed is no answer any more."""
    world = World()
    world.call(append("a", b"kept"))
    world.disk.fail["sync journal"] = OSError(5, "Input/output error")
    sealing = world.submit(SealStream("a", 0))
    refused = world.submit(append("a", b"too late"))
    world.settle()
    assert isinstance(world.replies[sealing].error, OutcomeUnknownError)
    assert isinstance(world.replies[refused].error, DiskFailedError)


def test_the_first_failed_sync_is_final():
    """What was pending may be there at the next start; later appends are refused, reads go on."""
    world = World()
    world.call(append("a", b"kept"))
    world.disk.fail["sync journal"] = OSError(5, "Input/output error")
    token = world.submit(append("a", b"lost"))
    world.settle()
    error = world.replies[token].error
    assert isinstance(error, OutcomeUnknownError)
    assert "Input/output error" in error.message
    world.disk.fail.clear()
    with pytest.raises(DiskFailedError):
        world.call(append("a", b"later"))
    assert not world.node.healthy
    assert read_all(world, "a") == b"kept"
    assert read_all(world.restart(), "a").startswith(b"kept")


def test_a_sync_that_succeeds_after_one_that_failed_proves_nothing():
    """The checkpoint under way does not give up the journal's copy of what the disk may lack."""
    world = World(shard_count=1)
    world.call(append("a", b"kept"))
    world.clock.now_ms += 60_000
    world.round()
    world.submit(append("a", b"more"))
    world.round()
    group = next(i for i, job in enumerate(world.pending) if isinstance(job, WriteGroup))
    assert isinstance(world.pending[0], SyncFile)
    world.disk.fail["sync journal"] = OSError(5, "Input/output error")
    world.run_one(group)
    world.disk.fail.clear()
    world.disk.log.clear()
    world.settle()
    assert any(step.startswith("sync shards") for step in world.disk.log)
    assert not any("journal" in step for step in world.disk.log)


def at_superblocks(disk: MemoryDisk, action: Callable[[], None]) -> None:
    """Do something whenever a superblock is written, before it is synced."""

    def look(step: str) -> None:
        if step.startswith(("write journal 0 ", "write journal 4096 ")):
            action()

    disk.on_step = look


@pytest.mark.parametrize("seed", range(8))
def test_the_page_cache_is_not_trusted_after_a_failed_sync(seed):
    """A superblock that only the page cache has must not cost the other one its place.

    The sync of a superblock fails, the process is killed, and in the next start the power goes
    while the next superblock is written.
    """
    world = World(MemoryDisk(random.Random(seed)), shard_count=64)
    for number in range(64):
        world.call(append(f"s{number}", b"kept"))
    failing = {"sync journal": OSError(5, "Input/output error")}
    at_superblocks(world.disk, lambda: world.disk.fail.update(failing))
    world.node.drain()
    world.settle()
    assert not world.node.healthy
    disk = world.disk.crash()
    at_superblocks(disk, lambda: setattr(disk, "cut_at", disk.steps))
    with pytest.raises(PowerCutError):
        world.restart(disk)
    again = world.restart(disk.power_cut(random.Random(seed)))
    assert len(streams(again)) == 64


def test_a_filling_disk_refuses_appends_and_takes_them_again():
    """Below the reserve appends are refused, trim and reads are not; it ends by itself."""
    world = World()
    world.call(append("a", b"x"))
    world.disk.free = 1000
    world.clock.now_ms += 2000
    world.call(append("a", b"x"))
    with pytest.raises(DiskFullError, match="free"):
        world.call(append("a", b"x"))
    assert read_all(world, "a") == b"xx"
    world.disk.free = 1 << 40
    world.clock.now_ms += 2000
    world.settle()
    assert world.call(append("a", b"x")).offset == 2


def entry_of(content: bytes, offset: int, stream_id: int = 9) -> NewEntry:
    return NewEntry(EntryKind.BATCH, 0, stream_id, offset, 0, 1, b"", batch_of(content))


def log_entries(world: World, shard: int = 0) -> list[tuple[int, int, int]]:
    """(index, term, offset) of every entry that recovery finds in a shard."""
    recovered = world.node.recovered.shards[shard]
    return [(i, recovered.log.term_at(i), 0) for i in range(1, recovered.log.last_index + 1)]


def test_a_truncated_suffix_stays_hidden_after_every_kind_of_end():
    """The cut is a record and a new generation: old entries never come back, new ones stay."""
    world = World()
    store = world.node.store
    log = store.logs[0]
    for number in range(6):
        log.append(entry_of(b"old%d" % number, 4 * number), 1)
    store.staged(log)
    world.settle()
    assert log.commit_index == 6
    log.truncate(3)
    assert (log.last_index, log.last_term, log.durable_index) == (3, 1, 3)
    for number in range(2):
        log.append(entry_of(b"new%d" % number, 12 + 4 * number), 2)
    store.staged(log)
    before_the_record = world.disk.crash()
    world.settle()
    assert (log.commit_index, log.last_term) == (5, 2)

    old = world.restart(before_the_record).node.store.logs[0]
    assert (old.last_index, old.last_term) == (6, 1)
    new = world.restart().node.store.logs[0]
    assert [new.term_at(i) for i in range(1, 6)] == [1, 1, 1, 2, 2]
    cut = world.restart(world.disk.power_cut(random.Random(2))).node.store.logs[0]
    assert [cut.term_at(i) for i in range(1, cut.last_index + 1)] == [1, 1, 1, 2, 2]


@pytest.mark.parametrize("storage", [SMALL, APART], ids=["along", "apart"])
def test_a_write_under_way_proves_nothing_behind_a_truncation(storage):
    """Tickets of hidden entries do not raise the durable index of the ones that replace them."""
    world = World(storage=storage)
    store = world.node.store
    log = store.logs[0]
    for number in range(4):
        log.append(entry_of(b"old%d" % number, 4 * number), 1)
    store.staged(log)
    world.round()
    log.truncate(1)
    for number in range(5):
        log.append(entry_of(b"new%d" % number, 4 + 4 * number), 2)
    while any(not isinstance(job, WriteGroup) for job in world.pending):
        place = next(i for i, j in enumerate(world.pending) if not isinstance(j, WriteGroup))
        world.run_one(place)
    world.run_one()
    assert log.durable_index <= 1
    assert log.written_index <= 1
    store.staged(log)
    world.settle()
    assert log.commit_index == 6


def test_a_torn_tail_above_the_mark_is_cut_without_a_word():
    """Bytes of an entry that was never acknowledged disappear; appends go on at the end."""
    world = World()
    world.call(append("a", b"kept"))
    disk = world.disk.crash()
    path = next(name for name in disk.names if name.endswith(".seg"))
    segment = world.node.store.logs[world.node._map.shard_of("a")].segments[0]
    disk.names[path].write(segment.size, b"gtE1" + b"\1" * 36)
    again = world.restart(disk)
    assert sum(shard.torn_bytes for shard in again.node.recovered.shards) == 40
    assert again.call(append("a", b"new")).offset == 4
    assert read_all(again.restart(), "a") == b"keptnew"


def test_a_missing_index_is_made_anew_and_sealed_ones_are_not_scanned():
    """An index that is gone or damaged costs a scan, not a byte."""
    world = World()
    for number in range(60):
        world.call(append("a", bytes([number]) * 3000))
    world.drain()
    before = read_all(world, "a")
    disk = world.disk.crash()
    indexes = [name for name in disk.names if name.endswith(".idx")]
    assert len(indexes) >= 2
    disk.remove(indexes[0])
    disk.names[indexes[1]].rot(70, 1)
    again = world.restart(disk)
    assert read_all(again, "a") == before
    again.settle()
    assert sorted(n for n in again.disk.names if n.endswith(".idx")) == sorted(indexes)


def test_the_checkpoint_syncs_before_it_moves_the_point_of_replay():
    """The superblock is written only after every segment it covers was synced."""
    world = World()
    for number in range(8):
        world.call(append(f"s{number}", b"x" * 100))
    world.disk.log.clear()
    world.drain()
    order = [
        line
        for line in world.disk.log
        if line.startswith(("sync shards", "write journal 0", "write journal 4096"))
    ]
    superblock = max(i for i, line in enumerate(order) if line.startswith("write journal"))
    assert all("sync shards" in line for line in order[:superblock] if "journal" not in line)
    assert any(line.endswith(".seg") for line in order[:superblock])


def test_jobs_are_of_the_kinds_that_a_driver_knows():
    """Nothing else comes out of a node."""
    world = World()
    world.submit(append("a", b"x"))
    world.round()
    assert all(isinstance(j, WriteGroup | WriteSegment | SyncFile | Call) for j in world.pending)
    assert isinstance(Append, type)
