"""What a journal group's own job writes to segments, and what goes there by a job of its own."""

import pytest
from msgspec.structs import replace

from goutube.errors import DiskFailedError, OutcomeUnknownError
from goutube.ports import WriteGroup, WriteSegment
from goutube.sim import SMALL, World
from tests.support.commands import append, read_all


def test_a_group_takes_its_entries_along_to_their_segment():
    """One job syncs the group, then writes the entries; no answer comes before it has ended."""
    world = World()
    world.call(append("a", b"first"))
    token = world.submit(append("a", b"second"))
    world.round()
    (job,) = [job for job in world.pending if isinstance(job, WriteGroup)]
    assert not any(isinstance(job, WriteSegment) for job in world.pending)
    (along,) = job.along
    world.disk.log.clear()
    world.run_one(world.pending.index(job))
    steps = [step for step in world.disk.log if step.split()[0] in ("write", "sync")]
    assert [step.split()[0] for step in steps] == ["write", "sync", "write"]
    assert steps[1].endswith("journal")
    assert along.file.path in steps[2]
    assert token not in world.replies
    world.round()
    assert world.replies[token].result.offset == 5
    assert read_all(world, "a") == b"firstsecond"
    assert read_all(world.restart(), "a") == b"firstsecond"


@pytest.mark.parametrize("size", [1028, 1029, 3000])
def test_long_entries_are_written_while_their_group_is_synced(size):
    """A job of their own, beside the group's."""
    world = World(storage=replace(SMALL, along_bytes_max=128 + 4 + 1028))
    world.call(append("a", b"first"))
    world.submit(append("a", bytes(size)))
    world.round()
    assert any(isinstance(job, WriteSegment) for job in world.pending) == (size > 1028)


def test_a_group_takes_only_so_much_along():
    """Of several shards' entries, the first ones go with it, the others by jobs of their own."""
    world = World(storage=replace(SMALL, along_bytes_max=2 * (128 + 4 + 100)))
    names = [f"s{number}" for number in range(8)]
    for name in names:
        world.call(append(name, b"first"))
    shards = {world.node._map.shard_of(name): name for name in names}
    assert len(shards) == 4
    for name in shards.values():
        world.submit(append(name, bytes(100)))
    world.round()
    (group,) = [job for job in world.pending if isinstance(job, WriteGroup)]
    apart = [job for job in world.pending if isinstance(job, WriteSegment)]
    assert (len(group.along), len(apart)) == (2, 2)
    world.settle()
    assert all(read_all(world, name) == b"first" + bytes(100) for name in shards.values())


def test_entries_do_not_overtake_what_waits_for_their_segment():
    """Bulk that waits for a sync under way comes first, so they wait behind it."""
    world = World(shard_count=1)
    world.call(append("a", b"kept"))
    world.clock.now_ms += 60_000
    world.round()
    world.submit(append("a", b"x" * 33_000))
    world.round()
    token = world.submit(append("a", b"behind"))
    world.round()
    groups = [job for job in world.pending if isinstance(job, WriteGroup)]
    assert all(not job.along for job in groups)
    world.settle()
    assert world.replies[token].result.offset == 33_004
    assert read_all(world, "a") == b"kept" + b"x" * 33_000 + b"behind"


def test_entries_that_cannot_be_written_along_are_a_failure_of_the_disk():
    """The group is durable; its end is not known to who appended, and nothing more is taken."""
    world = World()
    world.call(append("a", b"first"))
    token = world.submit(append("a", b"second"))
    world.round()
    world.disk.fail["write shards"] = OSError(5, "Input/output error")
    world.settle()
    assert isinstance(world.replies[token].error, OutcomeUnknownError)
    with pytest.raises(DiskFailedError):
        world.call(append("a", b"third"))
    assert read_all(world, "a") == b"first"
    world.disk.fail.clear()
    assert read_all(world.restart(), "a") == b"firstsecond"
