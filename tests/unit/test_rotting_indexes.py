"""Indexes that rot between their sync and their first reading, wherever one is written."""

import random

import pytest
from msgspec.structs import replace

from goutube.errors import GoutubeError
from goutube.node import DeleteStream
from goutube.sim import SMALL, MemoryDisk, PowerCutError, World
from goutube.storage import inspect_directory
from tests.support.commands import append, read_all
from tests.support.on_disk import assert_nothing_leaked, files

PIECE = bytes(range(250)) * 8
"""Some thirty of them fill a segment."""
AT = 100
"""A byte of every index here, behind its header."""


def grown() -> World:
    """Sealed segments of two streams; a scrub each second."""
    world = World(shard_count=1, storage=replace(SMALL, scrub_interval_ms=1000))
    for number, name in enumerate(["alive", "dead", "dead"] * 30):
        world.call(append(name, b"%08d" % number + PIECE))
    return world


def pass_time(world: World, ms: int) -> None:
    for _ in range(ms // 500):
        world.clock.now_ms += 500
        world.settle()


def seal(world: World) -> int:
    """Append until one segment more is sealed, or the node has had enough; how many were."""
    stats = world.node.store.stats
    before = stats.segments_sealed
    while stats.segments_sealed == before:
        world.call(append("more", PIECE))
    return stats.segments_sealed - before


def compact(world: World) -> int:
    """Have segments be compacted, or the node have had enough; how many were."""
    world.call(DeleteStream("dead", 0))
    pass_time(world, 20_000)
    world.call(append("more", PIECE))
    return world.node.store.stats.segments_compacted


def scrub(world: World) -> int:
    """Damage an index, and have the first pass find it; how many were mended."""
    mended = []
    world.node.scrubber.tell_mended = mended.append
    world.disk.names[files(world.disk, ".idx")[0]].durable[AT] ^= 1
    while not world.node.scrubber.pass_count:
        pass_time(world, 500)
    return len(mended)


def rot_new_indexes(disk: MemoryDisk, times: int, cut_off: int | None = None) -> list[str]:
    """Have so many indexes rot as soon as they are in their place, before anybody has read them.

    The power goes so many operations after the first one. Returns the paths as it happens.
    """
    rotten, seen = [], [inode for path, inode in disk.names.items() if path.endswith(".idx")]

    def stepped(step: str) -> None:
        if not step.startswith("sync_directory"):
            return
        for path, inode in disk.names.items():
            if len(rotten) < times and path.endswith(".idx") and inode not in seen:
                seen.append(inode)
                rotten.append(path)
                inode.rot(AT, 0x01)
                if cut_off is not None and len(rotten) == 1:
                    disk.cut_off(cut_off)

    disk.on_step = stepped
    return rotten


def assert_sound(world: World, kept: bytes) -> None:
    """The node goes on, its streams read, and then nothing on its disk is wrong or left over."""
    pass_time(world, 20_000)  # what tidies up is done
    assert world.node.healthy
    assert world.node.damages == []
    assert read_all(world, "alive") == kept
    assert_nothing_leaked(world.disk)
    assert inspect_directory(world.disk.crash()).findings == []


@pytest.mark.parametrize("way", [seal, compact, scrub])
def test_one_is_written_again(way):
    """Nobody is told: all that it said was known still. What is used then is the good one."""
    world = grown()
    kept = read_all(world, "alive")
    rotten = rot_new_indexes(world.disk, 1)
    assert way(world)
    assert len(rotten) == 1
    assert_sound(world, kept)
    again = world.restart()
    assert again.node.recovered.mended == []
    assert_sound(again, kept)


@pytest.mark.parametrize("way", [seal, compact])
def test_a_disk_on_which_it_rots_again_has_failed(way):
    """One more time, not for ever; the next start has everything."""
    world = grown()
    kept = read_all(world, "alive")
    rotten = rot_new_indexes(world.disk, 100)
    with pytest.raises(GoutubeError):
        way(world)
    assert not world.node.healthy
    assert len(rotten) == 2
    assert len(set(rotten)) == 1
    assert_sound(world.restart(), kept)


def test_a_compaction_on_which_it_rots_again_leaves_the_old_revision():
    """The new one is named only when its index is good; the next life compacts the old one."""
    world = grown()
    segments = files(world.disk, ".seg")
    rot_new_indexes(world.disk, 100)
    with pytest.raises(GoutubeError):
        compact(world)
    assert files(world.disk, ".seg") == segments
    again = world.restart()
    assert again.node.recovered.mended == []
    pass_time(again, 20_000)
    assert again.node.store.stats.segments_compacted


def test_a_scrub_on_which_it_rots_again_tells_of_damage():
    """The node is healthy and reads; the next pass, or start, makes it anew, and it is no damage."""
    world = grown()
    kept = read_all(world, "alive")
    path = files(world.disk, ".idx")[0]
    rotten = rot_new_indexes(world.disk, 2)
    told = []
    world.node.watch_damage(told.append)
    assert not scrub(world)
    assert rotten == [path, path]
    assert [damage.path for damage in told] == [path]
    assert world.node.healthy
    assert read_all(world, "alive") == kept
    assert world.node.damages == told
    assert_sound(world.restart(), kept)
    assert_sound(world, kept)


@pytest.mark.parametrize("way", [seal, compact, scrub])
def test_an_end_while_it_is_written_again(way):
    """By kill -9 and by a power cut, before each operation: the next start has everything."""
    for later in range(5):  # create, write, sync, rename, sync of the directory
        world = grown()
        kept = read_all(world, "alive")
        rotten = rot_new_indexes(world.disk, 1, later)
        with pytest.raises(PowerCutError):
            way(world)
        assert len(rotten) == 1
        for left in (world.disk.crash(), world.disk.power_cut(random.Random(later))):
            assert_sound(world.restart(left), kept)
