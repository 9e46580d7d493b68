"""Bugs to plant: the tests of the checker, and of nothing else.

None of them is a switch of the product: each stands between the node and its disk, or takes the
place of a function that the product calls.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from random import Random
from typing import Final
from unittest.mock import patch

from msgspec import Struct
from msgspec.structs import replace
from typing_extensions import override

from goutube import ports
from goutube._native import (
    BATCH_BLOCKS,
    ENTRY_ALIGN,
    ENTRY_HEADER_BYTES,
    complete_group,
    crc32c,
    read_run,
)
from goutube.limits import BLOCK_BYTES
from goutube.sim.disk import MemoryDisk, MemoryFile
from goutube.sim.jobs import Effects, Performer, fine_effects
from goutube.sim.options import SUPERBLOCKS, Options


class Plant(Struct, frozen=True):
    """One bug.

    Attributes:
        what: in a few words.
        disk: makes the disk that has it; ``performer`` does the jobs as it would.
        around: is entered for as long as the node lives.
        focus: makes a seed's world one in which the bug could show.
    """

    name: str
    what: str
    disk: Callable[[Random], MemoryDisk] = MemoryDisk
    performer: Performer = fine_effects
    around: Callable[[], AbstractContextManager[object]] = nullcontext
    focus: Callable[[Options], Options] = lambda options: options


NO_PLANT: Final = Plant("", "nothing")


def _acknowledge_first(disk: ports.Disk, job: ports.Job) -> Effects:
    """A journal group is synced when the next one comes."""
    if not isinstance(job, ports.WriteGroup):
        return (yield from fine_effects(disk, job))
    job.file.sync()
    head, *rest = job.buffers
    assert isinstance(head, bytearray)
    complete_group(job.seed, head, rest)
    job.file.write(job.position, *job.buffers)
    for along in job.along:
        along.file.write(along.position, *job.buffers[along.first : along.first + along.count])
    return None


class _NamesUnsynced(MemoryDisk):
    """To sync a directory does nothing."""

    @override
    def sync_directory(self, path: str) -> None:
        self.step(f"sync_directory {path} (not really)")


class _RenamesFirst(MemoryDisk):
    """A temporary file is synced behind its renaming, not before it."""

    @override
    def open(self, path: str, *, create: bool = False, write: bool = True) -> MemoryFile:
        file = super().open(path, create=create, write=write)
        return _Unsynced(self, path, file.inode) if path.endswith(".tmp") else file

    @override
    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        super().open(target).sync()


class _Unsynced(MemoryFile):
    @override
    def sync(self) -> None:
        """Later."""


class _CacheKept(MemoryDisk):
    """What counts as clean stays in the page cache of a file, whatever the disk has."""

    @override
    def open(self, path: str, *, create: bool = False, write: bool = True) -> MemoryFile:
        return _Cached(self, path, super().open(path, create=create, write=write).inode)


class _Cached(MemoryFile):
    @override
    def drop_cached(self) -> None:
        """Not here."""


def _failing_syncs(options: Options) -> Options:
    """Superblocks of several sectors, syncs that fail, and sudden ends; no reads in between."""
    return replace(
        options,
        storage=replace(options.storage, scrub_bytes_per_s=0),
        shard_count=24,
        io_errors=1.0,
        sudden_share=1.0,
        ambush_share=1.0,
        ambush_kinds=SUPERBLOCKS,
        cut_share=0.5,
        evictions=0.0,
    )


# No checksum is compared

_FILES: Final = ("document", "hard_state", "index", "segment")
"""The modules whose files have checksums that Python compares."""
_FLAGS: Final = struct.Struct("<H")
_SIZES: Final = struct.Struct("<III")
_CRC: Final = struct.Struct("<I")
_FLAGS_AT: Final = 6
_SIZES_AT: Final = 96
_CHECKSUM_AT: Final = 116
_HEADER_CRC_AT: Final = ENTRY_HEADER_BYTES - _CRC.size


@contextmanager
def _files_unchecked() -> Iterator[None]:
    """Whatever these modules compute, it is what they compare it with."""
    with ExitStack() as stack:
        for name in _FILES:
            stack.enter_context(patch(f"goutube.storage.{name}.crc32c", lambda *_: 0))
        yield


def _entries_unchecked(disk: ports.Disk, job: ports.Job) -> Effects:
    """A read takes the bytes as they are: their checksums are made to fit."""
    if not isinstance(job, ports.ReadEntries):
        return (yield from fine_effects(disk, job))
    content = bytearray(job.file.map())
    place = job.position
    while place < job.position + job.count:
        place += _make_fit(content, place, job.salt)
    return read_run(
        content,
        job.position,
        job.count,
        job.salt,
        job.stream_id,
        job.first_offset,
        job.limit_offset,
        job.first_ordinal,
        job.first_stamp,
        job.bytes_max,
        job.records,
    )


def _make_fit(content: bytearray, place: int, salt: int) -> int:
    """Give an entry the checksums of the bytes that it has; the length of the entry."""
    control: int
    tables: int
    data: int
    control, tables, data = _SIZES.unpack_from(content, place + _SIZES_AT)
    (flags,) = _FLAGS.unpack_from(content, place + _FLAGS_AT)
    start = place + ENTRY_HEADER_BYTES + control
    end = start + tables + data
    if flags & BATCH_BLOCKS:
        blocks = range(start + tables, end, BLOCK_BYTES)
        for number, block in enumerate(blocks):
            at = start + tables - _CRC.size * (len(blocks) - number)
            _CRC.pack_into(content, at, crc32c(content[block : min(block + BLOCK_BYTES, end)]))
    covered = content[start : start + tables] if flags & BATCH_BLOCKS else content[start:end]
    if covered:
        _CRC.pack_into(content, place + _CHECKSUM_AT, crc32c(covered))
    header = content[place : place + _HEADER_CRC_AT]
    _CRC.pack_into(content, place + _HEADER_CRC_AT, crc32c(header, salt))
    return max(ENTRY_HEADER_BYTES, end - place + -end % ENTRY_ALIGN)


PLANTS: Final = {
    plant.name: plant
    for plant in (
        Plant(
            "early-answer",
            "appends are acknowledged before their journal group is synced",
            performer=_acknowledge_first,
        ),
        Plant("names-unsynced", "directories are not synced", disk=_NamesUnsynced),
        Plant("rename-first", "a file is renamed before it is synced", disk=_RenamesFirst),
        Plant(
            "cached-tail",
            "the next start takes what the page cache shows for what the disk has",
            disk=_CacheKept,
            focus=_failing_syncs,
        ),
        Plant(
            "unchecked",
            "checksums are not compared",
            performer=_entries_unchecked,
            around=_files_unchecked,
        ),
    )
}
"""By name."""
