"""Commands of a node with their defaults filled in."""

from __future__ import annotations

from goutube._native import join_records
from goutube.model import Batch
from goutube.node import Append, AtOffset, Read


def batch_of(*records: bytes) -> Batch:
    """A batch as a client builds it."""
    tables, data, flags, checksum = join_records(records)
    return Batch(len(records), flags, tables, data, checksum)


def append(name: str, *records: bytes, stream_id=0, expected=None, producer=None, seal=False):
    """An append command."""
    batch = batch_of(*records) if records else None
    return Append(name, stream_id, batch, expected, producer, 0, seal)


def read_all(world, name):
    """A stream's bytes, by as many reads as it takes."""
    content, offset = b"", 0
    while True:
        answer = world.call(Read(name, 0, AtOffset(offset), None, 1 << 16, False, False))
        if not answer.data:
            return content
        assert answer.offset == offset
        content, offset = content + answer.data, answer.next_offset
