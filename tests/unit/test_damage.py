"""Flipped, zeroed and missing bytes of a log: at most the batch they lie in is gone, and is named."""

from __future__ import annotations

import pytest

from goutube.errors import CorruptionError, StreamNotFoundError
from goutube.node import AtOffset, DescribeStream, Earliest, LastRecords, Read
from goutube.sim import MemoryDisk, World
from tests.support.commands import append

BATCHES = 8


def lived(name: str = "a", count: int = BATCHES) -> World:
    """A life that appended batches of 100 bytes, each of one digit, and came to rest."""
    world = World()
    for number in range(count):
        world.call(append(name, b"%d" % number * 100))
    world.drain()
    return world


def segment_path(disk: MemoryDisk) -> str:
    return next(name for name in sorted(disk.names) if name.endswith(".seg"))


def entries_of(disk: MemoryDisk, path: str) -> list[int]:
    """Where the entries of a segment begin."""
    content = disk.names[path].cached
    return [i for i in range(256, len(content) - 4, 8) if content[i : i + 4] == b"gtE1"]


def flip(disk: MemoryDisk, path: str, position: int) -> None:
    disk.names[path].rot(position, 1 << position % 8)


def replace(disk: MemoryDisk, path: str, content: bytes) -> None:
    """Let a file hold other bytes, on the disk itself."""
    inode = disk.names[path]
    inode.cached[:] = inode.durable[:] = content


def read(world: World, name: str, start, *, records: bool = False):
    return world.call(Read(name, 0, start, None, 1 << 16, records, False))


def without_checkpoints(disk: MemoryDisk) -> MemoryDisk:
    for name in [name for name in disk.names if "checkpoint" in name]:
        del disk.names[name]
    return disk


def check_one_gone(world: World, number: int, count: int = BATCHES) -> None:
    """The batch ``number`` answers DATA_LOSS by its offsets, all others read as they were."""
    first = 100 * number
    with pytest.raises(CorruptionError, match=f"offsets {first} to {first + 100} are gone") as met:
        read(world, "a", AtOffset(first))
    assert met.value.fields["first_offset"] == str(first)
    assert met.value.fields["after_offset"] == str(first + 100)
    if number:
        before = read(world, "a", Earliest())
        assert before.data == b"".join(b"%d" % n * 100 for n in range(number))
    if number + 1 < count:
        behind = read(world, "a", AtOffset(first + 100))
        assert behind.offset == first + 100
        assert behind.data == b"".join(b"%d" % n * 100 for n in range(number + 1, count))


@pytest.mark.parametrize("checkpointed", [True, False])
@pytest.mark.parametrize("number", [0, 4, BATCHES - 1])
def test_every_byte_of_a_header_and_its_tables(number, checkpointed):
    """Whichever byte is wrong: one batch is gone by name, the rest reads, and appends are safe.

    Safe means: at the stream's true end; or refused, where only the lost entry knew that end.
    """
    world = lived()
    whole = world.disk.crash()
    path = segment_path(whole)
    begin = entries_of(whole, path)[number]
    creation = 7 if number == 0 else 0
    for place in range(128 + 4 + creation):
        disk = whole.crash() if checkpointed else without_checkpoints(whole.crash())
        flip(disk, path, begin + place)
        again = world.restart(disk)
        assert again.node.damages or place >= 128
        if checkpointed or 0 < number < BATCHES - 1 or place >= 128 + creation:
            check_one_gone(again, number)
            assert again.call(append("a", b"more")).offset == 100 * BATCHES
            later = again.restart()
            assert read(later, "a", AtOffset(100 * BATCHES)).data == b"more"
            check_one_gone(later, number, count=number + 1)
        else:
            with pytest.raises(CorruptionError, match="log repair --accept-loss"):
                again.call(append("a", b"more"))


def test_a_lost_range_is_known_when_its_segment_is_long_sealed():
    """A read never jumps over it, whatever it asks for; the log goes on behind it."""
    world = lived()
    disk = world.disk.crash()
    path = segment_path(disk)
    flip(disk, path, entries_of(disk, path)[4] + 9)
    again = world.restart(disk)
    for number in range(60):
        again.call(append("a", bytes([number]) * 3000))
    again.drain()
    assert any(name.endswith(".idx") for name in again.disk.names)
    later = again.restart().restart()
    check_one_gone(later, 4, count=5)
    assert bytes(read(later, "a", AtOffset(500)).data).startswith(b"5" * 100)
    with pytest.raises(CorruptionError, match="400 to 500"):
        read(later, "a", AtOffset(450))
    assert [(d.first_index, d.last_index) for d in later.node.damages] == [(5, 5)]
    records = len(read(later, "a", AtOffset(500), records=True).lengths) // 4
    assert records > 3
    with pytest.raises(CorruptionError, match="400 to 500"):
        read(later, "a", LastRecords(60 + 4), records=True)


def test_what_nobody_can_know_is_not_called_missing():
    """The newest entry is gone: streams that may have gone on, or been there, answer DATA_LOSS."""
    world = World(shard_count=1)
    world.call(append("sure", b"1"))
    world.call(append("gone", b"2"))
    world.drain()
    disk = without_checkpoints(world.disk.crash())
    path = segment_path(disk)
    flip(disk, path, entries_of(disk, path)[1] + 30)
    again = world.restart(disk)
    assert read(again, "sure", Earliest()).data == b"1"
    with pytest.raises(CorruptionError, match="'sure' may have gone on beyond 1"):
        read(again, "sure", AtOffset(1))
    with pytest.raises(CorruptionError, match="there is no stream 'gone', as far as is known"):
        read(again, "gone", Earliest())
    with pytest.raises(CorruptionError):
        again.call(DescribeStream("gone", 0))
    again.drain()
    assert not [name for name in again.disk.names if "checkpoint" in name]


def test_a_stream_whose_name_is_gone_is_read_under_another():
    """Its first entry held the name; the batches behind it are whole, and are found."""
    world = lived()
    disk = without_checkpoints(world.disk.crash())
    path = segment_path(disk)
    flip(disk, path, entries_of(disk, path)[0] + 30)
    again = world.restart(disk)
    (info,) = again.streams()
    assert info.name.startswith("lost+found/")
    assert bytes(read(again, info.name, AtOffset(100)).data).startswith(b"1" * 100)
    with pytest.raises(CorruptionError, match="0 to 100 are gone"):
        read(again, info.name, Earliest())


@pytest.mark.parametrize("how", ["truncated", "zeroed", "removed"])
def test_the_end_of_a_log_is_gone(how):
    """Entries that were durable are missing at the end: what is there reads, indexes are not reused."""
    world = lived()
    disk = world.disk.crash()
    path = segment_path(disk)
    content = bytes(disk.names[path].cached)
    begin = entries_of(disk, path)[5]
    if how == "truncated":
        replace(disk, path, content[: begin + 40])
    elif how == "zeroed":
        replace(disk, path, content[:begin] + bytes(len(content) - begin))
    else:
        del disk.names[path]
    again = world.restart(disk)
    first = 0 if how == "removed" else 500
    with pytest.raises(CorruptionError, match=f"'a' cannot be read at {first}"):
        read(again, "a", AtOffset(first))
    if first:
        assert len(read(again, "a", Earliest()).data) == 500
    assert again.call(append("a", b"more")).offset == 800
    last = again.node.store.logs[again.node._map.shard_of("a")].last_index
    assert last == BATCHES + 1
    later = again.restart()
    assert read(later, "a", AtOffset(800)).data == b"more"
    with pytest.raises(CorruptionError):
        read(later, "a", AtOffset(first))
    assert later.call(append("b", b"x")).offset == 0


def test_a_damaged_payload_spoils_its_batch_alone():
    """A flipped payload bit is found by the read that meets it, and is in quarantine from then on."""
    world = lived()
    disk = world.disk.crash()
    path = segment_path(disk)
    flip(disk, path, bytes(disk.names[path].cached).index(b"3" * 100) + 50)
    again = world.restart(disk)
    told = []
    again.node.watch_damage(told.append)
    assert not again.node.damages
    check_one_gone(again, 3)
    (damage,) = again.node.damages
    assert told == [damage]
    assert damage.position == entries_of(disk, path)[3]
    assert [(lost.first, lost.after) for lost in damage.lost] == [(300, 400)]
    assert again.call(append("a", b"goes on")).offset == 800


def test_damage_of_one_stream_is_none_of_another():
    """A read whose run of entries passes over damage of other streams goes on behind it."""
    world = World(shard_count=1)
    for number in range(6):
        world.call(append("a", b"%d" % number * 100))
        world.call(append("b", b"x" * 100))
    world.drain()
    disk = world.disk.crash()
    path = segment_path(disk)
    flip(disk, path, entries_of(disk, path)[5] + 20)
    again = world.restart(disk)
    found = b""
    while len(found) < 600:
        answer = read(again, "a", AtOffset(len(found)))
        assert answer.offset == len(found)
        found += answer.data
    assert found == b"".join(b"%d" % number * 100 for number in range(6))
    with pytest.raises(StreamNotFoundError):
        read(again, "never", Earliest())
