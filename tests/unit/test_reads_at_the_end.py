"""Reads while entries are on their way to the disk: what is not written yet is no damage."""

from __future__ import annotations

import pytest

from goutube import ports
from goutube._native import join_records
from goutube.limits import MIB
from goutube.model import Batch, StreamId
from goutube.node import Append, AtOffset, LastRecords, Read
from goutube.sim import APART, World


def append(*records):
    tables, data, flags, checksum = join_records(records)
    return Append(
        "s", StreamId(0), Batch(len(records), flags, tables, data, checksum), None, None, 0, False
    )


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("start", [AtOffset(0), AtOffset(3), LastRecords(1)])
def test_an_entry_that_is_under_way_stops_no_read(records, start):
    """It has a place in the index, and no bytes in the file: a read asks for nothing of it.

    The native reader takes a window at a time, and a window beyond the file's end is a torn file.
    """
    world = World(storage=APART)
    world.call(append(b"one"))
    world.call(append(b"two"))
    world.submit(append(b"three"))
    world.round()
    (write,) = [job for job in world.pending if isinstance(job, ports.WriteSegment)]
    token = world.submit(Read("s", StreamId(0), start, None, MIB, records, False))
    world.round()
    (place,) = [n for n, job in enumerate(world.pending) if isinstance(job, ports.ReadEntries)]
    job = world.pending[place]
    assert job.position + job.count == write.position
    world.run_one(place)
    world.round()
    reply = world.replies[token]
    assert reply.error is None
    assert bytes(reply.result.data) == (b"onetwo" if start == AtOffset(0) else b"two")
    assert reply.result.end_offset == 6
