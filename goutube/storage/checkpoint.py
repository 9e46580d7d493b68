"""A shard's catalogue as of one index, so that opening need not fold the whole log."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from goutube.errors import CorruptionError
from goutube.ports import Disk
from goutube.storage.document import read_document, write_document

_MAGIC: Final = b"gtC1"
_HEAD: Final = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state that the entries up to (index, term) lead to, as its owner encoded it.

    It never runs ahead of the durable log.
    """

    index: int
    term: int
    state: bytes


def write_checkpoint(disk: Disk, directory: str, checkpoint: Checkpoint) -> None:
    """Replace a shard's checkpoint."""
    body = _HEAD.pack(checkpoint.index, checkpoint.term) + checkpoint.state
    write_document(disk, f"{directory}/checkpoint", _MAGIC, body)


def read_checkpoint(disk: Disk, directory: str) -> Checkpoint | None:
    """A shard's checkpoint; None where there is none, or a damaged one: the log leads there too."""
    path = f"{directory}/checkpoint"
    if not disk.exists(path):
        return None
    try:
        body = read_document(disk, path, _MAGIC)
    except CorruptionError:
        return None
    index, term = _HEAD.unpack_from(body)
    return Checkpoint(index, term, body[_HEAD.size :])
