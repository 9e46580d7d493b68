"""What ext4 and XFS leave after a power cut, the simulation's disk may leave, too."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from goutube.ports import Disk
from goutube.runtime import OsDisk
from goutube.sim import MemoryDisk
from tests.support.loop_disk import LoopDisk, why_not

pytestmark = [pytest.mark.crash]

KINDS = ("ext4", "xfs")
PATHS = ("f", "f.tmp", "d/f")
OLD, NEW = b"old" * 1000, b"new" * 2000
CUTS = 400
"""Power cuts of the model, which decide by chance what is left."""

Sequence = Callable[[Disk], None]
Left = tuple[bytes | None, ...]


def put(disk: Disk, path: str, content: bytes, *, sync: bool) -> None:
    file = disk.open(path, create=not disk.exists(path))
    file.write(0, content)
    if sync:
        file.sync()
    file.close()


def create(disk: Disk) -> None:
    put(disk, "f.tmp", NEW, sync=False)


def create_and_sync(disk: Disk) -> None:
    put(disk, "f.tmp", NEW, sync=True)


def create_and_sync_both(disk: Disk) -> None:
    create_and_sync(disk)
    disk.sync_directory("")


def rename(disk: Disk) -> None:
    create_and_sync_both(disk)
    disk.rename("f.tmp", "f")


def rename_and_sync(disk: Disk) -> None:
    create_and_sync(disk)
    disk.rename("f.tmp", "f")
    disk.sync_directory("")


def rename_what_is_unsynced(disk: Disk) -> None:
    put(disk, "f.tmp", NEW, sync=False)
    disk.rename("f.tmp", "f")
    disk.sync_directory("")


def fill_what_is_reserved(disk: Disk) -> None:
    file = disk.open("f.tmp", create=True)
    file.allocate(0, 16_384)
    file.write(0, NEW[:4096])
    file.sync()
    disk.sync_directory("")
    file.write(8192, NEW[:4096])
    file.close()


def lengthen(disk: Disk) -> None:
    file = disk.open("f")
    file.truncate(16_384)
    file.write(8192, NEW)
    file.close()


def shorten(disk: Disk) -> None:
    file = disk.open("f")
    file.truncate(512)
    file.close()


def shorten_and_sync(disk: Disk) -> None:
    file = disk.open("f")
    file.truncate(512)
    file.sync()
    file.close()


def overwrite(disk: Disk) -> None:
    put(disk, "f", NEW, sync=False)


def overwrite_and_sync(disk: Disk) -> None:
    put(disk, "f", NEW, sync=True)


def remove(disk: Disk) -> None:
    disk.remove("f")


def remove_and_sync(disk: Disk) -> None:
    disk.remove("f")
    disk.sync_directory("")


def create_in_a_new_directory(disk: Disk) -> None:
    disk.make_directory("d")
    put(disk, "d/f", NEW, sync=True)
    disk.sync_directory("d")


CERTAIN = (
    create_and_sync_both, rename_and_sync, shorten_and_sync, overwrite_and_sync, remove_and_sync,
    create_in_a_new_directory,
)  # fmt: skip
"""After these nothing is left to chance."""
SEQUENCES = (
    *CERTAIN, create, create_and_sync, rename, rename_what_is_unsynced, fill_what_is_reserved,
    lengthen, shorten, overwrite, remove,
)  # fmt: skip


def what_is_left(disk: Disk) -> Left:
    """The contents of the files that a sequence may have touched."""
    contents: list[bytes | None] = []
    for path in PATHS:
        if not disk.exists(path):
            contents.append(None)
            continue
        file = disk.open(path)
        contents.append(file.read(0, file.size()))
        file.close()
    return tuple(contents)


def found(disk: Disk) -> None:
    """What is there, and durable, before each sequence."""
    put(disk, "f", OLD, sync=True)
    disk.sync_directory("")


def outcomes(sequence: Sequence) -> set[Left]:
    """All that the model leaves."""
    disk = MemoryDisk()
    found(disk)
    sequence(disk)
    return {what_is_left(disk.power_cut(random.Random(seed))) for seed in range(CUTS)}


def real_outcome(loop: LoopDisk, name: str, sequence: Sequence) -> Left:
    """What the file system leaves, in a directory of the sequence's own."""
    root = loop.mount_point / name
    disk = OsDisk(root)
    found(disk)
    sequence(disk)
    loop.cut()
    disk.close()
    loop.unmount()
    loop.mount()
    disk = OsDisk(root)
    left = what_is_left(disk)
    disk.close()
    return left


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_leaves_what_file_systems_leave(tmp_path, kind):
    """Each sequence, then a cut: the outcome is among the model's, and the only one where it is
    certain."""
    if reason := why_not(kind):
        pytest.skip(reason)
    with LoopDisk(tmp_path, kind) as loop:
        for sequence in SEQUENCES:
            name = sequence.__name__
            real = real_outcome(loop, name, sequence)
            possible = outcomes(sequence)
            assert real in possible, f"{name}: {[part and len(part) for part in real]}"
            if sequence in CERTAIN:
                assert possible == {real}, name


@pytest.mark.parametrize(
    "sequence", [s for s in SEQUENCES if s not in CERTAIN], ids=lambda s: s.__name__
)
def test_the_model_leaves_more_than_one_thing_where_nothing_is_promised(sequence):
    """It is no better than the worst file system."""
    assert len(outcomes(sequence)) > 1
