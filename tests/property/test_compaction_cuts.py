"""Compaction beside a model: cut or killed at every operation of the disk, and over many lives.

The same bytes are readable, every entry that is still there has its index and its bytes, and the
next life leaves neither a temporary nor an older revision.
"""

from __future__ import annotations

import contextlib
import os
import random

import pytest

from goutube.errors import GoutubeError
from goutube.node import AtOffset, DeleteStream, Read, TrimStream
from goutube.sim import MemoryDisk, PowerCutError, World
from goutube.sim.disk import MemoryFile
from goutube.storage import inspect_directory
from tests.support.commands import append
from tests.support.on_disk import assert_nothing_leaked, entries_on, files

STRIDE = int(os.environ.get("GOUTUBE_COMPACTION_CUT_STRIDE", "3"))
"""1: every operation; by default each third, another residue for each seed."""
SEEDS = range(3)
STUB_BYTES = 512
"""What is written for a segment of which nothing is alive, and its index."""
NAMES = [f"s{number}" for number in range(6)]

Streams = dict[str, tuple[int, bytes]]
"""Name -> where it begins, and all bytes that it ever had."""


def grow(world: World, streams: Streams, chance: random.Random, count: int) -> None:
    """Appends of all sizes, to streams of which some are there and some are not."""
    for _ in range(count):
        name = chance.choice(NAMES)
        data = chance.randbytes(chance.choice([1, 30, 700, 700, 3000, 9000, 40_000]))
        world.call(append(name, data))
        start, content = streams.get(name, (0, b""))
        streams[name] = start, content + data


def shrink(world: World, streams: Streams, chance: random.Random) -> None:
    """One is deleted; of others the first part is trimmed, most often in the middle of a batch."""
    name = chance.choice(sorted(streams))
    world.call(DeleteStream(name, 0))
    del streams[name]
    for name in chance.sample(sorted(streams), min(3, len(streams))):
        start, content = streams[name]
        before = chance.randint(start, len(content))
        world.call(TrimStream(name, 0, before))
        streams[name] = before, content


def check(world: World, streams: Streams) -> None:
    """All of every stream reads, from its start and from somewhere inside."""
    infos = {info.name: info for info in world.streams()}
    assert infos.keys() == streams.keys()
    for name, (start, content) in streams.items():
        assert (infos[name].start_offset, infos[name].end_offset) == (start, len(content))
        offset = start
        while offset < len(content):
            answer = world.call(Read(name, 0, AtOffset(offset), None, 1 << 15, False, False))
            assert answer.offset == offset
            assert answer.data == content[offset : answer.next_offset]
            offset = answer.next_offset


def pass_time(world: World, ms: int = 20_000) -> None:
    for _ in range(ms // 500):
        world.clock.now_ms += 500
        world.settle()


def lived_in(seed: int) -> tuple[MemoryDisk, Streams]:
    """A disk on which much is dead and nothing is compacted yet, after a clean end."""
    chance = random.Random(seed)
    world, streams = World(shard_count=2), {}
    grow(world, streams, chance, 150)
    shrink(world, streams, chance)
    world.drain()
    return world.disk, streams


def compact(disk: MemoryDisk) -> World:
    """A life in which nothing happens but what tidies up."""
    world = World(disk, shard_count=2)
    world.call(append("other", b"so that the last segments are full" * 2000))
    pass_time(world)
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_cut_at_every_operation(seed):
    """The first cut of a power cut, the next of a kill, and so on; then a life without any."""
    disk, streams = lived_in(seed)
    before = [entries_on(disk, shard) for shard in range(2)]
    whole = compact(disk.crash())
    assert whole.node.store.stats.segments_compacted > 0
    after = [path for path in files(whole.disk, ".seg") if path.count("-") == 2]
    first = next(n for n, step in enumerate(whole.disk.log) if "-000001.seg.tmp" in step)
    streams["other"] = 0, b"so that the last segments are full" * 2000
    for cut in range(first + seed % STRIDE, whole.disk.steps, STRIDE):
        left = disk.crash()
        left.cut_at = cut
        with pytest.raises(PowerCutError):
            compact(left)
        left = left.power_cut(random.Random(cut)) if cut % 2 else left.crash()
        again = World(left, shard_count=2)
        assert_nothing_leaked(left)
        check(again, streams)
        pass_time(again)
        check(again, streams)
        assert [path for path in files(left, ".seg") if path.count("-") == 2] == after
        for shard in range(2):
            here = entries_on(left, shard)
            assert {i: before[shard].get(i, entry) for i, entry in here.items()} == here
        assert inspect_directory(left.crash()).findings == []


@pytest.mark.parametrize("seed", range(6))
def test_many_lives(seed):
    """Streams grow and shrink, segments are compacted again and again, half the lives are cut."""
    chance = random.Random(1000 + seed)
    disk, streams = MemoryDisk(), {}
    compacted = 0
    for life in range(12):
        world = World(disk, seed=life, shard_count=2)
        check(world, streams)
        before = [entries_on(disk, shard) for shard in range(2)]
        grow(world, streams, chance, 30)
        shrink(world, streams, chance)
        disk.cut_at = disk.steps + chance.randint(1, 120) if life % 2 else None
        with contextlib.suppress(PowerCutError):
            pass_time(world)
        compacted += world.node.store.stats.segments_compacted
        stats = world.node.store.stats
        assert stats.compaction_bytes <= stats.freed_bytes + STUB_BYTES * stats.segments_freed
        for shard in range(2):
            here = entries_on(disk, shard)
            kept = {i: entry for i, entry in before[shard].items() if i in here}
            assert kept.items() <= here.items()
        disk = disk.power_cut(chance) if life % 2 else disk.crash()
    world = World(disk, seed=99, shard_count=2)
    check(world, streams)
    pass_time(world)
    assert_nothing_leaked(disk)
    assert compacted >= 10
    assert inspect_directory(disk.crash()).findings == []


def test_a_new_file_that_is_not_synced_is_caught(monkeypatch):
    """The test of the test: without the syncs of what is temporary a cut loses bytes."""
    sync = MemoryFile.sync

    def forgetful(file: MemoryFile) -> None:
        if not file.path.endswith(".seg.tmp"):
            sync(file)

    monkeypatch.setattr(MemoryFile, "sync", forgetful)
    monkeypatch.setattr(MemoryFile, "rest", lambda file: None)
    with pytest.raises((AssertionError, GoutubeError)):
        list(map(test_cut_at_every_operation, SEEDS))
