"""Space of trimmed and deleted bytes comes back, and nothing else goes with it."""

import errno

import pytest

from goutube.errors import CorruptionError, OffsetOutOfRangeError, StreamNotFoundError
from goutube.node import AtOffset, DeleteStream, Read, TrimStream
from goutube.ports import ReadEntries
from goutube.sim import World
from goutube.storage import inspect_directory
from tests.support.commands import append

BATCH = bytes(range(256)) * 100
"""Two of them fill a segment."""
STUB_BYTES = 256 + 24 + 16 + 4
"""What stays of a segment in the middle: the header, and a table with one run of terms."""


def world_of(*names: str) -> World:
    """One shard; these appends in order."""
    world = World(shard_count=1)
    for name in names:
        world.call(append(name, BATCH))
    return world


def pass_time(world: World, ms: int = 10_000) -> None:
    """Let the node do what it does now and then."""
    for _ in range(ms // 500):
        world.clock.now_ms += 500
        world.settle()


def content_of(world: World, name: str, offset: int = 0) -> bytes:
    content = b""
    while True:
        answer = world.call(Read(name, 0, AtOffset(offset), None, 1 << 20, False, False))
        if not answer.data:
            return content
        content, offset = content + answer.data, answer.next_offset


def segment_sizes(world: World) -> list[int]:
    """Of the segments' files, oldest first."""
    names = sorted(name for name in world.disk.names if name.endswith(".seg"))
    return [len(world.disk.names[name].cached) for name in names]


def assert_whole(world: World) -> None:
    """No entry is missed by the tool that looks from outside."""
    assert inspect_directory(world.disk.crash()).findings == []


def test_a_trimmed_stream_gives_its_space_back():
    """All but what is alive: the segments before it go altogether."""
    world = world_of(*["a"] * 10)
    files = len(segment_sizes(world))
    world.call(TrimStream("a", 0, 9 * len(BATCH)))
    pass_time(world)
    assert files == 5
    assert len(segment_sizes(world)) == 1
    assert world.node.store.stats.segments_freed == 4
    assert content_of(world, "a", 9 * len(BATCH)) == BATCH
    assert_whole(world)
    again = world.restart()
    assert content_of(again, "a", 9 * len(BATCH)) == BATCH
    again.call(append("a", b"more"))
    assert content_of(again, "a", 9 * len(BATCH)) == BATCH + b"more"


def test_a_trim_inside_a_batch_keeps_the_batch():
    """Its other bytes are alive."""
    world = world_of(*["a"] * 6)
    world.call(TrimStream("a", 0, 2 * len(BATCH) - 1))
    pass_time(world)
    assert world.node.store.stats.segments_freed == 0
    assert content_of(world, "a", 2 * len(BATCH) - 1)[:1] == BATCH[-1:]
    world.call(TrimStream("a", 0, 2 * len(BATCH)))
    pass_time(world)
    assert world.node.store.stats.segments_freed == 1


def test_a_deleted_stream_gives_its_space_back_around_a_living_one():
    """Freed segments in the middle of the log keep a stub, so that the log has no hole."""
    world = world_of("alive", *["dead"] * 8, "alive", "dead", "dead")
    world.call(DeleteStream("dead", 0))
    pass_time(world)
    sizes = segment_sizes(world)
    assert [size == STUB_BYTES for size in sizes] == [False, True, True, True, False, False]
    assert content_of(world, "alive") == BATCH * 2
    assert_whole(world)
    again = world.restart()
    assert content_of(again, "alive") == BATCH * 2
    assert segment_sizes(again) == sizes
    again.call(DeleteStream("alive", 0))
    pass_time(again)
    assert len(segment_sizes(again)) == 1
    assert_whole(again)


def test_what_was_dead_at_a_crash_is_freed_by_the_next_start():
    """A trim is remembered by the log; no list of what is to be freed is kept."""
    world = world_of(*["a"] * 10)
    world.call(TrimStream("a", 0, 8 * len(BATCH)))
    again = world.restart()
    pass_time(again)
    assert again.node.store.stats.segments_freed == 4


def test_one_damaged_checkpoint_costs_nothing():
    """A segment is freed only when both cover it; without either the shard says what it lacks."""
    world = world_of("alive", *["dead"] * 8)
    world.call(DeleteStream("dead", 0))
    pass_time(world)
    assert world.node.store.stats.segments_freed
    for slots in (["checkpoint-0"], ["checkpoint-1"], ["checkpoint-0", "checkpoint-1"]):
        disk = world.disk.crash()
        for slot in slots:
            disk.names[f"shards/0000/{slot}"].rot(20, 1)
        again = world.restart(disk)
        assert bool(again.node.recovered.shards[0].gaps) == (len(slots) == 2)
        if len(slots) == 1:
            assert content_of(again, "alive") == BATCH
            again.call(append("alive", b"more"))


def test_a_read_under_way_ends_with_its_bytes_or_with_the_trim():
    """Never with damage that is none."""
    world = world_of(*["a"] * 10)
    token = world.submit(Read("a", 0, AtOffset(0), None, len(BATCH), False, False))
    world.round()
    (read,) = [job for job in world.pending if isinstance(job, ReadEntries)]
    world.pending.remove(read)
    world.call(TrimStream("a", 0, 8 * len(BATCH)))
    pass_time(world)
    assert world.node.store.stats.segments_freed
    world.pending.append(read)
    world.settle()
    assert world.replies[token].result.data == BATCH


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (TrimStream("a", 0, 8 * len(BATCH)), OffsetOutOfRangeError),
        (DeleteStream("a", 0), StreamNotFoundError),
    ],
)
def test_a_read_that_fails_behind_a_trim_says_so(command, error):
    """Its file is gone by then: the reason is the trim, or the deletion."""
    world = world_of(*["a"] * 10)
    token = world.submit(Read("a", 0, AtOffset(0), None, len(BATCH), False, False))
    world.round()
    (read,) = [job for job in world.pending if isinstance(job, ReadEntries)]
    world.pending.remove(read)
    world.call(command)
    read.file.inode.rot(400, 1)
    world.pending.append(read)
    world.settle()
    assert isinstance(world.replies[token].error, error)


def test_damage_is_still_called_damage():
    """Where nothing was trimmed."""
    world = world_of(*["a"] * 2)
    token = world.submit(Read("a", 0, AtOffset(0), None, len(BATCH), False, False))
    world.round()
    world.pending[0].file.inode.rot(400, 1)
    world.settle()
    assert isinstance(world.replies[token].error, CorruptionError)


def test_a_full_disk_puts_it_off():
    """The node stays healthy and tries again."""
    world = world_of(*["a"] * 10)
    world.call(TrimStream("a", 0, 8 * len(BATCH)))
    world.disk.fail["create shards/0000/00000000000000000001-000000-000001.seg.tmp"] = OSError(
        errno.ENOSPC, "No space left on device"
    )
    pass_time(world)
    assert world.node.healthy
    assert world.node.store.stats.segments_freed == 3
    world.disk.fail.clear()
    pass_time(world)
    assert world.node.store.stats.segments_freed == 4
    assert_whole(world)
