"""Sealed segments are read again: damage is found before a reader meets it, at a bounded rate."""

from __future__ import annotations

import errno
import os

import pytest
from msgspec.structs import replace

from goutube.errors import CorruptionError
from goutube.node import AtOffset, DeleteStream, Read, TrimStream
from goutube.ports import Call
from goutube.sim import World
from goutube.sim.world import SMALL
from goutube.storage import SegmentScrub, inspect_directory, scrubbing
from tests.support.commands import append
from tests.support.on_disk import assert_nothing_leaked, files

PIECE = bytes(range(250)) * 8
"""Some thirty of them fill a segment."""
ENTRY_BYTES = 128 + 4 + 2008 + 4
NAMES = ["a", "b", "b"] * 30


def world_of(*names: str, **storage: int) -> World:
    """One shard; these appends in order, each of other bytes; a pass each second."""
    storage = {"scrub_interval_ms": 1000} | storage
    world = World(shard_count=1, storage=replace(SMALL, **storage))
    for number, name in enumerate(names):
        world.call(append(name, b"%08d" % number + PIECE))
    return world


def pass_time(world: World, ms: int = 5_000) -> None:
    """Let the node do what it does now and then."""
    for _ in range(ms // 100):
        world.clock.now_ms += 100
        world.settle()


def full_pass(world: World) -> None:
    """Let one whole pass go by that has not begun yet."""
    scrubber = world.node.scrubber
    due = scrubber.pass_count + (1 if scrubber._pass is None else 2)
    while scrubber.pass_count < due:
        pass_time(world, 100)


def sealed(world: World):
    return [segment for segment in world.node.store.logs[0].segments if segment.sealed]


def scrub(world: World, segment) -> SegmentScrub:
    """Read one segment again, outside the node."""
    found = SegmentScrub(segment)
    found.bad = []
    while found.left:
        found.step(world.disk)
        found.bad += found.take_bad()
    return found


def rot(world: World, path: str, position: int) -> None:
    """Change a bit on the disk alone; the page cache still has the right one."""
    world.disk.names[path].durable[position] ^= 1 << position % 8


@pytest.fixture(scope="module")
def lived() -> World:
    """Sealed segments of two streams; tests leave no trace on its disk."""
    return world_of(*NAMES)


@pytest.fixture(params=[512, 4096, 1 << 20])
def slices(request, monkeypatch):
    """Slices shorter than an entry, of a few, and of a whole segment."""
    monkeypatch.setattr(scrubbing, "_SLICE_BYTES", request.param)


def padding(world: World, segment) -> set[int]:
    """The zeros behind entries: nobody reads them."""
    content = bytes(world.disk.names[segment.path].durable)
    ends = {row.position for row in map(segment.index.row, range(len(segment.index)))}
    return {
        place
        for end in (ends | {segment.size}) - {256}
        for place in range(end - 7, end)
        if not any(content[place:end])
    }


@pytest.mark.usefixtures("slices")
def test_whichever_byte_it_is(lived):
    """The entry that it lies in is found, and no other; where it is none, the part that it is."""
    segment = sealed(lived)[0]
    size = segment.size
    assert scrub(lived, segment).bad == []
    positions = {*range(256, 256 + ENTRY_BYTES + 140), *range(256, size, 211)}
    for position in sorted(positions - padding(lived, segment)):
        rot(lived, segment.path, position)
        bad = scrub(lived, segment).bad
        rot(lived, segment.path, position)
        ((start, count),) = bad
        assert start <= position < start + count <= start + ENTRY_BYTES + 8
        assert start == 256 or start % 8 == 0
    for position in range(0, 256, 17):
        rot(lived, segment.path, position)
        assert scrub(lived, segment).bad == [(0, 256)]
        rot(lived, segment.path, position)
    assert scrub(lived, segment).bad == []


@pytest.mark.usefixtures("slices")
def test_damage_in_several_places_and_at_the_end(lived):
    """What is good between two places is not called bad."""
    segment = sealed(lived)[0]
    starts = [row.position for row in map(segment.index.row, range(len(segment.index)))]
    starts.sort()
    for start in (starts[0], starts[3], starts[4], starts[-1]):
        rot(lived, segment.path, start + 40)
    bad = scrub(lived, segment).bad
    for start in (starts[0], starts[3], starts[4], starts[-1]):
        rot(lived, segment.path, start + 40)
    assert bad[0] == (starts[0], starts[1] - starts[0])
    assert sum(count for _, count in bad[1:-1]) == starts[5] - starts[3]
    assert bad[-1] == (starts[-1], segment.size - starts[-1])


@pytest.mark.usefixtures("slices")
def test_a_file_that_is_too_short():
    """Everything behind its end is gone."""
    world = world_of(*NAMES)
    segment = sealed(world)[1]
    cut = segment.size - 5_000
    del world.disk.names[segment.path].durable[cut:]
    bad = scrub(world, segment).bad
    assert bad[-1][0] + bad[-1][1] == segment.size
    assert cut - ENTRY_BYTES - 8 <= bad[0][0] <= cut


def test_what_the_disk_does_not_give_is_bad():
    """It is asked for once more, in pieces; the rest of the slice is checked."""
    world = world_of(*NAMES)
    segment = sealed(world)[0]
    world.disk.names[segment.path].unreadable.add(30_000 // 512)
    ((start, count),) = scrub(world, segment).bad
    assert start <= 30_000 < start + count <= start + 4096 + 2 * (ENTRY_BYTES + 8)


def test_zeros_that_the_disk_does_not_give_are_bad():
    """Whatever may stand in place of them has the right checksum."""
    world = world_of("a")
    world.call(append("zeros", bytes(40_000)))
    for _ in range(30):
        world.call(append("a", PIECE))
    segment = sealed(world)[0]
    world.disk.names[segment.path].unreadable.add(20_000 // 512)
    ((start, count),) = scrub(world, segment).bad
    assert start <= 20_000 < start + count <= start + 4096


def test_a_flipped_byte_is_found_within_a_pass():
    """The quarantine knows the file, the position, the stream and its offsets; nobody has read."""
    world = world_of(*NAMES)
    told = []
    world.node.watch_damage(told.append)
    segment = sealed(world)[0]
    row = segment.index.row(5)
    rot(world, segment.path, row.position + 1000)
    full_pass(world)
    (damage,) = world.node.damages
    assert told == [damage]
    assert (damage.path, damage.position) == (segment.path, row.position)
    ((lost),) = damage.lost
    assert (lost.stream_id, lost.first) == (segment.index.stream_ids[5], row.offset)
    assert lost.after == row.offset + 2008
    assert world.node.scrubber.damage_count == 1
    assert world.node.stats.reads == 0
    full_pass(world)
    assert world.node.scrubber.damage_count == 1
    world.disk.drop_caches()
    names = {info.stream_id: info.name for info in world.streams()}
    with pytest.raises(CorruptionError, match=f"offsets {lost.first} to {lost.after} are gone"):
        read(world, names[lost.stream_id], lost.first)
    assert read(world, names[lost.stream_id], lost.after).offset == lost.after
    assert world.node.healthy
    assert world.call(append("a", b"more")).offset == 30 * 2008


def read(world: World, name: str, offset: int):
    return world.call(Read(name, 0, AtOffset(offset), None, 1 << 16, False, False))


def refuse(monkeypatch, segment, number: int) -> None:
    """Let no byte of a segment be read."""

    def read_stored(_position, _count):
        raise OSError(number, os.strerror(number), segment.path)

    monkeypatch.setattr(segment.file, "read_stored", read_stored)


def test_a_file_that_is_gone_is_damage(monkeypatch):
    """Its path is reported; everything else goes on."""
    world = world_of(*NAMES)
    segment = sealed(world)[0]
    refuse(monkeypatch, segment, errno.ENOENT)
    full_pass(world)
    (damage,) = world.node.damages
    assert (damage.path, damage.position, damage.byte_count) == (segment.path, 0, segment.size)


def test_the_rate_is_kept():
    """So many bytes a second, one job at a time, and none before its time."""
    rate = 16 * 1024
    world = world_of(*NAMES, scrub_bytes_per_s=rate)
    scrubber = world.node.scrubber
    began = world.clock.now_ms
    longest = max(segment.size for segment in sealed(world))
    while not scrubber.pass_count:
        world.clock.now_ms += 50
        world.round()
        assert len([job for job in world.pending if isinstance(job, Call)]) <= 1
        world.settle()
        elapsed_ms = world.clock.now_ms - began
        assert scrubber.read_bytes <= rate * elapsed_ms // 1000 + longest
    assert scrubber.read_bytes >= sum(segment.size for segment in sealed(world)) - 1024
    assert elapsed_ms >= (scrubber.read_bytes - longest) * 1000 // rate


def test_passes_come_at_their_interval():
    """No byte is read between two passes, and what a pass did is told."""
    world = world_of(*NAMES, scrub_interval_ms=30_000)
    told = []
    world.node.scrubber.tell = lambda scrub: told.append((scrub.ended_ms, scrub.read_bytes))
    scrubber = world.node.scrubber
    assert scrubber.progress == 0
    pass_time(world, 29_000)
    assert (scrubber.read_bytes, told) == (0, [])
    pass_time(world, 2_000)
    count = scrubber.read_bytes
    assert scrubber.progress == 1
    assert [(ended is None, read) for ended, read in told] == [(True, 0), (False, count)]
    assert scrubber.ended_unix_s
    pass_time(world, 27_000)
    assert scrubber.read_bytes == count
    pass_time(world, 3_000)
    assert scrubber.read_bytes == 2 * count
    assert scrubber.pass_count == 2


def test_nothing_is_read_where_it_is_off():
    """The setting 0 means never."""
    world = world_of(*NAMES, scrub_bytes_per_s=0)
    pass_time(world, 100_000)
    assert world.node.scrubber.pass_count == 0
    assert world.node.ready().deadline_ms is None or world.node.scrubber.read_bytes == 0


def test_a_node_without_segments_has_nothing_to_tell():
    """A pass over nothing ends at once, silently."""
    world = world_of("a")
    told = []
    world.node.scrubber.tell = told.append
    pass_time(world, 3_000)
    assert world.node.scrubber.pass_count
    assert told == []


def test_a_new_start_begins_elsewhere():
    """What a pass begins with differs from start to start, so that restarts leave nothing unread."""
    world = world_of(*NAMES)
    begun = set()
    for _ in range(8):
        world = world.restart()
        steps = []
        world.node.store.start = lambda make, then, steps=steps: steps.append(make(0))
        for _ in range(20):
            world.clock.now_ms += 100
            world.node.advance(world.clock.now_ms, world.clock.now_ms)
            world.node.scrubber.advance(world.clock.now_ms, 0)
        begun.add(steps[0].function.__self__.segment.path)
    assert len(begun) == len(sealed(world)) > 1


@pytest.mark.parametrize("command", [DeleteStream("b", 0), TrimStream("b", 0, 59 * 2008)])
def test_compaction_of_the_segment_under_scrub(command, monkeypatch):
    """Its new file is read instead; nothing is called damaged, and nothing is left behind."""
    monkeypatch.setattr(scrubbing, "_SLICE_BYTES", 4096)
    world = world_of(*NAMES, scrub_bytes_per_s=8192)
    while world.node.scrubber.progress == 0:
        pass_time(world, 100)
    first = world.node.scrubber._scrub.segment
    world.call(command)
    while first in sealed(world):
        pass_time(world, 100)
    assert world.node.scrubber.pass_count == 0
    begin = first.header.name.first_index
    (made,) = [s for s in sealed(world) if s.header.name.first_index == begin]
    rot(world, made.path, 300)
    while not world.node.scrubber.pass_count:
        pass_time(world, 100)
    (damage,) = world.node.damages
    assert damage.path == made.path
    pass_time(world, 20_000)
    assert all(read(world, "a", 2008 * n).offset == 2008 * n for n in range(3))
    assert_nothing_leaked(world.disk)


def test_segments_that_go_under_scrub(monkeypatch):
    """All that is dead is freed while it is read: the pass ends, and no damage is told of."""
    monkeypatch.setattr(scrubbing, "_SLICE_BYTES", 4096)
    world = world_of(*["a"] * 80, scrub_bytes_per_s=65_536)
    before = len(sealed(world))
    while world.node.scrubber.progress == 0:
        pass_time(world, 100)
    world.call(DeleteStream("a", 0))
    full_pass(world)
    pass_time(world, 10_000)
    assert len(sealed(world)) < before
    assert world.node.damages == []
    assert inspect_directory(world.disk.crash()).findings == []


def test_the_job_under_way_when_the_file_goes(monkeypatch):
    """Its outcome, whatever it is, is about a file that nobody needs any more."""
    monkeypatch.setattr(scrubbing, "_SLICE_BYTES", 4096)
    world = world_of(*NAMES)
    held = None
    while held is None:
        world.clock.now_ms += 100
        world.round()
        for job in world.pending:
            owner = getattr(getattr(job, "function", None), "__self__", None)
            held = job if isinstance(owner, SegmentScrub) else held
    world.pending.remove(held)
    segment = held.function.__self__.segment
    world.call(DeleteStream("b", 0))
    pass_time(world, 20_000)
    assert segment not in sealed(world)
    refuse(monkeypatch, segment, errno.ENOENT)
    world.pending.append(held)
    world.settle()
    full_pass(world)
    assert world.node.damages == []


def compacted() -> World:
    world = world_of(*NAMES, scrub_bytes_per_s=1 << 30)
    world.call(DeleteStream("b", 0))
    pass_time(world, 20_000)
    assert any(segment.header.compacted for segment in sealed(world))
    return world


@pytest.mark.usefixtures("slices")
def test_a_compacted_segment():
    """Its holes are no damage; its entries and its table are looked at."""
    world = compacted()
    segment = next(s for s in sealed(world) if s.header.compacted and len(s.index) > 2)
    assert scrub(world, segment).bad == []
    kept = segment.header.kept_position
    rot(world, segment.path, kept + 9)
    rot(world, segment.path, segment.index.row(1).position + 5)
    bad = scrub(world, segment).bad
    row = segment.index.row(1)
    assert bad == [(row.position, row.entry_bytes), (kept, segment.header.kept_bytes)]


def test_a_damaged_index_is_made_anew():
    """Its segment is whole, so nothing is lost: the same bytes are written again, and told of."""
    for world in (world_of(*NAMES), compacted()):
        mended = []
        world.node.scrubber.tell_mended = mended.append
        segment = next(s for s in sealed(world) if len(s.index))
        before = bytes(world.disk.names[segment.index_path].durable)
        rot(world, segment.index_path, 200)
        full_pass(world)
        assert bytes(world.disk.names[segment.index_path].durable) == before
        assert [m.path for m in mended] == [segment.index_path]
        assert world.node.damages == []
        assert bytes(read(world, "a", 0).data).startswith(b"00000000" + PIECE)
        del world.disk.names[segment.index_path]
        full_pass(world)
        assert bytes(world.disk.names[segment.index_path].durable) == before
        again = world.restart()
        assert bytes(read(again, "a", 0).data).startswith(b"00000000" + PIECE)
        assert_nothing_leaked(again.disk)


def test_a_damaged_index_of_a_damaged_segment_is_left_to_a_start():
    """An index made from what is there would hide what is not."""
    world = world_of(*NAMES)
    segment = sealed(world)[0]
    before = bytes(world.disk.names[segment.path].durable)
    rot(world, segment.index_path, 200)
    rot(world, segment.path, 300)
    index = bytes(world.disk.names[segment.index_path].durable)
    full_pass(world)
    assert {damage.path for damage in world.node.damages} == {segment.path, segment.index_path}
    assert bytes(world.disk.names[segment.index_path].durable) == index
    assert len(before) == segment.size


def test_a_drain_waits_for_no_pass(monkeypatch):
    """It ends after the slice under way."""
    monkeypatch.setattr(scrubbing, "_SLICE_BYTES", 4096)
    world = world_of(*NAMES, scrub_bytes_per_s=4096)
    while not 0 < world.node.scrubber.progress < 1:
        pass_time(world, 100)
    world.drain()
    assert world.node.scrubber.pass_count == 0


def test_a_system_without_descriptors_puts_it_off(monkeypatch):
    """That is no damage: the next pass reads what this one could not, and the node is healthy."""
    world = world_of(*NAMES)
    segment = sealed(world)[0]
    told = []
    world.node.scrubber.tell = lambda scrub: told.append(scrub.unread_count)
    refuse(monkeypatch, segment, errno.EMFILE)
    full_pass(world)
    monkeypatch.undo()
    assert told[-1] == 1
    full_pass(world)
    assert told[-1] == 0
    assert world.node.damages == []
    assert world.node.healthy
    assert files(world.disk, ".seg")
