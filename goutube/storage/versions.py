"""Which versions of each kind of file this release reads: looked at before a byte is changed.

A directory that a later release has written to is refused whole, by the first file that tells so.
Only the heads are read. A version that is not known counts where the checksum is right; else it is
damage, and is dealt with as such. So a later release may change everything in a file but where its
kind, its version and this checksum stand.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from goutube._native import crc32c
from goutube.errors import CorruptionError, DataDirError
from goutube.ports import Disk
from goutube.storage.checkpoint import CHECKPOINT_SLOTS, checkpoint_path
from goutube.storage.damage import damage_path
from goutube.storage.document import DOCUMENT_VERSION
from goutube.storage.hard_state import HARD_STATE_VERSION, SLOT_BYTES, STATE_BYTES, hard_state_path
from goutube.storage.heads import BLOCK_HEADER_BYTES, HEADS_VERSION
from goutube.storage.identity import (
    BOOT_PATH,
    FORMAT_COPY_PATH,
    FORMAT_PATH,
    REGISTRY_PATH,
    read_identity,
)
from goutube.storage.index import HEADER_BYTES, INDEX_VERSION
from goutube.storage.segment import (
    COMPACTED_VERSION,
    SEGMENT_HEADER_BYTES,
    SEGMENT_VERSION,
    shard_directory,
)

_START: Final = struct.Struct("<2sHI")
"""What every kind of file begins with: ``gt`` and two letters more, and its version."""
_CHECKSUM: Final = struct.Struct("<I")


class _Head(NamedTuple):
    """One head: where it stands in which file, the versions that are read, what is checked.

    ``covered`` bytes from there on stand before the checksum that covers them; None: all but the
    last four of the file.
    """

    path: str
    start: int
    versions: tuple[int, ...]
    covered: int | None


def check_versions(disk: Disk) -> None:
    """See that this release reads every file of a founded data directory but the journal.

    Of that it tells when it is opened and when its groups are read, which changes nothing either.

    Raises:
        DataDirError: it does not; naming the file, its version, and those that are read.
    """
    for path in (FORMAT_PATH, FORMAT_COPY_PATH, BOOT_PATH, REGISTRY_PATH):
        _check(disk, _document(path))
    try:
        identity = read_identity(disk)
        for head in _heads(disk, identity.shard_count):
            _check(disk, head)
    except (CorruptionError, FileNotFoundError):
        return  # whoever opens the directory says what that means


def _document(path: str) -> _Head:
    return _Head(path, 0, (DOCUMENT_VERSION,), None)


def _heads(disk: Disk, shard_count: int) -> Iterator[_Head]:
    """Every head below the shards."""
    segment, index = (SEGMENT_VERSION, COMPACTED_VERSION), (INDEX_VERSION,)
    for directory in map(shard_directory, range(shard_count)):
        for slot in CHECKPOINT_SLOTS:
            yield _document(checkpoint_path(directory, slot))
        yield _document(damage_path(directory))
        for start in (0, SLOT_BYTES):
            yield _Head(hard_state_path(directory), start, (HARD_STATE_VERSION,), STATE_BYTES)
        for file in disk.list(directory):
            path = f"{directory}/{file}"
            if file.endswith(".seg"):
                yield _Head(path, 0, segment, SEGMENT_HEADER_BYTES - _CHECKSUM.size)
            elif file.endswith(".idx"):
                yield _Head(path, 0, index, HEADER_BYTES - _CHECKSUM.size)
            elif file.endswith(".heads"):
                yield _Head(path, 0, (HEADS_VERSION,), BLOCK_HEADER_BYTES - _CHECKSUM.size)


def _check(disk: Disk, head: _Head) -> None:
    try:
        file = disk.open(head.path, write=False)
    except FileNotFoundError:
        return
    try:
        start = file.read(head.start, _START.size)
        if len(start) < _START.size:
            return
        magic, _, version = _START.unpack(start)
        if magic != b"gt" or version in head.versions:
            return
        size = file.size() - head.start if head.covered is None else head.covered + _CHECKSUM.size
        content = file.read(head.start, size)
    finally:
        file.close()
    covered, checksum = content[: -_CHECKSUM.size], content[-_CHECKSUM.size :]
    if checksum == _CHECKSUM.pack(crc32c(covered)):
        read = " and ".join(map(str, head.versions))
        raise DataDirError(
            f"{head.path} has version {version}; this release reads {read}. Use the release that "
            "wrote it; nothing was changed",
            path=head.path,
            version=version,
        )
