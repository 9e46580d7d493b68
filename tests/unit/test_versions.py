"""A data directory that a later release has written to is refused by name, and not a byte changes."""

from __future__ import annotations

import json
import struct

import pytest

from goutube._native import crc32c
from goutube.errors import DataDirError
from goutube.sim import MemoryDisk
from goutube.storage import inspect_directory
from goutube.storage.damage import Damage, write_damages
from goutube.storage.hard_state import SLOT_BYTES
from goutube.storage.journal import JOURNAL_PATH, open_journal
from goutube.storage.top_files import mend_top_files, read_top_files
from tests.support.golden import load, world_on

DOCUMENTS = (
    "format",
    "format-copy",
    "boot",
    "registry",
    "/checkpoint-0",
    "/checkpoint-1",
    "/damage",
)
LATER = 9
KINDS = {
    "format": "1",
    "format-copy": "1",
    "boot": "1",
    "registry": "1",
    "journal": "1",
    "/hard-state": "1",
    "/checkpoint-0": "1",
    "/checkpoint-1": "1",
    "/damage": "1",
    ".seg": "1 and 2",
    ".idx": "1",
    ".heads": "1",
}
"""How a path of each kind of file ends, and the versions that are read of it."""


@pytest.fixture
def disk() -> MemoryDisk:
    """A directory with a file of every kind."""
    disk, _ = load("format-1-heads-killed")
    mend_top_files(disk, read_top_files(disk))
    write_damages(disk, "shards/0001", [Damage("shards/0001/x.seg", 1, 2, 3, 4, accepted=True)])
    return disk


def paths(disk: MemoryDisk, kind: str) -> list[str]:
    return sorted(path for path in disk.names if path.endswith(kind))


def write(disk: MemoryDisk, path: str, content: bytes) -> None:
    inode = disk.names[path]
    inode.cached[:] = inode.durable[:] = content


def packed(number: int) -> bytes:
    return struct.pack("<I", number)


def later(content: bytes, path: str, kind: str) -> bytes:
    """The same file as a later release would have written it: its version, and its checksum."""
    raised = content[:4] + packed(LATER) + content[8:]
    if kind in DOCUMENTS:
        return raised[:-4] + packed(crc32c(raised[:-4]))
    place = {".seg": 252, ".idx": 60, ".heads": 60, "/hard-state": 40}[kind]
    return raised[:place] + packed(crc32c(raised[:place])) + raised[place + 4 :]


def held(disk: MemoryDisk) -> dict[str, bytes]:
    return {path: bytes(inode.cached) for path, inode in disk.names.items()}


def check_refused(disk: MemoryDisk, path: str, versions: str, found: int = LATER) -> None:
    """Opening it and looking at it are refused, the same way, and nothing happens to it."""
    for attempt in (world_on, inspect_directory):
        tried = disk.crash()
        with pytest.raises(DataDirError) as met:
            attempt(tried)
        message = met.value.message
        assert path in message
        assert f"version {found}; this release reads {versions}." in message
        assert held(tried) == held(disk)
        assert tried.steps == 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != JOURNAL_PATH])
def test_every_file_of_every_kind(disk, kind):
    """Whichever of them it is, also one that a start would not need."""
    found = paths(disk, kind)
    assert found
    for path in found:
        content = bytes(disk.names[path].cached)
        write(disk, path, later(content, path, kind))
        check_refused(disk, path, KINDS[kind])
        write(disk, path, content)
    world_on(disk)


@pytest.mark.parametrize("slot", [0, 1])
def test_either_slot_of_a_hard_state(disk, slot):
    """Whichever of them a later release has written."""
    path = paths(disk, "/hard-state")[0]
    content = bytes(disk.names[path].cached).ljust(2 * SLOT_BYTES, b"\0")
    slots = [content[:SLOT_BYTES], content[SLOT_BYTES : 2 * SLOT_BYTES]]
    (good, *_) = [one for one in slots if one[:4] == b"gtH1"]
    slots[slot] = later(good, path, "/hard-state")
    write(disk, path, slots[0] + slots[1])
    check_refused(disk, path, KINDS["/hard-state"])


@pytest.mark.parametrize("slot", [0, 1])
def test_either_superblock_of_the_journal(disk, slot):
    """The older one, too: a later release may have written it."""
    content = bytearray(disk.names[JOURNAL_PATH].cached)
    place = slot * 4096
    assert content[place : place + 4] == b"gtP1"
    (marks,) = struct.unpack_from("<I", content, place + 12)
    content[place + 4 : place + 8] = packed(LATER)
    head, rest = content[place : place + 60], content[place + 64 : place + 64 + 40 * marks]
    content[place + 60 : place + 64] = packed(crc32c(rest, crc32c(head)))
    write(disk, JOURNAL_PATH, bytes(content))
    check_refused(disk, JOURNAL_PATH, KINDS[JOURNAL_PATH])


def test_a_group_of_the_journal(disk):
    """It is no torn end, although this release cannot read it: what is in it was acknowledged."""
    journal = open_journal(disk, 2, write=False)
    start, seed = journal.head, journal.seed
    assert len(list(journal.replay())) > 1
    content = bytearray(disk.names[JOURNAL_PATH].cached)
    assert content[start : start + 4] == b"gtJ1"
    content[start + 4] = LATER
    content[start + 60 : start + 64] = packed(crc32c(content[start : start + 60], seed))
    write(disk, JOURNAL_PATH, bytes(content))
    before = held(disk)
    with pytest.raises(DataDirError) as met:
        world_on(disk)
    assert f"journal holds at {start} a group of version 9; this release reads 1" in (
        met.value.message
    )
    assert held(disk) == before


def test_the_format_of_the_directory_as_a_whole(disk):
    """One number stands for all that is not in a single file."""
    content = bytes(disk.names["format"].cached)
    fields = json.loads(content[12:-4])
    body = json.dumps(fields | {"data_format": LATER}, sort_keys=True).encode()
    whole = content[:8] + packed(len(body)) + body
    write(disk, "format", whole + packed(crc32c(whole)))
    before = held(disk)
    with pytest.raises(DataDirError, match=r"has format 9, says its file format; this .* reads 1"):
        world_on(disk)
    assert held(disk) == before


@pytest.mark.parametrize("kind", [".idx", "/checkpoint-0", "/checkpoint-1"])
def test_a_flipped_version_is_damage(disk, kind):
    """Its checksum tells: what can be made anew is, and the directory opens."""
    path = paths(disk, kind)[0]
    disk.names[path].rot(4, 8)
    world_on(disk)


def test_there_is_no_other_kind_of_file(disk):
    """A new kind of file brings its version into this test."""
    unversioned = ("lock", "reserve")
    for path in disk.names:
        assert path in unversioned or any(path.endswith(kind) for kind in KINDS), path
