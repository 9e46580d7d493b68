"""Bytes that a repair gives up, kept aside in a folder of the data directory.

The manifest is written last: a folder without one is left over from a repair that was cut off.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from goutube.limits import MIB
from goutube.ports import Disk

REMOVED_FOLDER: Final = "removed"
_MANIFEST: Final = "manifest.json"


class KeptAside(Struct, frozen=True):
    """A range of bytes of one file: where it stood."""

    path: str
    position: int
    byte_count: int


def keep_aside(disk: Disk, ranges: Sequence[KeptAside], about: dict[str, object]) -> str:
    """Copy ranges of bytes into a new folder, durable, with what ``about`` says; the folder.

    What a file does not have is left out.
    """
    disk.make_directory(REMOVED_FOLDER)
    taken = [int(name) for name in disk.list(REMOVED_FOLDER) if name.isdecimal()]
    folder = f"{REMOVED_FOLDER}/{max(taken, default=0) + 1}"
    disk.make_directory(folder)
    files = []
    for kept in ranges:
        if not disk.exists(kept.path):
            continue
        name = f"{kept.path.replace('/', '-')}-{kept.position}"
        count = _copy(disk, kept, f"{folder}/{name}")
        files.append({"file": name, "path": kept.path, "position": kept.position, "bytes": count})
    content = json.dumps({**about, "files": files}, ensure_ascii=False, indent=1).encode()
    temporary = f"{folder}/{_MANIFEST}.tmp"
    file = disk.open(temporary, create=True)
    try:
        file.write(0, content, b"\n")
        file.sync()
    finally:
        file.close()
    disk.rename(temporary, f"{folder}/{_MANIFEST}")
    disk.sync_directory(folder)
    return folder


def _copy(disk: Disk, kept: KeptAside, target_path: str) -> int:
    """Copy one range, durable but for its name; how many bytes there were."""
    source = disk.open(kept.path, write=False)
    target = disk.open(target_path, create=True)
    done = 0
    try:
        while done < kept.byte_count:
            piece = source.read(kept.position + done, min(MIB, kept.byte_count - done))
            if not piece:
                break
            target.write(done, piece)
            done += len(piece)
        target.sync()
    finally:
        source.close()
        target.close()
    return done
