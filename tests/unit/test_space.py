"""A disk that runs full under a node: refused cleanly, nothing lost, and gone on with by itself."""

import errno
import os

import pytest
from msgspec.structs import replace

from goutube.errors import DiskFullError
from goutube.node import DeleteStream, Space, TrimStream
from goutube.ports import Room
from goutube.sim import World
from goutube.sim.world import SMALL
from goutube.storage.room import RESERVE_PATH
from tests.support.commands import append, read_all

PIECE = bytes(range(256)) * 16
ROOMY = replace(SMALL, free_bytes_min=0, free_bytes_low=0)
"""Without a limit of its own: it is the disk that says no."""


def pass_time(world, seconds=3):
    for _ in range(seconds * 10):
        world.clock.now_ms += 100
        world.settle()


def fill(world, streams, count=10_000):
    """Append until it is refused; what was acknowledged, by stream."""
    kept = dict.fromkeys(streams, b"")
    for number in range(count):
        name = streams[number % len(streams)]
        try:
            world.call(append(name, PIECE))
        except DiskFullError:
            return kept
        kept[name] += PIECE
        world.clock.now_ms += 10
    raise AssertionError("it was never full")


@pytest.mark.parametrize("free", [*range(0, 80_000, 4_096), 300_000, 1_000_000])
def test_wherever_the_disk_ends_nothing_is_lost_and_it_goes_on_by_itself(free):
    """Also without a limit of our own; reads go on, and so does the same process."""
    world = World(storage=ROOMY)
    pass_time(world)
    world.disk.free = free
    streams = [f"s{number}" for number in range(5)]
    kept = fill(world, streams)
    pass_time(world)
    assert world.node.healthy
    assert world.node.space is Space.FULL
    for name, content in kept.items():
        if content:
            assert read_all(world, name) == content
    again = World(world.disk.crash(), storage=ROOMY)
    assert {n: read_all(again, n) for n, content in kept.items() if content} == {
        n: content for n, content in kept.items() if content
    }
    world.disk.free = 1 << 30
    pass_time(world)
    assert world.node.space is Space.PLENTY
    for name in streams:
        assert world.call(append(name, PIECE)).offset == len(kept[name])
        assert read_all(world, name) == kept[name] + PIECE


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("step", ["allocate ", "sync_directory shards", "rename "])
def test_a_quota_is_like_a_full_disk_whatever_that_says_of_free_space(step, number):
    """What was taken before anybody knew is answered once there is room."""
    world = World(storage=ROOMY)
    pass_time(world)
    struck = []

    def strike(name):
        if name.startswith(step):
            struck.append(name)
            raise OSError(number, os.strerror(number))

    world.disk.on_step = strike
    tokens = []
    for _ in range(200):
        tokens.append(world.submit(append("a", PIECE)))
        world.clock.now_ms += 100
        world.settle()
    assert struck
    assert world.node.healthy
    assert world.node.space is Space.FULL
    world.disk.on_step = None
    pass_time(world)
    replies = [world.replies[token] for token in tokens]
    refused = [reply.error for reply in replies if reply.error is not None]
    assert refused
    assert all(isinstance(error, DiskFullError) for error in refused)
    taken = len(replies) - len(refused)
    assert read_all(world, "a") == PIECE * taken
    assert world.call(append("a", b"on")).offset == len(PIECE) * taken


def test_trims_and_deletions_make_room_on_a_full_disk():
    """The reserve is what they live on; with the room they make it is held again."""
    world = World(storage=ROOMY)
    pass_time(world)
    assert RESERVE_PATH in world.disk.names
    world.disk.free = 2_000_000
    kept = fill(world, ["a", "b"])
    assert RESERVE_PATH not in world.disk.names
    world.call(TrimStream("a", 0, len(kept["a"])))
    world.call(DeleteStream("b", 0))
    pass_time(world, 30)
    assert world.node.space is Space.PLENTY
    assert RESERVE_PATH in world.disk.names
    assert world.call(append("a", PIECE)).offset == len(kept["a"])
    assert world.disk.free > 1_000_000


def test_it_warns_before_it_refuses_and_says_when_there_is_room():
    world = World(storage=replace(SMALL, free_bytes_min=1_000_000, free_bytes_low=3_000_000))
    told = []
    world.node.watch_space(lambda space, room: told.append((space, type(room))))
    pass_time(world)
    world.disk.free = 5_000_000
    kept = fill(world, ["a"])
    assert [space for space, _ in told] == [Space.LOW, Space.FULL]
    assert 900_000 < world.disk.free < 1_100_000
    world.disk.free = 4_000_000
    pass_time(world)
    assert told[-1] == (Space.PLENTY, Room)
    assert world.call(append("a", b"x")).offset == len(kept["a"])


def test_a_file_system_without_room_for_files_is_full():
    world = World()
    pass_time(world)
    world.disk.room = lambda: Room(1 << 40, 10)
    world.call(append("a", b"x"))
    pass_time(world)
    with pytest.raises(DiskFullError, match="10 files"):
        world.call(append("a", b"x"))
    del world.disk.room
    pass_time(world)
    world.call(append("a", b"x"))


def test_a_drain_does_not_wait_for_room():
    world = World(storage=ROOMY)
    pass_time(world)
    world.disk.free = 0
    kept = fill(world, ["a"])
    world.node.drain()
    pass_time(world)
    assert world.node.drained
    again = World(world.disk.crash(), storage=ROOMY)
    assert read_all(again, "a") == kept["a"]
