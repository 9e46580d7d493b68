"""The disk in memory keeps what a real one must keep, and loses what it may lose."""

from __future__ import annotations

import errno
import os
import random

import pytest

from goutube.sim import MemoryDisk, PowerCutError
from goutube.sim.faults import let_rot

EIO = OSError(errno.EIO, os.strerror(errno.EIO))


def written(disk: MemoryDisk, path: str, content: bytes, *, sync: bool = True) -> None:
    file = disk.open(path, create=not disk.exists(path))
    file.write(0, content)
    if sync:
        file.sync()


def content_of(disk: MemoryDisk, path: str) -> bytes | None:
    if not disk.exists(path):
        return None
    file = disk.open(path)
    return file.read(0, file.size())


def cuts(disk: MemoryDisk, path: str = "f", tries: int = 200) -> set[bytes | None]:
    """What a power cut now may leave of a file."""
    return {content_of(disk.power_cut(random.Random(seed)), path) for seed in range(tries)}


def test_a_synced_file_whose_name_is_not_synced_may_be_gone():
    """Its bytes are there if it is."""
    disk = MemoryDisk()
    written(disk, "f", b"x" * 700)
    assert cuts(disk) == {None, b"x" * 700}
    disk.sync_directory("")
    assert cuts(disk) == {b"x" * 700}


def test_unsynced_sectors_are_lost_one_by_one_and_the_length_may_outlive_them():
    """Any subset of the sectors, whole ones; zeros where the length came and the data did not."""
    disk = MemoryDisk()
    written(disk, "f", b"a" * 1024)
    disk.sync_directory("")
    disk.open("f").write(0, b"b" * 2048)
    found = cuts(disk, tries=2000)
    assert {b"a" * 1024, b"b" * 2048, b"a" * 1024 + bytes(1024)} <= found
    assert b"a" * 512 + b"b" * 512 in found
    for content in found:
        assert all(
            content[start : start + 512] in (b"a" * 512, b"b" * 512, bytes(512))
            for start in range(0, len(content) - 511, 512)
        )


def test_a_rename_is_done_or_not_done():
    """Until its directory is synced; then it is done."""
    disk = MemoryDisk()
    written(disk, "f", b"old")
    disk.sync_directory("")
    written(disk, "f.tmp", b"new")
    disk.rename("f.tmp", "f")
    assert cuts(disk) == {b"old", b"new"}
    disk.sync_directory("")
    assert cuts(disk) == {b"new"}


def test_a_rename_of_what_was_not_synced_leaves_an_empty_file_at_worst():
    """As XFS does."""
    disk = MemoryDisk()
    written(disk, "f", b"old")
    written(disk, "f.tmp", b"new", sync=False)
    disk.rename("f.tmp", "f")
    disk.sync_directory("")
    assert {b"", b"new"} <= cuts(disk)
    assert b"old" not in cuts(disk)


def test_a_directory_that_did_not_last_takes_its_files_with_it():
    """A kill between making a directory and syncing its parent, then a power cut."""
    disk = MemoryDisk()
    disk.cut_at = 1
    with pytest.raises(PowerCutError):
        disk.make_directory("d")
    after = disk.crash()
    written(after, "d/f", b"x")
    after.sync_directory("d")
    assert cuts(after, "d/f") == {None, b"x"}
    after.make_directory("d")
    assert cuts(after, "d/f") == {b"x"}


def test_an_unsynced_cut_is_done_or_not_done():
    """What stood behind it may come back; what is written there later may be lost."""
    disk = MemoryDisk()
    written(disk, "f", b"a" * 1024)
    disk.sync_directory("")
    disk.open("f").truncate(512)
    assert cuts(disk) == {b"a" * 1024, b"a" * 512}
    disk.open("f").sync()
    assert cuts(disk) == {b"a" * 512}


def test_after_a_failed_sync_reads_show_what_the_disk_does_not_have():
    """The next sync says all is well, in this process and in the next; only the cache has it."""
    disk = MemoryDisk(random.Random(1))
    written(disk, "f", b"a" * 4096)
    disk.sync_directory("")
    file = disk.open("f")
    file.write(0, b"b" * 4096)
    disk.fail["sync f"] = EIO
    with pytest.raises(OSError, match="Input/output"):
        file.sync()
    disk.fail.clear()
    file.sync()
    after = disk.crash()
    after.open("f").sync()
    assert content_of(after, "f") == b"b" * 4096
    after.drop_caches()
    left = content_of(after, "f")
    assert left not in (b"a" * 4096, b"b" * 4096)
    assert set(left) == set(b"ab")
    assert cuts(after) == {left}


def test_a_full_disk_takes_what_there_is_room_for():
    """A write is cut short and told of; to reserve is all or nothing; removing makes room."""
    disk = MemoryDisk()
    written(disk, "f", b"a" * 100)
    disk.free = 50
    file = disk.open("f")
    with pytest.raises(OSError, match="No space") as caught:
        file.write(100, b"b" * 60)
    assert caught.value.errno == errno.ENOSPC
    assert content_of(disk, "f") == b"a" * 100 + b"b" * 50
    with pytest.raises(OSError, match="No space"):
        file.allocate(0, 151)
    file.write(0, b"c" * 150)
    disk.remove("f")
    assert disk.room().bytes == 150


def test_a_sector_that_cannot_be_read_fails_only_reads_of_it():
    """Until it is written again."""
    disk = MemoryDisk()
    written(disk, "f", b"a" * 2048)
    disk.names["f"].unreadable.add(1)
    file = disk.open("f")
    with pytest.raises(OSError, match="Input/output"):
        file.read(1000, 100)
    assert file.read(1024, 1024) == b"a" * 1024
    file.write(512, b"b" * 512)
    assert file.read(0, 2048) == b"a" * 512 + b"b" * 512 + b"a" * 1024


def test_rot_is_put_right_in_a_segment_that_has_grown():
    """What was written behind it in its sector says nothing about the byte."""
    disk = MemoryDisk()
    written(disk, "a.seg", b"x" * 100)
    disk.sync_directory("")
    rot = let_rot(disk, random.Random(1))
    assert rot is not None
    file = disk.open("a.seg")
    file.write(100, b"y" * 100)
    file.sync()
    assert content_of(disk, "a.seg") != b"x" * 100 + b"y" * 100
    rot.heal(disk)
    assert cuts(disk, "a.seg") == {b"x" * 100 + b"y" * 100}


def test_only_what_lasts_rots():
    """A file whose name a power cut may still take has not been there for a while."""
    disk = MemoryDisk()
    written(disk, "a.seg", b"x" * 100)
    assert let_rot(disk, random.Random(1)) is None
    disk.sync_directory("")
    assert let_rot(disk, random.Random(1)) is not None
