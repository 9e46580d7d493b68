"""Heads of open segments: a start after a kill reads no more than what was not synced long ago."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from goutube.errors import CorruptionError, DataDirError
from goutube.model import ProducerStamp, StreamProperties
from goutube.node import (
    AtOffset,
    ChangeStream,
    CreateStream,
    DeleteStream,
    DescribeStream,
    Read,
    TrimStream,
)
from goutube.node.streams import stream_info
from goutube.ports import WriteGroup
from goutube.sim import SMALL, MemoryDisk, World
from goutube.storage import heads as heads_module
from goutube.storage import inspect_directory, shard_recovery
from goutube.storage.heads import decode_heads
from goutube.storage.segment import SEGMENT_HEADER_BYTES, SegmentHeader
from tests.support.commands import append, read_all
from tests.support.on_disk import assert_nothing_leaked, files

PIECE = 3000
BATCHES = 12


def pass_time(world: World, ms: int = 6_000) -> None:
    for _ in range(ms // 500):
        world.clock.now_ms += 500
        world.settle()


def lived(count: int = BATCHES, *, pause_after: int = 8) -> World:
    """A life of one shard with some batches, a checkpoint of the journal between, and heads."""
    world = World(shard_count=1)
    for number in range(count):
        world.call(append("a", bytes([number]) * PIECE))
        if number + 1 == pause_after:
            pass_time(world)
    return world


def headers_path(disk: MemoryDisk) -> str:
    (path,) = files(disk, ".heads")
    return path


def entry_places(disk: MemoryDisk) -> list[int]:
    content = bytes(disk.names[headers_path(disk)[:-6] + ".seg"].cached)
    return [at for at in range(SEGMENT_HEADER_BYTES, len(content) - 4, 8)
            if content[at : at + 4] == b"gtE1"]  # fmt: skip


def recovered_state(world: World) -> object:
    """All that a start makes of a shard."""
    shard = world.node.shards[0]
    index = shard.log.segments[-1].index
    rows = [index.row(number) for number in range(len(index))]
    streams = [(stream_info(stream), stream.producers) for stream in shard.catalogue.by_id.values()]
    return rows, streams, shard.catalogue.last_stamp, shard.log.last_index, shard.log.last_term


@pytest.fixture
def read_from(monkeypatch) -> list[int]:
    """From which position on each start reads a segment."""
    positions: list[int] = []
    scan = shard_recovery.scan_segment

    def spy(content, header, path, runs, *, behind=None, more=False):
        after = behind.position + behind.entry_bytes if behind is not None else 0
        positions.append(after)
        return scan(content, header, path, runs, behind=behind, more=more)

    monkeypatch.setattr(shard_recovery, "scan_segment", spy)
    return positions


def test_a_start_after_a_kill_reads_what_is_behind_the_heads(read_from):
    """Not what lies before; and it has everything."""
    world = lived()
    places = entry_places(world.disk)
    again = world.restart()
    assert read_from == [places[8]]
    assert read_all(again, "a") == b"".join(bytes([n]) * PIECE for n in range(BATCHES))
    pass_time(again)
    assert len(decoded(again.disk).headers) == BATCHES
    last = again.restart()
    assert read_from[1] == again.node.store.logs[0].segments[-1].size
    assert read_all(last, "a") == read_all(again, "a")


def decoded(disk: MemoryDisk) -> heads_module.Heads:
    path = headers_path(disk)
    segment = path[:-6] + ".seg"
    header = SegmentHeader.decode(bytes(disk.names[segment].cached), segment)
    return decode_heads(memoryview(bytes(disk.names[path].cached)), header, path)


def test_with_heads_and_without_a_start_finds_the_same():
    """Control sections, producers, times of records: all that the catalogue is made of."""
    world = World(shard_count=1)
    stamp = ProducerStamp(bytes(range(16)), 2, 0)
    world.call(CreateStream("made", StreamProperties("video/mp4", {"k": "v" * 300}, 1 << 40, 0)))
    for number in range(4):
        world.call(append("a", bytes([number]) * PIECE))
    pair = (b"one" * 900, b"two" * 900)
    world.call(append("exactly", *pair, producer=stamp))
    world.call(CreateStream("gone", StreamProperties("", {}, 0, 0)))
    world.call(DeleteStream("gone", 0))
    world.call(ChangeStream("made", 0, StreamProperties("text/plain", {"c": "d"}, 0, 5)))
    world.call(TrimStream("a", 0, PIECE))
    pass_time(world)
    assert len(decoded(world.disk).controls) >= 5
    world.call(append("a", b"behind"))
    with_heads, without = world.disk.crash(), world.disk.crash()
    del without.names[headers_path(without)]
    assert recovered_state(world.restart(with_heads)) == recovered_state(world.restart(without))
    again = world.restart(with_heads.crash()).call(append("exactly", *pair, producer=stamp))
    assert again.duplicate


def check_damaged_heads(world: World, expected: object, place: int, *, torn: bool) -> None:
    """A byte of the heads is wrong, or the last one is before it: a start finds all the same."""
    disk = world.disk.crash()
    inode = disk.names[headers_path(disk)]
    if torn:
        inode.cached[:] = inode.durable[:] = inode.cached[:place]
    else:
        inode.cached[place] ^= 1 << place % 8
    again = world.restart(disk)
    assert recovered_state(again) == expected
    assert again.node.damages == []
    again.call(append("a", b"more" * 800))
    pass_time(again)
    assert_nothing_leaked(again.disk)
    assert len(decoded(again.disk).headers) >= BATCHES


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_of_heads_costs_nothing(seed):
    """Whichever byte is wrong, and wherever it ends."""
    world = lived()
    expected = recovered_state(world.restart())
    size = len(world.disk.names[headers_path(world.disk)].cached)
    for place in random.Random(seed).sample(range(size), 60):
        for torn in (False, True):
            check_damaged_heads(world, expected, place, torn=torn)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("torn", [False, True])
def test_every_byte_of_the_heads(torn):
    """All of them, one at a time."""
    world = lived()
    expected = recovered_state(world.restart())
    for place in range(len(world.disk.names[headers_path(world.disk)].cached)):
        check_damaged_heads(world, expected, place, torn=torn)


def test_damage_below_the_heads_is_found_by_the_first_read():
    """As in a sealed segment: the start does not read there, and loses nothing by it."""
    world = lived()
    disk = world.disk.crash()
    (path,) = files(disk, ".seg")
    disk.names[path].rot(entry_places(disk)[3] + 30, 1)
    again = world.restart(disk)
    assert again.node.damages == []
    assert again.call(DescribeStream("a", 0)).end_offset == BATCHES * PIECE
    with pytest.raises(CorruptionError, match=f"offsets {3 * PIECE} to {4 * PIECE} are gone"):
        again.call(Read("a", 0, AtOffset(3 * PIECE), None, 1 << 16, False, False))
    assert again.call(append("a", b"on")).offset == BATCHES * PIECE


def test_damage_behind_the_heads_is_found_by_the_start(read_from):
    """And from then on no heads are written of the segment, for they would have a hole."""
    world = lived(10)
    world.drain()
    disk = world.disk.crash()
    (path,) = files(disk, ".seg")
    told = len(decoded(disk).headers)
    assert told == 8  # the rest is too little to be noted
    disk.names[path].rot(entry_places(disk)[8] + 30, 1)
    again = world.restart(disk)
    assert [(d.first_index, d.last_index) for d in again.node.damages] == [(9, 9)]
    assert read_from[-1] > SEGMENT_HEADER_BYTES
    for number in range(4):
        again.call(append("a", bytes([number]) * PIECE))
    pass_time(again)
    assert len(decoded(again.disk).headers) == told


def test_heads_of_another_segment_are_not_taken():
    """An old file that came back, or one of another directory: it is removed."""
    world, other = lived(), World(shard_count=1, seed=2)
    for number in range(BATCHES):
        other.call(append("a", bytes([99 - number]) * PIECE))
    pass_time(other)
    disk = other.disk.crash()
    foreign = bytes(world.disk.names[headers_path(world.disk)].cached)
    path = headers_path(disk)
    disk.names[path].cached[:] = disk.names[path].durable[:] = foreign
    again = other.restart(disk)
    assert files(again.disk, ".heads") == []
    assert read_all(again, "a") == read_all(other, "a")


def test_heads_that_do_not_fit_what_stands_in_the_segment_are_not_taken(read_from):
    """The newest entry that is told of must be there; the whole segment is read otherwise."""
    world = lived(8)
    disk = world.disk.crash()
    (path,) = files(disk, ".seg")
    disk.names[path].rot(entry_places(disk)[7] + 30, 1)
    again = world.restart(disk)
    assert read_from == [0]
    assert [(d.first_index, d.last_index) for d in again.node.damages] == [(8, 8)]
    assert files(again.disk, ".heads") == []


def test_heads_go_before_what_they_tell_of_is_overwritten():
    """The log loses a suffix; the next start goes on in the same file, under the same salt."""
    world = lived(8)
    log = world.node.store.logs[0]
    log.truncate(5)
    world.node.store.staged(log)
    world.round()
    (place,) = [n for n, job in enumerate(world.pending) if isinstance(job, WriteGroup)]
    world.run_one(place)  # the cut is durable, the next segment is not made
    again = world.restart()
    assert files(again.disk, ".heads") == []
    assert again.node.store.logs[0].last_index == 5
    again.call(append("a", b"new" * 1000))
    last = again.restart()
    assert read_all(last, "a") == b"".join(bytes([n]) * PIECE for n in range(5)) + b"new" * 1000


def test_sealing_removes_them():
    """A sealed segment has an index; nothing is left that nobody needs."""
    world = lived()
    for number in range(40):
        world.call(append("a", bytes([number]) * PIECE))
    pass_time(world)
    assert_nothing_leaked(world.disk)
    assert len(files(world.disk, ".seg")) > 2


def test_leavings_are_removed():
    """Heads beside an index, and heads without their segment."""
    world = lived(40)
    disk = world.disk.crash()
    index = files(disk, ".idx")[0]
    for path in (index[:-4] + ".heads", "shards/0000/00000000000000000777-000000.heads"):
        disk.open(path, create=True).write(0, b"left")
    world.restart(disk)
    assert_nothing_leaked(disk)


def test_nothing_is_noted_whose_sync_failed():
    """Only what certainly is on the disk needs no reading past the page cache."""
    world = lived(4, pause_after=0)
    world.disk.fail[f"sync {files(world.disk, '.seg')[0]}"] = OSError(5, "Input/output error")
    pass_time(world)
    assert world.node.store.failure is not None
    assert files(world.disk, ".heads") == []


def test_nothing_is_noted_above_the_durable_mark():
    """A segment may be synced with entries whose group is not: a start may have to cut these."""
    world = lived(8, pause_after=0)
    store, log = world.node.store, world.node.store.logs[0]
    log.marked_index = 3
    store.sync(log, log.segments[-1])
    world.settle()
    assert [header.index for header in decoded(world.disk).headers] == [1, 2, 3]


def test_a_segment_of_small_entries_gets_none():
    """Its heads would be as long as itself: it is read whole, as long as it is open."""
    world = World(shard_count=1, storage=replace(SMALL, heads_percent_max=12))
    for _ in range(100):
        world.call(append("a", b"x" * 100))
    pass_time(world)
    assert files(world.disk, ".heads") == []
    assert world.node.store.logs[0].segments[-1].noted is None
    assert len(read_all(world.restart(), "a")) == 10_000


def test_a_disk_that_is_full_gets_none_and_is_no_failure():
    """They are written once there is room."""
    world = lived(8, pause_after=0)
    path = files(world.disk, ".seg")[0][:-4] + ".heads"
    world.disk.fail[f"write {path}"] = OSError(28, "No space left on device")
    pass_time(world)
    assert world.node.store.failure is None
    del world.disk.fail[f"write {path}"]
    for number in range(4):
        world.call(append("a", bytes([number]) * PIECE))
    pass_time(world)
    assert len(decoded(world.disk).headers) == 12


def test_segments_are_not_sealed_while_their_heads_are_written():
    """The file would come back behind the index."""
    world = lived(8, pause_after=0)
    world.clock.now_ms += 6_000
    world.round()
    while not world.node.store.logs[0].segments[-1].noting:
        world.run_one()
        world.round()
    segment = world.node.store.logs[0].segments[-1]
    segment.full = True
    world.node.store._queued[0] = world.node.store.logs[0]
    world.round()
    assert not segment.sealing
    world.settle()
    assert segment.sealed
    assert_nothing_leaked(world.disk)


def test_a_later_block_is_refused_by_name():
    """A later release may have gone on in the file."""
    world = lived()
    disk = world.disk.crash()
    content = disk.names[headers_path(disk)].cached
    head = bytearray(content[:60])
    head[4] = 9
    checksum = heads_module.crc32c(bytes(head)).to_bytes(4, "little")
    content[:64] = bytes(head) + checksum
    for attempt in (world.restart, inspect_directory):
        with pytest.raises(DataDirError, match=r"heads has version 9; this release reads 1"):
            attempt(disk)
