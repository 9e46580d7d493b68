"""Data directories as earlier releases wrote them open, with every byte, and go on."""

import pytest

from goutube.errors import CorruptionError, DataDirError
from goutube.node import AtOffset, Read
from goutube.storage import inspect_directory
from tests.support.commands import append, read_all
from tests.support.golden import FOLDER, PIECE, STAMP, contents, load, world_on

NAMES = sorted(path.stem for path in FOLDER.glob("*.zip"))


def test_there_are_some():
    assert {"format-1-drained", "format-1-killed", "format-1-heads-killed"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_of_an_earlier_release_opens_and_goes_on(name):
    disk, told = load(name)
    assert not inspect_directory(disk).damaged
    world = world_on(disk)
    assert not world.node.recovered.founded
    assert contents(world) == told
    start, end = told["trimmed"][:2]
    assert start > 0
    read = world.call(Read("trimmed", 0, AtOffset(start), None, len(PIECE), False, False))
    piece = b"%08d" % 104 + PIECE  # the 21st of the trimmed stream, of which 5 bytes are gone
    assert bytes(read.data) == piece[5 : 5 + len(read.data)]
    assert read.data
    again = world.call(append("exactly", b"one", b"two", producer=STAMP))
    assert (again.offset, again.duplicate) == (0, True)
    assert world.call(append("trimmed", b"on")).offset == end
    kept = read_all(world, "kept")
    once_more = world_on(world.disk.crash())
    assert read_all(once_more, "kept") == kept


def test_the_directories_hold_every_kind_of_file():
    """A compacted segment, an index, a checkpoint, a hard state, the journal, what names it all."""
    names = {path for name in NAMES for path in load(name)[0].names}
    for wanted in ("format", "journal", "/hard-state", ".idx", ".seg", ".heads", "/checkpoint"):
        assert any(wanted in path for path in names), wanted
    assert any(path.endswith(".seg") and path.count("-") == 2 for path in names)


def test_a_directory_of_a_later_release_is_refused_by_name():
    disk, _ = load("format-1-drained")
    file = disk.open("format")
    content = file.read(0, file.size())
    assert b"1" in content
    file.write(0, content.replace(b"1", b"9", 1))
    file.sync()
    with pytest.raises((DataDirError, CorruptionError), match="format"):
        world_on(disk)
