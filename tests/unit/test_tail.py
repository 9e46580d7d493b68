"""Behind the durable marks: bulk that is synced stays, a torn end goes, one wrong byte is put right."""

import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from goutube.limits import KIB
from goutube.node import AtOffset, Read
from goutube.ports import Call, SyncFile, WriteGroup
from goutube.sim import SMALL, MemoryDisk, World
from goutube.storage import EntryKind, HardState, NewEntry, inspect_directory
from goutube.storage.segment import Segment, SegmentHeader
from tests.support.commands import append, batch_of, read_all

BULK_BYTES = SMALL.bulk_bytes + 1
LARGE = replace(SMALL, segment_bytes=512 * KIB)
SECTOR = 512


def content_of(number: int, size: int = BULK_BYTES) -> bytes:
    return random.Random(number).randbytes(size)


def begun(small: bytes = b"first") -> World:
    """A node of one shard, whose stream has begun."""
    world = World(shard_count=1, storage=LARGE)
    world.call(append("a", small))
    return world


def run_all_but(world: World, *kinds: type) -> None:
    """Run rounds and jobs until none is left but those of some kinds."""
    world.round()
    while places := [n for n, job in enumerate(world.pending) if not isinstance(job, kinds)]:
        world.run_one(places[0])
        world.round()


def put(world: World, content: bytes, term: int) -> None:
    """Append to the stream as a log that follows another one is told to."""
    log = world.node.store.logs[0]
    batch = batch_of(content)
    log.append(NewEntry(EntryKind.BATCH, 0, 1, offset=5, ordinal=1, stamp_ms=1, batch=batch), term)
    world.node.store.staged(log)


def unmarked(*contents: bytes) -> World:
    """A node with bulk that is synced and acknowledged, and of which no mark tells."""
    world = begun()
    tokens = [world.submit(append("a", content)) for content in contents]
    run_all_but(world, WriteGroup)
    assert all(world.replies[token].error is None for token in tokens)
    return world


def segment_of(world: World) -> Segment:
    return world.node.store.logs[0].segments[-1]


def entry_places(world: World) -> list[int]:
    """Where the entries of the newest segment stand."""
    data = world.disk.names[segment_of(world).path].cached
    return [at for at in range(256, len(data) - 4, 8) if data[at : at + 4] == b"gtE1"]


def flipped(world: World, *places: int) -> MemoryDisk:
    """The disk after a kill, with some bytes of the newest segment changed."""
    disk = world.disk.crash()
    for place in places:
        disk.names[segment_of(world).path].rot(place, 0x10)
    return disk


def test_bulk_is_acknowledged_before_a_mark_tells_of_it():
    """Its own sync is enough: whatever the process or the power does then, it is there."""
    world = unmarked(content_of(1))
    (group,) = [job for job in world.pending if isinstance(job, WriteGroup)]
    assert sum(map(len, group.buffers)) == 4096  # the mark alone
    log = world.node.store.logs[0]
    assert (log.durable_index, log.marked_index) == (2, 1)
    for disk in (world.disk.crash(), *(world.disk.power_cut(random.Random(n)) for n in range(8))):
        assert not inspect_directory(disk.crash()).damaged
        again = world.restart(disk)
        assert read_all(again, "a") == b"first" + content_of(1)
        assert again.node.recovered.mended == []


def test_what_follows_bulk_in_the_journal_waits_for_no_other_mark():
    """Its group is durable, and so is the bulk as soon as it is synced."""
    world = begun()
    world.submit(append("a", content_of(1)))
    run_all_but(world, SyncFile)
    small = world.submit(append("a", b"small"))
    run_all_but(world, SyncFile)
    assert small not in world.replies
    world.run_one(next(n for n, job in enumerate(world.pending) if isinstance(job, SyncFile)))
    world.round()
    assert world.replies[small].result.offset == 5 + BULK_BYTES
    for seed in range(8):
        again = world.restart(world.disk.power_cut(random.Random(seed)))
        assert read_all(again, "a") == b"first" + content_of(1) + b"small"


def test_bulk_waits_for_a_term_and_a_vote_that_come_before_it():
    """They are in the journal alone."""
    world = begun()
    log = world.node.store.logs[0]
    log.set_hard_state(HardState(9, bytes(16)))
    put(world, content_of(1), term=9)
    run_all_but(world, WriteGroup)
    assert (log.written_index, log.durable_index) == (2, 1)
    world.settle()
    assert log.durable_index == 2
    assert world.restart(world.disk.power_cut(random.Random(1))).node.store.logs[0].last_term == 9


def torn(world: World, place: int) -> MemoryDisk:
    """The disk after a cut that has let all be written but the sector at a place."""
    disk = world.disk.crash()
    start = place - place % SECTOR
    inode = disk.names[segment_of(world).path]
    inode.write(start, bytes(inode.durable[start : start + SECTOR]).ljust(SECTOR, b"\0"))
    return disk


def test_an_entry_that_lacks_a_sector_is_cut_off_and_so_is_all_behind_it():
    """No sector is taken for a byte that rotted, whichever it is."""
    world = begun()
    for number in (1, 2):
        world.submit(append("a", content_of(number, 40_000)))
    run_all_but(world, SyncFile)
    _, first, second = entry_places(world)
    for place in range(first, second, SECTOR):
        again = world.restart(torn(world, place))
        (shard,) = again.node.recovered.shards
        assert read_all(again, "a") == b"first"
        assert shard.torn_bytes > 40_000
        assert shard.mended == []


@pytest.mark.parametrize("size", [40_000, 100_000], ids=["one-checksum", "blocks"])
def test_an_entry_that_the_file_ends_in_is_cut_off(size):
    """Its bytes came to the disk, and not all of the length that it had given the file."""
    world = unmarked(content_of(1, size))
    path, end = segment_of(world).path, segment_of(world).size
    for missing in (*range(1, 140), 600, size - 100, *range(size, size + 150)):
        disk = world.disk.crash()
        for content in (disk.names[path].cached, disk.names[path].durable):
            del content[end - missing :]
        again = world.restart(disk)
        assert again.node.recovered.mended == []
        assert read_all(again, "a") == b"first"


@pytest.mark.parametrize("size", [40_000, 100_000], ids=["one-checksum", "blocks"])
def test_what_was_cut_off_never_comes_back(size):
    """Not even where entries of the same sizes take the place of those before it."""
    world = begun()
    for number in (1, 2, 3):
        world.submit(append("a", content_of(number, size)))
    run_all_but(world, SyncFile)
    _, first, *_ = entry_places(world)
    again = world.restart(torn(world, first + size // 2))
    # A follower may go on in the same term. A leader does not, and then the terms tell, too.
    put(again, content_of(4, size), term=1)
    again.settle()
    for disk in (again.disk.crash(), again.disk.power_cut(random.Random(1))):
        last = again.restart(disk)
        assert last.node.store.logs[0].last_index == 2
        assert read_all(last, "a") == b"first" + content_of(4, size)


def test_a_torn_entry_that_looks_as_if_one_byte_were_wrong_is_cut_off():
    """One in some hundreds does, by chance: here a sector whose other bytes were zeros anyhow."""
    content = bytearray(content_of(1, 40_000))
    content[20_000:22_048] = bytes(2_048)
    content[21_000] = 7
    world = begun()
    world.submit(append("a", bytes(content)))
    run_all_but(world, SyncFile)
    place = (
        bytes(world.disk.names[segment_of(world).path].cached).index(b"\0" * 900 + b"\x07") + 900
    )
    again = world.restart(torn(world, place))
    assert read_all(again, "a") == b"first"
    assert again.node.recovered.shards[0].mended == []


def header_places(at: int) -> list[int]:
    return [place for place in range(at, at + 128) if not at + 121 <= place < at + 124]


@pytest.mark.parametrize("size", [40_000, 100_000], ids=["one-checksum", "blocks"])
@pytest.mark.parametrize(
    "places",
    [
        header_places,
        lambda at: range(at + 128, at + 140),
        lambda at: range(at + 300, at + 40_000, 7_001),
    ],
    ids=["header", "tables", "payload"],
)
def test_one_wrong_byte_behind_the_marks_is_put_right(
    size: int, places: Callable[[int], list[int]]
):
    """It was acknowledged, and nothing else tells that it was not torn; that holds for long."""
    world = unmarked(content_of(1, size), content_of(2, size))
    expected = b"first" + content_of(1, size) + content_of(2, size)
    _, *entries = entry_places(world)
    for at in entries:
        for place in places(at):
            again = world.restart(flipped(world, place))
            (mended,) = again.node.recovered.shards[0].mended
            assert mended.path == segment_of(world).path
            assert str(place) in mended.reason
            last = again.restart(again.disk.power_cut(random.Random(place)))
            assert last.node.recovered.shards[0].mended == []
            assert read_all(last, "a") == expected


def test_one_wrong_byte_behind_the_marks_is_told_and_no_damage():
    """By who looks at the directory before a start puts it right."""
    world = unmarked(content_of(1))
    disk = flipped(world, entry_places(world)[1] + 1_000)
    report = inspect_directory(disk)
    (finding,) = [one for one in report.findings if one.index == 2]
    assert (finding.damage, "one byte" in finding.what) == (False, True)


def test_more_wrong_bytes_behind_the_marks_count_as_torn():
    """Nothing tells them apart."""
    world = unmarked(content_of(1))
    place = entry_places(world)[1]
    again = world.restart(flipped(world, place + 1_000, place + 9_000))
    assert read_all(again, "a") == b"first"


def test_what_a_start_takes_in_behind_the_marks_lasts():
    """A kill has left it in the page cache; the power goes when the marks tell of it."""
    world = begun()
    world.submit(append("a", content_of(1)))
    run_all_but(world, SyncFile)
    for seed in range(8):
        again = world.restart(world.disk.crash())
        assert again.node.store.logs[0].last_index == 2
        last = again.restart(again.disk.power_cut(random.Random(seed)))
        assert last.node.damages == []
        assert read_all(last, "a") == b"first" + content_of(1)


def test_entries_that_came_to_the_disk_before_their_term_did_are_no_sign_of_damage():
    """A kernel may write a segment's pages before the journal's group, which then is lost."""
    world = begun().restart()
    world.clock.now_ms += 60_000
    world.settle()  # a checkpoint would write the term down
    world.submit(append("a", content_of(1, 10_000)))
    run_all_but(world, WriteGroup)
    world.disk.names[segment_of(world).path].sync()
    again = world.restart(world.disk.crash())
    log = again.node.store.logs[0]
    assert (log.last_index, log.last_term, log.hard_state.term) == (2, 2, 2)
    assert again.node.recovered.mended == []
    assert read_all(again, "a") == b"first" + content_of(1, 10_000)


def test_what_follows_damage_at_the_mark_is_there():
    """The damaged entry is known to be lost by the mark, and the next one by its neighbour."""
    world = begun()
    world.call(append("a", content_of(1)))
    world.submit(append("a", content_of(2)))
    run_all_but(world, WriteGroup)
    world.clock.now_ms += 60_000
    _, second, third = entry_places(world)
    again = world.restart(flipped(world, second + 20, second + 40))
    (damage,) = again.node.damages
    assert (damage.first_index, damage.last_index) == (2, 2)
    assert damage.byte_count == third - second
    assert again.node.store.logs[0].last_index == 3
    assert damage.lost[0].after == 5 + BULK_BYTES


def test_a_segment_behind_the_marks_lasts_once_something_may_rest_on_it():
    """A kill leaves its name in the page cache; a start takes it, and then the power goes."""
    world = begun(content_of(0, 500 * KIB))
    world.clock.now_ms += 60_000
    world.settle()  # nothing else that a start makes durable in this directory
    world.submit(append("a", content_of(1)))
    world.round()
    while not world.node.store.logs[0].segments[-1].file:
        world.run_one()
        world.round()
    for seed in range(8):
        again = world.restart(world.disk.crash())
        assert len(again.node.store.logs[0].segments) == 2
        token = again.submit(append("a", b"behind"))
        run_all_but(again, SyncFile, Call)
        assert again.replies[token].error is None
        last = again.restart(again.disk.power_cut(random.Random(seed)))
        assert read_all(last, "a") == content_of(0, 500 * KIB) + b"behind"


def test_a_segment_behind_the_marks_without_a_header_is_no_damage():
    """Its making was cut off."""
    world = begun(content_of(0, 500 * KIB))
    world.submit(append("a", content_of(1)))
    run_all_but(world, SyncFile, WriteGroup)
    disk = world.disk.crash()
    disk.names[segment_of(world).path].write(0, bytes(SECTOR))
    again = world.restart(disk)
    assert (again.node.damages, again.node.recovered.shards[0].mended) == ([], [])
    assert read_all(again, "a") == content_of(0, 500 * KIB)
    assert not again.disk.exists(segment_of(world).path)


def test_a_segment_behind_the_marks_that_follows_another_log_is_not_taken():
    """What it holds was appended to entries that are not these."""
    world = begun(content_of(0, 500 * KIB))
    world.submit(append("a", content_of(1)))
    run_all_but(world, WriteGroup)
    path = segment_of(world).path
    for change in ({"previous_term": 7}, {"previous_index": 0}):
        disk = world.disk.crash()
        header = replace(SegmentHeader.decode(disk.open(path).map(), path), **change)
        disk.names[path].write(0, header.encode())
        disk.names[path].sync()
        assert world.restart(disk).node.store.logs[0].last_index == 1


def test_a_segment_behind_the_marks_is_there_although_what_the_mark_tells_of_is_damaged():
    """It holds what was acknowledged, whatever is gone before it."""
    world = begun()
    world.call(append("a", content_of(1, 300 * KIB)))
    _, last = entry_places(world)
    damaged = segment_of(world).path
    world.submit(append("a", content_of(2, 300 * KIB)))
    run_all_but(world, WriteGroup)
    disk = world.disk.crash()
    del disk.names[damaged.replace(".seg", ".idx")]  # which would tell of the entry
    for place in (last + 20, last + 40):
        disk.names[damaged].rot(place, 1)
    again = world.restart(disk)
    (damage,) = again.node.damages
    assert (damage.first_index, damage.last_index) == (2, 2)
    assert again.node.store.logs[0].last_index == 3
    read = Read("a", 0, AtOffset(5 + 300 * KIB), None, 1 << 20, False, False)
    assert again.call(read).data == content_of(2, 300 * KIB)


def test_a_segment_behind_the_marks_is_not_taken_without_the_one_before_it():
    """Nobody knows what stood between the marks and its first entry."""
    world = begun()
    world.clock.now_ms += 60_000
    world.settle()  # or the journal would bring the first segment back
    for number in (1, 2):
        world.submit(append("a", content_of(number, 300 * KIB)))
    run_all_but(world, WriteGroup)
    first, second = (segment.path for segment in world.node.store.logs[0].segments)
    disk = world.disk.crash()
    del disk.names[first]
    log = world.restart(disk).node.store.logs[0]
    assert second not in [segment.path for segment in log.segments]
