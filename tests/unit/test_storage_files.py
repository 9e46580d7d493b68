"""The small files of a data directory: replaced whole, judged before they are believed."""

import random

import pytest

from goutube.crash_points import FORMAT_POINTS
from goutube.errors import CorruptionError, DataDirError
from goutube.ports import Disk
from goutube.sim import SMALL, MemoryDisk, PowerCutError, SeededEntropy, World
from goutube.storage import DirectoryOptions, HardState, inspect_directory, open_store
from goutube.storage.document import read_document, write_document
from goutube.storage.hard_state import read_hard_state, write_hard_state
from goutube.storage.journal import DurableMark, Superblock
from tests.support.commands import append

MAGIC = b"gtX1"


def flip(disk: MemoryDisk, path: str, position: int) -> None:
    """Change one byte at rest."""
    disk.names[path].rot(position, 0x10)


def test_a_document_is_old_or_new_after_a_cut_at_any_step():
    """A cut at every operation of a replacement leaves one of the two, whole."""
    for cut in range(20):
        disk = MemoryDisk()
        write_document(disk, "d", MAGIC, b"old", FORMAT_POINTS)
        disk.steps, disk.cut_at = 0, cut
        try:
            write_document(disk, "d", MAGIC, b"new content", FORMAT_POINTS)
            done = True
        except PowerCutError:
            done = False
        left = disk.power_cut(random.Random(cut))
        found = read_document(left, "d", MAGIC)
        assert found == b"new content" if done else found in (b"old", b"new content")


def test_every_flipped_byte_of_a_document_is_noticed():
    """No damaged document is ever returned as if it were whole."""
    disk = MemoryDisk()
    write_document(disk, "d", MAGIC, b"body of it", FORMAT_POINTS)
    for position in range(len(disk.names["d"].cached)):
        flip(disk, "d", position)
        with pytest.raises((CorruptionError, DataDirError)):
            read_document(disk, "d", MAGIC)
        flip(disk, "d", position)
    assert read_document(disk, "d", MAGIC) == b"body of it"


def test_hard_states_go_to_the_slot_of_the_older_one():
    """A torn write of the newer slot leaves the one before it."""
    disk = MemoryDisk()
    disk.make_directory("s")
    for term in range(1, 5):
        write_hard_state(disk, "s", HardState(term, bytes([term]) * 16))
        assert read_hard_state(disk, "s") == HardState(term, bytes([term]) * 16)
    newest = next(p for p in (0, 4096) if disk.names["s/hard-state"].cached[p + 16] == 4)
    flip(disk, "s/hard-state", newest + 20)
    assert read_hard_state(disk, "s") == HardState(3, b"\3" * 16)
    flip(disk, "s/hard-state", (4096 - newest) + 20)
    assert read_hard_state(disk, "s") is None


def test_superblocks_come_back_as_they_were_and_damage_shows():
    """Encode, decode, and every flipped byte refused."""
    marks = (DurableMark(3, 1, 1, 77, 2, 77), DurableMark(5, 0, 1, 1, 1, 0))
    block = Superblock(9, 0xDEADBEEF, 8192, 12, 262144, marks)
    encoded = block.encode()
    assert Superblock.decode(encoded) == block
    for position in range(len(encoded)):
        damaged = bytearray(encoded)
        damaged[position] ^= 1
        assert Superblock.decode(bytes(damaged)) is None


def open_directory(disk: Disk, **changes):
    options = {"node_name": "n1", "shard_count": 4, "hash_function": "xxh64"} | changes
    return open_store(disk, SeededEntropy(5), SMALL, DirectoryOptions(**options))


@pytest.mark.parametrize(
    ("setting", "value"), [("node_name", "n2"), ("shard_count", 8), ("hash_function", "md5")]
)
def test_a_directory_founded_otherwise_is_refused_by_name(setting, value):
    """The message names the setting, what is there and what was asked."""
    world = World()
    with pytest.raises(DataDirError, match=rf"{setting} = .*{value!r}"):
        open_directory(world.disk.crash(), **{setting: value})


def test_a_directory_with_strange_files_is_not_founded_over():
    """Somebody's files are no place for a data directory."""
    disk = MemoryDisk()
    disk.open("holiday.jpg", create=True)
    with pytest.raises(DataDirError, match=r"holiday\.jpg"):
        open_directory(disk)


def test_an_unknown_format_is_refused_and_not_touched():
    """A newer release's directory is left alone."""
    world = World()
    disk = world.disk.crash()
    content = disk.names["format"].cached
    place = content.index(b'"data_format": 1')
    body = bytes(content[12:-4]).replace(b'"data_format": 1', b'"data_format": 2')
    assert place
    write_document(disk, "format", b"gtF1", body, FORMAT_POINTS)
    before = {name: bytes(inode.cached) for name, inode in disk.names.items()}
    with pytest.raises(DataDirError, match="format 2"):
        open_directory(disk)
    assert {name: bytes(inode.cached) for name, inode in disk.names.items()} == before


def test_founding_can_be_cut_anywhere_and_tried_again():
    """Until the format file stands, the directory is not founded; then it is, once."""
    whole = MemoryDisk()
    open_directory(whole)
    for cut in range(whole.steps):
        disk = MemoryDisk()
        disk.cut_at = cut
        with pytest.raises(PowerCutError):
            open_directory(disk)
        opened = open_directory(disk.power_cut(random.Random(cut)))
        assert opened.store.identity.boot >= 1


def test_inspection_reads_everything_and_writes_nothing():
    """An offline look at a directory with sealed and open segments finds it whole."""
    world = World()
    for number in range(200):
        world.call(append(f"s{number % 7}", bytes([number]) * 2000))
    disk = world.disk.crash()
    disk.cut_at = 0  # any write raises
    report = inspect_directory(disk)
    assert report.findings == []
    assert sum(s.record_count for shard in report.shards for s in shard.segments) == 200
    assert any(s.sealed for shard in report.shards for s in shard.segments)


def test_inspection_names_a_flipped_bit():
    """The finding tells the file and the place, and that it is damage."""
    world = World()
    for number in range(20):
        world.call(append("a", bytes([number]) * 500))
    world.drain()
    disk = world.disk.crash()
    path = next(name for name in disk.names if name.endswith(".seg"))
    flip(disk, path, 256 + 3 * (128 + 504) + 300)
    report = inspect_directory(disk)
    assert report.damaged
    assert {finding.path for finding in report.findings} == {path}
