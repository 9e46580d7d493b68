"""The small files at the top of a data directory: read before a byte is changed, and put right.

Each of them can be made anew from the others: the format file from its copy, and the other way
round; the registry and the count of openings from the journal, whose superblock stands twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goutube.errors import CorruptionError
from goutube.ports import Disk
from goutube.storage.damage import Mended, missing_file
from goutube.storage.identity import (
    BOOT_PATH,
    FORMAT_COPY_PATH,
    FORMAT_PATH,
    REGISTRY_PATH,
    Identity,
    finish_founding,
    read_boot,
    read_format,
    read_identity,
    read_registry,
    write_format_copy,
    write_registry,
)
from goutube.storage.journal import JOURNAL_PATH, Journal, open_journal

_READERS: Final[dict[str, Callable[[Disk], object]]] = {
    FORMAT_PATH: lambda disk: read_format(disk, FORMAT_PATH),
    FORMAT_COPY_PATH: lambda disk: read_format(disk, FORMAT_COPY_PATH),
    BOOT_PATH: read_boot,
    REGISTRY_PATH: read_registry,
}


class TopFiles(Struct):
    """What the files at the top say, damaged ones as the others tell.

    Attributes:
        identity: with the number of the last opening.
        replicas: shard -> number of its replica.
        mended: the files that were damaged, and are made anew by ``mend_top_files``.
    """

    identity: Identity
    journal: Journal
    replicas: dict[int, int]
    mended: list[Mended] = []


def read_top_files(disk: Disk) -> TopFiles:
    """Read them; nothing is changed.

    Raises:
        CorruptionError: neither copy of the format file is whole, or the journal is missing, cut
            off, or neither of its superblocks is whole.
        DataDirError: one of them is of a version or format that this release does not know.
    """
    identity = read_identity(disk)
    journal = open_journal(disk, identity.shard_count)
    mended = damaged_top_files(disk)
    if journal.bad_slots:
        mended.append(Mended(JOURNAL_PATH, "one of its two superblocks is torn or damaged"))
    damaged = {one.path for one in mended}
    # Each opening that came to its end has raised the superblock's number by two.
    boot = journal.superblock.number
    if BOOT_PATH not in damaged and disk.exists(BOOT_PATH):
        boot = read_boot(disk)
    elif BOOT_PATH not in damaged and boot:
        mended.append(missing_file(BOOT_PATH))
    replicas = read_replicas(disk, identity, journal)
    return TopFiles(replace(identity, boot=boot), journal, replicas, mended)


def read_replicas(disk: Disk, identity: Identity, journal: Journal | None = None) -> dict[int, int]:
    """Shard -> number of its replica; from the journal's marks where the registry is damaged."""
    try:
        return read_registry(disk)
    except (CorruptionError, FileNotFoundError):
        first = dict.fromkeys(range(identity.shard_count), 1)  # what it is founded with
        marks = journal.superblock.marks if journal is not None else ()
        return first | {mark.shard: mark.replica for mark in marks}


def damaged_top_files(disk: Disk) -> list[Mended]:
    """Those that are damaged or missing, apart from the journal; nothing is changed.

    Before the first opening there is no count of openings, nor a copy of the format file.
    """
    found = []
    for path, read in _READERS.items():
        try:
            read(disk)
        except CorruptionError as error:
            found.append(Mended(path, error.message))
        except FileNotFoundError:
            if path in (FORMAT_PATH, REGISTRY_PATH):
                found.append(missing_file(path))
    return found


def mend_top_files(disk: Disk, top: TopFiles) -> None:
    """Make those anew that were damaged, apart from what every start writes."""
    damaged = {mended.path for mended in top.mended}
    if FORMAT_PATH in damaged:
        finish_founding(disk, top.identity)
    if FORMAT_COPY_PATH in damaged or not disk.exists(FORMAT_COPY_PATH):
        write_format_copy(disk, top.identity)
    if REGISTRY_PATH in damaged:
        write_registry(disk, top.replicas)
