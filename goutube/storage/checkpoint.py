"""A shard's catalogue as of one index, so that opening need not fold the whole log.

Two are kept, in two slots that are written in turns: the bytes of freed segments lead nowhere any
more, so a segment is freed only when both cover it, and one damaged checkpoint costs nothing.
"""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from goutube.crash_points import CHECKPOINT_POINTS
from goutube.errors import CorruptionError
from goutube.ports import Disk
from goutube.storage.damage import Mended
from goutube.storage.document import read_document, write_document

CHECKPOINT_SLOTS: Final = (0, 1)
_MAGIC: Final = b"gtC1"
_HEAD: Final = struct.Struct("<QQ")


class Checkpoint(Struct, frozen=True):
    """The state that the entries up to (index, term) lead to, as its owner encoded it.

    It never runs ahead of the durable log.
    """

    index: int
    term: int
    state: bytes


def checkpoint_path(directory: str, slot: int) -> str:
    """The path of a slot's document."""
    return f"{directory}/checkpoint-{slot}"


def write_checkpoint(disk: Disk, directory: str, slot: int, checkpoint: Checkpoint) -> None:
    """Replace what a slot holds."""
    body = _HEAD.pack(checkpoint.index, checkpoint.term) + checkpoint.state
    write_document(disk, checkpoint_path(directory, slot), _MAGIC, body, CHECKPOINT_POINTS)


def read_checkpoints(
    disk: Disk, directory: str, damaged: list[Mended] | None = None
) -> dict[int, Checkpoint]:
    """The whole ones among a shard's checkpoints, by slot; the others are put on a list."""
    found = {}
    for slot in CHECKPOINT_SLOTS:
        path = checkpoint_path(directory, slot)
        if not disk.exists(path):
            continue
        try:
            body = read_document(disk, path, _MAGIC)
        except CorruptionError as error:
            if damaged is not None:
                damaged.append(Mended(path, error.message))
            continue
        index, term = _HEAD.unpack_from(body)
        found[slot] = Checkpoint(index, term, body[_HEAD.size :])
    return found
