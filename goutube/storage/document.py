"""Small files that are replaced whole: a header, a body, a checksum over both."""

from __future__ import annotations

import struct
from typing import Final

from goutube._native import crc32c
from goutube.crash_points import DocumentPoints
from goutube.errors import CorruptionError, DataDirError
from goutube.model import Buffer
from goutube.ports import Disk

_HEADER: Final = struct.Struct("<4sII")
_CHECKSUM: Final = struct.Struct("<I")
DOCUMENT_VERSION: Final = 1
TEMPORARY: Final = ".tmp"
"""Ends the name of a file that is being made; a start removes what a crash left of them."""


def write_document(
    disk: Disk, path: str, magic: bytes, body: bytes, points: DocumentPoints
) -> None:
    """Replace a document so that after any crash the old or the new one is there, whole."""
    head = _HEADER.pack(magic, DOCUMENT_VERSION, len(body))
    checksum = _CHECKSUM.pack(crc32c(body, crc32c(head)))
    replace_file(disk, path, points, head, body, checksum)


def replace_file(disk: Disk, path: str, points: DocumentPoints, *parts: Buffer) -> None:
    """Give a file new content so that after any crash the old or the new one is there, whole.

    The sequence is: temporary file, its sync, rename, sync of the directory.
    """
    temporary = path + TEMPORARY
    disk.remove(temporary)
    file = disk.open(temporary, create=True)
    try:
        file.write(0, *parts)
        disk.reached(points.written)
        file.sync()
    finally:
        file.close()
    disk.reached(points.synced)
    disk.rename(temporary, path)
    disk.reached(points.renamed)
    disk.sync_directory(path.rpartition("/")[0])
    disk.reached(points.durable)


def read_document(disk: Disk, path: str, magic: bytes) -> bytes:
    """The body of a document.

    Raises:
        CorruptionError: its bytes do not match its checksum.
        DataDirError: it is of a version that this release does not know.
    """
    file = disk.open(path, write=False)
    try:
        content = file.read(0, file.size())
    finally:
        file.close()
    if len(content) < _HEADER.size + _CHECKSUM.size or content[:4] != magic:
        raise CorruptionError(
            f"{path} is not a document of kind {magic.decode()}", path=path, position=0
        )
    _, version, length = _HEADER.unpack_from(content)
    end = _HEADER.size + length
    if end + _CHECKSUM.size != len(content):
        raise CorruptionError(
            f"{path} has {len(content)} bytes, not the {end + 4} it tells of", path=path, position=8
        )
    if _CHECKSUM.unpack_from(content, end)[0] != crc32c(memoryview(content)[:end]):
        raise CorruptionError(f"{path} does not match its checksum", path=path, position=end)
    if version != DOCUMENT_VERSION:  # only now: a flipped bit of it is damage
        raise DataDirError(
            f"{path} has format version {version}; this release knows {DOCUMENT_VERSION}",
            path=path,
            version=version,
        )
    return content[_HEADER.size : end]
