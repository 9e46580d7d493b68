"""Mostly dead segments are written anew; every entry that stays keeps its index and its bytes."""

from __future__ import annotations

import errno
import os

import pytest
from msgspec.structs import replace

from goutube.errors import CorruptionError
from goutube.node import AtOffset, DeleteStream, Read, TrimStream
from goutube.ports import Outcome, ReadEntries
from goutube.sim import World
from goutube.sim.world import SMALL
from goutube.storage import inspect_directory
from goutube.storage.journal import open_journal
from tests.support.commands import append
from tests.support.on_disk import assert_nothing_leaked, entries_in, entries_on, files

PIECE = bytes(range(250)) * 8
"""Some thirty of them fill a segment."""


def world_of(*names: str, **storage: int) -> World:
    """One shard; these appends in order, each of other bytes."""
    world = World(shard_count=1, storage=replace(SMALL, **storage))
    for number, name in enumerate(names):
        world.call(append(name, b"%08d" % number + PIECE))
    return world


def pass_time(world: World, ms: int = 20_000) -> None:
    """Let the node do what it does now and then."""
    for _ in range(ms // 500):
        world.clock.now_ms += 500
        world.settle()


def content_of(world: World, name: str, offset: int = 0) -> bytes:
    content = b""
    while True:
        answer = world.call(Read(name, 0, AtOffset(offset), None, 10_000, False, False))
        if not answer.data:
            return content
        assert answer.offset == offset
        content, offset = content + answer.data, answer.next_offset


def compacted(world: World) -> list[str]:
    return [path for path in files(world.disk, ".seg") if path.count("-") == 2]


@pytest.fixture
def half_dead() -> World:
    """A stream that stays between those that are deleted; the segments are compacted."""
    world = world_of(*["alive", "dead", "dead"] * 40)
    world.before = (content_of(world, "alive"), entries_on(world.disk))
    world.call(DeleteStream("dead", 0))
    pass_time(world)
    assert world.node.store.stats.segments_compacted == 3
    return world


def test_what_is_alive_keeps_its_index_and_its_bytes(half_dead):
    """And a restart changes nothing, nor does one that finds no index."""
    content, entries = half_dead.before
    assert content_of(half_dead, "alive") == content
    after = entries_on(half_dead.disk)
    assert len(after) < len(entries) * 0.6
    assert {index: entries.get(index, entry) for index, entry in after.items()} == after
    assert_nothing_leaked(half_dead.disk)
    assert inspect_directory(half_dead.disk.crash()).findings == []
    disk = half_dead.disk.crash()
    for path in files(disk, ".idx"):
        disk.remove(path)
    for again in (half_dead.restart(), half_dead.restart(disk)):
        assert again.node.recovered.shards[0].gaps == []
        assert content_of(again, "alive") == content
        again.call(append("alive", b"more"))
        pass_time(again)
        assert content_of(again, "alive") == content + b"more"
        assert entries_on(again.disk).items() >= after.items()
        assert_nothing_leaked(again.disk)
        assert inspect_directory(again.disk.crash()).findings == []


def test_a_missing_index_is_made_anew(half_dead):
    """That of one segment in the middle, while those of later ones are there."""
    path = compacted(half_dead)[1]
    whole = bytes(half_dead.disk.names[path[:-4] + ".idx"].cached)
    disk = half_dead.disk.crash()
    disk.remove(path[:-4] + ".idx")
    again = half_dead.restart(disk)
    again.settle()
    assert bytes(disk.names[path[:-4] + ".idx"].cached) == whole
    assert all(segment.sealed for segment in again.node.store.logs[0].segments[:-1])
    assert content_of(again, "alive") == half_dead.before[0]


def test_it_is_compacted_again_when_half_of_the_rest_is_dead(half_dead):
    """A trim of what is left; the numbers of revisions rise, and at last the front goes."""
    content, _ = half_dead.before
    half_dead.call(TrimStream("alive", 0, 8 * 2008))
    pass_time(half_dead)
    assert half_dead.node.store.stats.segments_compacted == 4
    assert compacted(half_dead)[0].endswith("-000002.seg")
    assert content_of(half_dead, "alive", 8 * 2008) == content[8 * 2008 :]
    half_dead.call(TrimStream("alive", 0, 30 * 2008 + 1))
    pass_time(half_dead)
    assert half_dead.node.store.logs[0].first_index > 1
    assert content_of(half_dead, "alive", 30 * 2008 + 1) == content[30 * 2008 + 1 :]
    again = half_dead.restart()
    assert content_of(again, "alive", 30 * 2008 + 1) == content[30 * 2008 + 1 :]
    assert inspect_directory(half_dead.disk.crash()).findings == []


def test_less_than_the_share_stays_as_it_is():
    """Of which two fifths are dead: nothing is written."""
    world = world_of(*["alive", "alive", "alive", "dead", "dead"] * 24)
    before = files(world.disk, ".seg")
    world.call(DeleteStream("dead", 0))
    pass_time(world)
    assert files(world.disk, ".seg") == before
    assert world.node.store.stats.compaction_bytes == 0


@pytest.mark.parametrize("percent", [30, 50, 80])
def test_no_more_is_written_than_the_setting_allows(percent):
    """For each byte given back at most (100 - p) / p are written."""
    world = world_of(
        *["alive", "dead", "dead", "dead", "dead", "dead"] * 24, compaction_dead_percent=percent
    )
    world.call(DeleteStream("dead", 0))
    pass_time(world)
    stats = world.node.store.stats
    assert stats.freed_bytes > 0
    assert 0 < stats.compaction_bytes <= stats.freed_bytes * (100 - percent) // percent


def test_a_hole_is_no_damage_and_damage_no_hole(half_dead):
    """One flipped byte of an entry, of the table or of the header, and it is told."""
    path = compacted(half_dead)[1]
    size = len(half_dead.disk.names[path].cached)
    for position in (300, 400, 256 + 2200, size - 60, size - 1, 72):
        disk = half_dead.disk.crash()
        disk.names[path].rot(position, 4)
        report = inspect_directory(disk.crash())
        assert report.damaged, position
        assert [finding.path for finding in report.findings] == [path]


def test_a_damaged_entry_of_a_compacted_segment_without_an_index(half_dead):
    """It is found by the start, by its indexes."""
    path = compacted(half_dead)[1]
    index = sorted(entries_in(half_dead.disk, path))[2]
    disk = half_dead.disk.crash()
    content = bytes(disk.names[path].cached)
    place = content.index(entries_in(half_dead.disk, path)[index])
    disk.names[path].rot(place + 40, 1)
    disk.remove(path[:-4] + ".idx")
    (damage,) = half_dead.restart(disk).node.recovered.shards[0].gaps
    assert (damage.path, damage.position, damage.first_index) == (path, place, index)


def test_a_segment_whose_living_batches_are_damaged_is_left_alone():
    """Its file is left to a repair until what was lost is trimmed; the others are compacted."""
    world = world_of(*["alive", "dead", "dead"] * 40)
    path = files(world.disk, ".seg")[0]
    content = bytes(world.disk.names[path].cached)
    world.disk.names[path].rot(content.index(b"%08d" % 3 + PIECE), 1)
    world.call(DeleteStream("dead", 0))
    pass_time(world)
    assert world.node.store.stats.segments_compacted == 2
    assert path in files(world.disk, ".seg")
    assert files(world.disk, ".tmp") == []
    (damage,) = world.node.damages
    (lost,) = damage.lost
    assert (damage.path, lost.first, lost.after) == (path, 2008, 2 * 2008)
    with pytest.raises(CorruptionError):
        content_of(world, "alive")
    world.call(TrimStream("alive", 0, 2 * 2008 - 1))
    pass_time(world)
    assert path in files(world.disk, ".seg")
    world.call(TrimStream("alive", 0, 2 * 2008))
    pass_time(world)
    assert path not in files(world.disk, ".seg")
    assert world.node.damages == []
    assert inspect_directory(world.disk.crash()).findings == []
    again = world.restart()
    assert content_of(again, "alive", 2 * 2008) == content_of(world, "alive", 2 * 2008)
    assert again.node.damages == []


def test_what_was_lost_with_its_header_is_forgotten_with_its_segment():
    """It is written down until nobody can ask for it any more."""
    world = world_of(*["alive", "dead", "dead"] * 40)
    path = files(world.disk, ".seg")[0]
    disk = world.disk.crash()
    content = bytes(disk.names[path].cached)
    disk.names[path].rot(content.index(b"%08d" % 3 + PIECE) - 20, 1)
    disk.remove(path[:-4] + ".idx")
    again = world.restart(disk)
    assert [damage.first_index for damage in again.node.damages] == [4]
    assert disk.exists("shards/0000/damage")
    again.call(DeleteStream("dead", 0))
    pass_time(again)
    assert path in files(disk, ".seg")
    again.call(TrimStream("alive", 0, 5 * 2008))
    pass_time(again)
    assert path not in files(disk, ".seg")
    assert again.node.damages == []
    assert again.restart().node.damages == []


def test_a_read_that_has_begun_ends_with_the_old_bytes():
    """Its file is replaced and removed meanwhile."""
    world = world_of(*["alive", "dead", "dead"] * 40)
    before = content_of(world, "alive")
    token = world.submit(Read("alive", 0, AtOffset(0), None, 20_000, False, False))
    world.round()
    (read,) = [job for job in world.pending if isinstance(job, ReadEntries)]
    world.pending.remove(read)
    world.call(DeleteStream("dead", 0))
    pass_time(world)
    assert read.file.path not in world.disk.names
    world.pending.append(read)
    world.settle()
    assert world.replies[token].result.data == before[:20_000]


def test_a_read_that_comes_too_late_for_the_old_file_reads_the_new_one():
    """It was planned before the file was replaced, and begun after it was closed."""
    world = world_of(*["alive", "dead", "dead"] * 40)
    before = content_of(world, "alive")
    token = world.submit(Read("alive", 0, AtOffset(0), None, 20_000, False, False))
    world.round()
    (read,) = [job for job in world.pending if isinstance(job, ReadEntries)]
    world.pending.remove(read)
    world.call(DeleteStream("dead", 0))
    pass_time(world)
    closed = OSError(errno.EBADF, os.strerror(errno.EBADF))
    world.node.completed(Outcome(read.ticket, error=closed))
    world.settle()
    assert world.replies[token].result.data == before[:20_000]


def test_the_rate_is_kept():
    """So many bytes a second are read and written, and no more."""
    rate = 8 * 1024
    world = world_of(*["alive", "dead", "dead"] * 40, compaction_bytes_per_s=rate)
    world.call(DeleteStream("dead", 0))
    pass_time(world, 10_000)
    started = world.clock.now_ms
    stats = world.node.store.stats
    moved = 0
    while stats.segments_compacted < 3:
        pass_time(world, 500)
        if stats.segments_compacted > moved:
            moved = stats.segments_compacted
            least_ms = stats.compaction_bytes * 1000 // rate - 10_000
            assert world.clock.now_ms - started >= least_ms
    assert world.clock.now_ms - started >= 10_000


def test_a_drain_gives_it_up():
    """The node does not wait for it, and nothing temporary stays."""
    world = world_of(*["alive", "dead", "dead"] * 40, compaction_bytes_per_s=1024)
    world.call(DeleteStream("dead", 0))
    while not files(world.disk, ".tmp"):
        pass_time(world, 500)
    world.drain()
    assert files(world.disk, ".tmp") == []
    assert world.node.store.stats.segments_compacted == 0
    assert_nothing_leaked(world.disk)


def test_a_disk_without_room_puts_it_off():
    """The node is healthy, what was written is removed, and it is tried again."""
    world = world_of(*["alive", "dead", "dead"] * 40)
    before = content_of(world, "alive")
    world.call(DeleteStream("dead", 0))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    old = files(world.disk, ".seg")
    for step, ending in [
        ("write", ".seg"),
        ("write", ".idx"),
        ("rename", ".idx"),
        ("rename", ".seg"),
    ]:
        world.disk.fail = {f"{step} {path[:-4]}-000001{ending}": full for path in old}
        pass_time(world)
        assert files(world.disk, ".seg") == old
        assert world.node.healthy
        world.disk.fail.clear()
        assert world.node.store.stats.segments_compacted == 0
        assert_nothing_leaked(world.disk)
    pass_time(world, 40_000)
    assert world.node.store.stats.segments_compacted == 3
    assert content_of(world, "alive") == before


def test_nothing_is_compacted_that_the_journal_would_write_again():
    """A start whose newest superblock is damaged replays from the one before, over nothing new."""
    world = world_of(*["alive", "dead", "dead"] * 40)
    before = content_of(world, "alive")
    world.call(DeleteStream("dead", 0))
    seen = 0
    for _ in range(60):
        world.clock.now_ms += 250
        world.settle()
        seen = max(seen, world.node.store.stats.segments_compacted)
        disk = world.disk.crash()
        journal = open_journal(disk, 1)
        slot = journal.superblock.number % 2 * journal.slot_bytes
        disk.names["journal"].rot(slot + 20, 1)
        again = world.restart(disk)
        assert again.node.recovered.shards[0].gaps == []
        assert content_of(again, "alive") == before
    assert seen == 3


def test_a_dropped_segment_is_not_missed_by_the_journal():
    """All of a stream is trimmed while the journal still holds it; every crash is survived."""
    world = world_of(*["a"] * 10, journal_bytes=1 << 20)
    pass_time(world, 6_000)  # replay begins behind the making of the segment, before its last entry
    for _ in range(80):
        world.call(append("a", b"%08d" % 0 + PIECE))
    world.call(TrimStream("a", 0, 85 * 2008))
    for _ in range(60):
        world.clock.now_ms += 250
        world.settle()
        assert len(content_of(world.restart(), "a", 85 * 2008)) == 5 * 2008
    assert len(files(world.disk, ".seg")) == 1
