"""Files that are damaged or missing where the rest of the directory tells what they held."""

from __future__ import annotations

import pytest

from goutube._native import crc32c
from goutube.errors import CorruptionError, DataDirError
from goutube.sim import MemoryDisk, World
from goutube.storage import Damage, inspect_directory, write_damages
from goutube.storage.backwards import seed_of
from goutube.storage.damage import read_damages
from goutube.storage.segment import SegmentHeader
from tests.support.commands import append
from tests.support.flipping import BIG, NAMES, found_in, lived
from tests.support.on_disk import files

SHARD = "shards/0000"


def start(disk: MemoryDisk) -> World:
    return World(disk, shard_count=1)


def mended(world: World) -> dict[str, str]:
    return {one.path: one.reason for one in world.node.recovered.mended}


def spoil(disk: MemoryDisk, *paths: str) -> MemoryDisk:
    """Let bytes all over some files rot."""
    for path in paths:
        for position in range(0, len(disk.names[path].durable), 37):
            disk.names[path].rot(position, 0x5A)
    return disk


def check_all(world: World) -> None:
    """Everything is there, nothing is in quarantine, and all streams go on."""
    for name, batches in lived().batches.items():
        assert found_in(world, name, batches) == []
    assert world.node.damages == []
    for name in NAMES:
        assert world.call(append(name, b"more")).offset == lived().end(name)


def held(disk: MemoryDisk) -> dict[str, bytes]:
    return {path: bytes(inode.cached) for path, inode in disk.names.items()}


@pytest.mark.parametrize(
    "path", ["format", "boot", "registry", f"{SHARD}/hard-state", "index", "older", "newer"]
)
@pytest.mark.parametrize("how", ["spoilt", "removed"])
def test_one_file_costs_nothing_and_is_named(path, how):
    """The next start has it again, and has nothing to tell."""
    disk = lived().disk.crash()
    checkpoints = {"older": f"{SHARD}/checkpoint-1", "newer": f"{SHARD}/checkpoint-0"}
    path = (checkpoints | {"index": files(disk, ".idx")[0]}).get(path, path)
    if how == "spoilt":
        spoil(disk, path)
    else:
        del disk.names[path]
        del disk.durable_names[path]
    assert not inspect_directory(disk.crash()).damaged
    world = start(disk)
    told = mended(world)
    if how == "removed" and path.rpartition("/")[2] in (
        "hard-state",
        "checkpoint-0",
        "checkpoint-1",
    ):
        # There are none before the first ones are written; the journal has the hard state here.
        assert told == {}
    else:
        assert list(told) == [path]
        assert path in told[path] or "damaged" in told[path]
    check_all(world)
    world.drain()
    again = world.restart()
    assert mended(again) == {}


def test_a_directory_of_an_earlier_release_gets_its_copy():
    """It is made without a word; then it stands for the format file."""
    disk = lived().disk.crash()
    del disk.names["format-copy"]
    world = start(disk)
    assert mended(world) == {}
    founded = held(world.disk)["format"]
    left = spoil(world.disk.crash(), "format")
    assert mended(start(left)).keys() == {"format"}
    assert held(left)["format"] == founded


def test_a_checkpoint_that_was_damaged_is_written_anew_at_once():
    """Or compaction would wait for tens of thousands of entries."""
    disk = spoil(lived().disk.crash(), f"{SHARD}/checkpoint-0")
    world = start(disk)
    world.settle()
    assert mended(world.restart()) == {}
    log = world.node.store.logs[0]
    assert log.last_index >= log.checkpoint_index > log.covered_index > 0


def test_everything_that_can_be_made_anew_is_damaged_at_once():
    """The segments and one superblock suffice."""
    disk = lived().disk.crash()
    paths = ["format", "boot", "registry", f"{SHARD}/hard-state", *files(disk, ".idx")]
    spoil(disk, *paths)
    for path in files(disk, ".seg"):
        disk.names[path].rot(33, 2)
    disk.names["journal"].rot(20, 1)
    world = start(disk)
    assert mended(world).keys() == {*paths, "journal", *files(disk, ".seg")}
    check_all(world)
    assert mended(world.restart()) == {}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("both formats", "neither format nor format-copy is whole"),
        ("both superblocks", "both superblocks of the journal are damaged"),
        ("journal removed", "the journal is missing"),
        ("journal cut", "the journal has 100000 bytes instead of 270336"),
    ],
)
def test_what_nothing_tells_is_refused_by_name(what, message):
    """With what to do, and not a byte is changed."""
    disk = lived().disk.crash()
    match what:
        case "both formats":
            spoil(disk, "format", "format-copy")
        case "both superblocks":
            disk.names["journal"].rot(20, 1)
            disk.names["journal"].rot(4096 + 20, 1)
        case "journal removed":
            del disk.names["journal"]
        case "journal cut":
            disk.names["journal"].truncate(100_000)
    before = held(disk)
    with pytest.raises((CorruptionError, DataDirError), match=message) as met:
        start(disk)
    assert "copy of the directory" in met.value.message or "log repair" in met.value.message
    assert "nothing was changed" in met.value.message
    assert held(disk) == before
    assert disk.steps == 0


def test_a_hard_state_that_lost_its_newest_term_has_the_logs():
    """The terms of what is written from then on lie above all that were there."""
    disk = spoil(lived().disk.crash(), f"{SHARD}/hard-state")
    world = start(disk)
    last = world.node.store.logs[0].last_term
    assert world.node.store.logs[0].hard_state.term == last > 1
    world.call(append("a", b"more"))
    assert world.restart().node.store.logs[0].last_term == last + 1


def test_a_hard_state_that_is_missing_has_the_logs_term():
    """Once the journal does not hold it any more."""
    world = start(lived().disk.crash())
    world.drain()
    disk = world.restart().disk.crash()
    del disk.names[f"{SHARD}/hard-state"]
    again = start(disk)
    assert mended(again) == {f"{SHARD}/hard-state": f"{SHARD}/hard-state is missing"}
    check_all(again)


def test_a_list_of_damage_that_is_damaged_is_found_again():
    """Sealed segments are read for it, although a checkpoint covers them."""
    disk = lived().disk.crash()
    path = files(disk, ".seg")[1]
    content = bytes(disk.names[path].durable)
    begins = [at for at in range(256, len(content) - 4, 8) if content[at : at + 4] == b"gtE1"]
    disk.names[path].rot(begins[2] + 9, 1)
    del disk.names[files(disk, ".idx")[1]]  # so that the start looks
    world = start(disk)
    (damage,) = world.node.damages
    world.call(append("another", b"x"))
    world.drain()
    left = spoil(world.disk.crash(), f"{SHARD}/damage")
    again = start(left)
    assert mended(again).keys() == {f"{SHARD}/damage"}
    (found,) = again.node.damages
    assert (found.first_index, found.last_index) == (damage.first_index, damage.last_index)
    assert read_damages(left, SHARD) == [found]
    lost = {name: found_in(again, name, batches) for name, batches in lived().batches.items()}
    assert sum(map(len, lost.values())) == 1
    assert mended(again.restart()) == {}


def test_a_list_of_damage_that_was_empty_is_written_anew():
    """Or each start would tell of it."""
    disk = lived().disk.crash()
    write_damages(disk, SHARD, [Damage("x.seg", 1, 2, 3, 4, accepted=True)])
    world = start(spoil(disk, f"{SHARD}/damage"))
    assert mended(world).keys() == {f"{SHARD}/damage"}
    check_all(world)
    assert mended(world.restart()) == {}


@pytest.mark.parametrize("slot", [0, 1])
def test_either_superblock_is_enough_when_the_ring_was_gone_round(slot):
    """Neither leads to groups whose room was used again."""
    world = World(shard_count=1)
    pieces = []
    for number in range(60):
        pieces.append(bytes([number]) * 9000)
        world.call(append("a", pieces[-1]))
        if number % 7 == 0:
            world.clock.now_ms += 10_000
            world.settle()
    journal = world.node.store.journal
    assert journal.superblock.number > 6
    assert journal.sequence > 2 * (journal.end - journal.start) // 12_288
    disk = world.disk.crash()
    disk.names["journal"].rot(slot * 4096 + 20, 1)
    again = start(disk)
    assert found_in(again, "a", pieces) == []
    assert mended(again).keys() == {"journal"}


def test_a_segment_of_which_nothing_reads_is_one_gap():
    """Its header and that of its first entry are gone: the rest of the log is there, and goes on."""
    disk = lived().disk.crash()
    path = files(disk, ".seg")[1]
    disk.names[path].rot(33, 2)
    disk.names[path].rot(256 + 40, 2)
    world = start(disk)
    assert path in {damage.path for damage in world.node.damages}
    assert world.node.store.logs[0].fault == ""
    gone = {name: found_in(world, name, batches) for name, batches in lived().batches.items()}
    assert [len(gone[name]) for name in NAMES] == [1, 1, 1]
    assert gone[BIG] == []
    for name in NAMES:
        assert world.call(append(name, b"more")).offset == lived().end(name)


def test_a_header_whose_creation_is_replayed_keeps_what_stands_behind_it():
    """Bulk entries are in their segment alone: the file is not made anew over them."""
    world = World(shard_count=1)
    world.call(append("a", b"small"))
    bulk = bytes(range(256)) * 160
    world.call(append("a", bulk))
    disk = world.disk.crash()
    path = files(disk, ".seg")[0]
    assert bulk not in bytes(disk.names["journal"].cached)
    for inode in disk.names.values():
        inode.sync()
    disk.names[path].rot(33, 2)
    again = start(disk)
    assert mended(again).keys() == {path}
    assert found_in(again, "a", [b"small", bulk]) == []


def test_a_seed_is_computed_backwards():
    """Whatever the checksum went on from."""
    for seed in (0, 1, 0xFFFFFFFF, 0x12345678):
        for data in (b"", b"x", bytes(124), b"gtE1" * 31):
            assert seed_of(data, crc32c(data, seed)) == seed


def test_a_derived_header_is_the_one_that_was_there():
    """Byte for byte, of sealed, compacted and open segments."""
    disk = lived().disk.crash()
    paths = files(disk, ".seg")
    for path in paths:
        header = disk.names[path].durable[:256]
        spoilt = disk.crash()
        spoilt.names[path].rot(30, 1)
        start(spoilt)
        assert spoilt.names[path].cached[:256] == header
        assert SegmentHeader.decode(header, path).name.first_index > 0
