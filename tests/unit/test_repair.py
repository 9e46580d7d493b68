"""``log repair``: what is given up is told by name first, kept aside, and everything goes on."""

from __future__ import annotations

import json
import random

import pytest

from goutube.errors import CorruptionError, DataDirError, StreamNotFoundError
from goutube.node import AtOffset, DescribeStream, Earliest, Read, accept_loss, plan_repair
from goutube.sim import HandClock, MemoryDisk, PowerCutError, SeededEntropy, World
from goutube.storage import inspect_directory
from tests.support.commands import append
from tests.support.on_disk import files

SHARD = "shards/0000"


def lived(count: int = 6) -> World:
    """One shard, two streams in turns, at rest."""
    world = World(shard_count=1)
    for number in range(count):
        world.call(append("a", b"%d" % number * 100))
        world.call(append("b", b"%d" % number * 50))
    world.call(append("done", b"sealed", seal=True))
    world.call(append("a", b"last" * 25))
    world.drain()
    return world


def forgetful(disk: MemoryDisk) -> MemoryDisk:
    """Without checkpoints: the entries alone tell."""
    for path in [path for path in disk.names if "checkpoint" in path]:
        del disk.names[path]
        disk.durable_names.pop(path, None)
    return disk


def entries_of(disk: MemoryDisk) -> list[int]:
    content = disk.names[files(disk, ".seg")[0]].cached
    return [i for i in range(256, len(content) - 4, 8) if content[i : i + 4] == b"gtE1"]


def headless() -> MemoryDisk:
    """The newest entry, a batch of 'a', is gone with its header, and no checkpoint covers it."""
    disk = forgetful(lived().disk.crash())
    disk.names[files(disk, ".seg")[0]].rot(entries_of(disk)[-1] + 9, 1)
    return disk


def without_journal() -> MemoryDisk:
    """Both superblocks are damaged."""
    disk = lived().disk.crash()
    disk.names["journal"].rot(20, 1)
    disk.names["journal"].rot(4096 + 20, 1)
    return disk


def holed() -> MemoryDisk:
    """Entries in the middle and the whole end are gone."""
    disk = forgetful(lived().disk.crash())
    path = files(disk, ".seg")[0]
    begins = entries_of(disk)
    disk.names[path].rot(begins[3] + 9, 1)
    content = disk.names[path].cached[: begins[9]]
    disk.names[path].cached[:] = disk.names[path].durable[:] = content
    return disk


def gone() -> MemoryDisk:
    """The one segment is missing."""
    disk = lived().disk.crash()
    path = files(disk, ".seg")[0]
    del disk.names[path]
    return forgetful(disk)


CASES = {"headless": headless, "journal": without_journal, "holed": holed, "gone": gone}


def plan_of(disk: MemoryDisk):
    return plan_repair(disk, HandClock(), SeededEntropy(7))


def accept(disk: MemoryDisk) -> str:
    return accept_loss(disk, SeededEntropy(7), plan_of(disk))


def held(disk: MemoryDisk) -> dict[str, bytes]:
    return {path: bytes(inode.cached) for path, inode in disk.names.items()}


def start(disk: MemoryDisk) -> World:
    return World(disk, shard_count=1)


def ends(world: World) -> dict[str, int]:
    return {info.name: info.end_offset for info in world.streams()}


def check_goes_on(disk: MemoryDisk, told_ends: dict[str, int], told_index: int) -> World:
    """It opens, takes writes behind all that was ever given, and reads them, also the next time."""
    world = start(disk)
    assert world.node.store.logs[0].fault == ""
    assert world.node.store.logs[0].last_index >= told_index
    placed = {}
    for name, end in told_ends.items():
        if name == "done":
            continue
        placed[name] = world.call(append(name, b"new " + name.encode())).offset
        assert placed[name] >= end
    world.call(append("another", b"x"))
    assert world.node.store.logs[0].last_index > told_index
    for again in (world, world.restart()):
        assert again.node.store.logs[0].fault == ""
        for name, offset in placed.items():
            answer = again.call(Read(name, 0, AtOffset(offset), None, 1000, False, False))
            assert (answer.offset, bytes(answer.data)) == (offset, b"new " + name.encode())
    assert not plan_of(again.disk.crash()).needed
    again.drain()
    assert not inspect_directory(again.disk.crash()).damaged
    return again.restart()


@pytest.mark.parametrize("case", CASES)
def test_a_plan_names_what_is_lost_and_changes_nothing(case):
    """Streams by name, offsets, files, positions, bytes, entries."""
    disk = CASES[case]()
    before = held(disk)
    plan = plan_of(disk)
    assert plan.needed
    assert bool(plan.journal) == (case == "journal")
    assert held(disk) == before
    assert disk.steps == 0
    if case == "gone":
        assert [(given.first_index, given.last_index) for given in plan.given_up] == [(1, 14)]
        return
    (last,) = [given for given in plan.given_up if any(not s.certain for s in given.streams)]
    if case == "headless":
        assert (last.first_index, last.last_index) == (14, 14)
        assert last.path == files(disk, ".seg")[0]
        assert last.position == entries_of(lived().disk)[-1]
        assert {(s.stream, s.first) for s in last.streams} == {("a", 600), ("b", 300)}
    if case == "holed":
        certain = [s for given in plan.given_up for s in given.streams if s.certain]
        assert [(s.stream, s.first, s.after) for s in certain] == [("b", 50, 100)]


@pytest.mark.parametrize("case", CASES)
def test_what_is_accepted_goes_on_behind_all_that_was_given(case):
    """No offset and no index a second time; what was removed is kept."""
    whole = lived()
    disk = CASES[case]()
    folder = accept(disk)
    assert folder == "removed/1"
    names = {path for path in disk.names if path.startswith(folder)}
    manifest = json.loads(bytes(disk.names[f"{folder}/manifest.json"].cached))
    assert {f"{folder}/{file['file']}" for file in manifest["files"]} | {
        f"{folder}/manifest.json"
    } == names
    assert manifest["given_up"]
    assert bool(manifest["files"]) == (case != "gone")
    for file in manifest["files"]:
        kept = bytes(disk.names[f"{folder}/{file['file']}"].cached)
        assert len(kept) == file["bytes"]
        before = CASES[case]().names[file["path"]].cached
        assert kept == before[file["position"] : file["position"] + file["bytes"]]
    told = ends(whole) if case != "gone" else {}
    check_goes_on(disk.crash(), told, whole.node.store.logs[0].last_index)


def test_what_is_lost_is_told_to_readers_and_the_rest_reads():
    """A reader passes over the hole by name."""
    disk = headless()
    accept(disk)
    world = check_goes_on(disk.crash(), {"a": 700, "b": 300}, 14)
    assert world.call(Read("a", 0, Earliest(), None, 1 << 16, False, False)).data == b"".join(
        b"%d" % n * 100 for n in range(6)
    )
    with pytest.raises(CorruptionError, match="are gone") as met:
        world.call(Read("a", 0, AtOffset(600), None, 1 << 16, False, False))
    after = int(met.value.fields["after_offset"])
    assert world.call(Read("a", 0, AtOffset(after), None, 100, False, False)).data == b"new a"
    with pytest.raises(StreamNotFoundError):
        world.call(DescribeStream("never", 0))
    assert world.call(DescribeStream("done", 0)).sealed


@pytest.mark.parametrize("case", CASES)
def test_twice_is_once(case):
    """The second time there is nothing to be done."""
    disk = CASES[case]()
    accept(disk)
    assert not plan_of(disk).needed
    start(disk.crash())


def test_a_second_loss_of_the_journal_goes_on_behind_the_first():
    """What was given up before is never given again either."""
    disk = without_journal()
    accept(disk)
    world = start(disk)
    world.call(append("a", b"again"))
    first, told = world.node.store.logs[0].last_index, ends(world)
    world.drain()
    left = world.disk.crash()
    del left.names["journal"]
    assert accept(left) == "removed/2"
    check_goes_on(left.crash(), told, first)
    # also where nothing was written between
    left = without_journal()
    accept(left)
    told = ends(start(left.crash()))
    del left.names["journal"]
    accept(left)
    check_goes_on(left.crash(), told, 14)


def test_every_shard_of_a_directory_without_a_journal_goes_on():
    """Also those that never held anything."""
    world = World(shard_count=8)
    for number in range(4):
        world.call(append(f"s{number}", b"data"))
    world.drain()
    told = ends(world)
    disk = world.disk.crash()
    del disk.names["journal"]
    accept(disk)
    again = World(disk.crash(), shard_count=8)
    assert {log.fault for log in again.node.store.logs} == {""}
    for number in range(40):
        name = f"s{number}"
        assert again.call(append(name, b"more")).offset >= told.get(name, 0)
    last = again.restart()
    assert {log.fault for log in last.node.store.logs} == {""}
    assert len(last.streams()) == 40
    assert not plan_of(last.disk.crash()).needed


def test_what_the_journal_alone_held_is_never_given_again():
    """The power went, the segments lack what was acknowledged, and then the journal is lost."""
    world = lived().restart()
    for _ in range(20):
        world.call(append("a", b"newer" * 20))
    told, index = ends(world), world.node.store.logs[0].last_index
    disk = world.disk.crash()
    for path in files(disk, ".seg"):
        inode = disk.names[path]
        inode.cached[:] = inode.durable
        inode.dirty.clear()
    del disk.names["journal"]
    assert plan_of(disk).given_up[0].first_index == 15
    accept(disk)
    check_goes_on(disk.crash(), told, index)


@pytest.mark.parametrize("case", CASES)
def test_a_repair_lasts(case):
    """The power may go as soon as it has ended."""
    for seed in range(5):
        disk = CASES[case]()
        for inode in disk.names.values():
            inode.sync()
        disk.durable_names = dict(disk.names)
        disk.changes.clear()
        folder = accept(disk)
        left = disk.power_cut(random.Random(seed))
        assert f"{folder}/manifest.json" in left.names
        assert not plan_of(left).needed


@pytest.mark.parametrize("case", CASES)
def test_a_repair_that_is_cut_off_anywhere_is_begun_again(case):
    """After a kill and after a power cut at each of its operations."""
    disk = CASES[case]()
    counted = disk.crash()
    accept(counted)
    whole = lived()
    for number in range(counted.steps):
        tried = disk.crash()
        for inode in tried.names.values():
            inode.sync()
        tried.durable_names = dict(tried.names)
        tried.changes.clear()
        tried.cut_off(number)
        with pytest.raises(PowerCutError):
            accept(tried)
        for left in (tried.crash(), tried.power_cut(random.Random(number))):
            if plan_of(left).needed:
                accept(left)
            assert not plan_of(left).needed
            told = ends(whole) if case != "gone" else {}
            check_goes_on(left.crash(), told, whole.node.store.logs[0].last_index)


def test_a_whole_directory_has_nothing_to_give_up():
    """Nor one with damage that hinders nobody."""
    disk = lived().disk.crash()
    assert not plan_of(disk).needed
    path = files(disk, ".seg")[0]
    disk.names[path].rot(entries_of(disk)[3] + 9, 1)
    assert not plan_of(disk).needed


def test_no_data_directory_is_refused():
    """By name."""
    with pytest.raises(DataDirError, match="no data directory"):
        plan_of(MemoryDisk())
