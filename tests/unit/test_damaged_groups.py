"""A damaged group of the journal: put right, or passed over where the marks tell what it held."""

from __future__ import annotations

import random

import pytest

from goutube._native import crc32c
from goutube.errors import CorruptionError
from goutube.node import AtOffset, Read, accept_loss, plan_repair
from goutube.ring import ShardMap
from goutube.sim import HandClock, MemoryDisk, SeededEntropy, World
from goutube.storage import inspect_directory
from goutube.storage.backwards import wrong_byte
from goutube.storage.journal import open_journal
from tests.support.commands import append
from tests.support.flipping import found_in
from tests.support.on_disk import files

SHARD_OF = ShardMap(4, "xxh64").shard_of
FIRST = "a"
OTHER = next(f"s{n}" for n in range(50) if SHARD_OF(f"s{n}") != SHARD_OF(FIRST))


def group_positions(disk: MemoryDisk) -> list[int]:
    journal = open_journal(disk.crash(), 4, write=False)
    places = [journal.head]
    places += [group.next_position for _, group in journal.replay()]
    return places[:-1]


def spoil(disk: MemoryDisk, position: int, count: int = 512) -> None:
    """A sector that is gone."""
    for place in range(position, position + count):
        disk.names["journal"].rot(place, 0xA5)


def without_unsynced(disk: MemoryDisk) -> MemoryDisk:
    """The power went: segments lack what was never synced."""
    for path in files(disk, ".seg"):
        inode = disk.names[path]
        inode.cached[:] = inode.durable
        inode.dirty.clear()
    disk.names["journal"].sync()
    return disk


def lived() -> World:
    world = World().restart()
    for number in range(6):
        world.call(append(FIRST, b"%d" % number * 100))
    return world


PIECES = [b"%d" % number * 100 for number in range(6)]


def mended(world: World) -> list[str]:
    return [f"{one.path}: {one.reason}" for one in world.node.recovered.mended]


@pytest.mark.parametrize("which", [2, -1])
def test_one_wrong_byte_of_a_group_is_put_right(which):
    """Also of the last one, and where the segments do not have what it holds."""
    disk = without_unsynced(lived().disk.crash())
    place = group_positions(disk)[which]
    for at in (3, 9, 26, 37, 62, 66, 85, 64 + 40 + 20, 64 + 80 + 30, 64 + 80 + 128 + 50):
        tried = disk.crash()
        tried.names["journal"].rot(place + at, 0x42)
        world = World(tried)
        assert [text for text in mended(world) if "one byte of its group" in text]
        assert found_in(world, FIRST, PIECES) == []
        assert world.call(append(FIRST, b"more")).offset == 600


def test_a_group_whose_entries_are_in_the_segments_costs_nothing():
    """It is passed over with a line in the log."""
    disk = lived().disk.crash()
    spoil(disk, group_positions(disk)[2] + 100)
    assert inspect_directory(disk).damaged
    world = World(disk)
    (text,) = [text for text in mended(world) if "are damaged" in text]
    assert "what they held is taken from the segments" in text
    log = world.node.store.logs[SHARD_OF(FIRST)]
    assert (log.fault, log.damages) == ("", [])
    assert found_in(world, FIRST, PIECES) == []
    assert world.call(append(FIRST, b"more")).offset == 600


def test_entries_that_a_group_alone_held_are_lost_by_name():
    """The next groups' marks tell that they were there; the rest reads, and appends go on."""
    disk = without_unsynced(lived().disk.crash())
    spoil(disk, group_positions(disk)[2] + 100)
    world = World(disk)
    assert found_in(world, FIRST, PIECES) == [(200, 300)]
    assert world.call(append(FIRST, b"more")).offset == 600
    again = world.restart()
    assert found_in(again, FIRST, [*PIECES, b"more"]) == [(200, 300)]
    assert mended(again) == []


def unsure() -> tuple[World, MemoryDisk]:
    """Behind the damaged group no other tells of its shard."""
    world = lived()
    world.call(append(OTHER, b"other"))
    disk = without_unsynced(world.disk.crash())
    spoil(disk, group_positions(disk)[5] + 100)
    return world, disk


def test_a_shard_of_which_no_later_mark_tells_takes_no_writes():
    """Nobody knows what it lost at its end; the other shard goes on, and all that is there reads."""
    _, disk = unsure()
    world = World(disk)
    assert found_in(world, FIRST, PIECES[:5]) == []
    with pytest.raises(CorruptionError, match="log repair --accept-loss"):
        world.call(append(FIRST, b"more"))
    with pytest.raises(CorruptionError, match="may have gone on beyond 500"):
        world.call(Read(FIRST, 0, AtOffset(500), None, 100, False, False))
    assert world.call(append(OTHER, b"more")).offset == 5
    again = world.restart()
    assert again.node.store.logs[SHARD_OF(FIRST)].fault
    assert not again.node.store.logs[SHARD_OF(OTHER)].fault


@pytest.mark.parametrize("started", [False, True])
def test_a_repair_puts_it_back(started):
    """Whether or not a node was started in between; nothing is given twice."""
    before, disk = unsure()
    if started:
        disk = World(disk).disk.crash()
    plan = plan_repair(disk, HandClock(), SeededEntropy(3))
    assert plan.journal == ""
    streams = {lost.stream for given in plan.given_up for lost in given.streams}
    assert FIRST in streams
    assert OTHER not in streams
    accept_loss(disk, SeededEntropy(3), plan)
    assert not plan_repair(disk, HandClock(), SeededEntropy(3)).needed
    world = World(disk.crash())
    result = world.call(append(FIRST, b"more"))
    assert result.offset >= 600
    shard = SHARD_OF(FIRST)
    assert world.node.store.logs[shard].last_index > before.node.store.logs[shard].last_index
    with pytest.raises(CorruptionError, match=f"offsets 500 to {result.offset} are gone"):
        world.call(Read(FIRST, 0, AtOffset(500), None, 100, False, False))
    assert found_in(world.restart(), FIRST, PIECES[:5]) == []


def test_groups_that_are_torn_are_still_torn():
    """What was written last and never whole is cut, and is no damage."""
    world = lived()
    disk = world.disk.crash()
    spoil(disk, group_positions(disk)[-1] + 100, 300)
    again = World(disk)
    assert mended(again) == []
    assert not again.node.store.logs[SHARD_OF(FIRST)].fault


def test_which_byte_is_wrong_is_found_by_the_checksums():
    """Wherever it is; two wrong bytes are not taken for one."""
    chance = random.Random(5)
    data = chance.randbytes(5000)
    right = crc32c(data, 77)
    for _ in range(30):
        place, mask = chance.randrange(len(data)), chance.randint(1, 255)
        wrong = bytearray(data)
        wrong[place] ^= mask
        assert wrong_byte(len(data), crc32c(wrong, 77) ^ right) == (place, mask)
        wrong[(place + 700) % len(data)] ^= 0x21
        assert wrong_byte(len(data), crc32c(wrong, 77) ^ right) is None
