"""Giving back the space of segments of which nobody needs a byte any more.

A freed segment keeps its place in the log: its header, its run of indexes, their terms. Those at
the front of the log go altogether, in order, so that the log never has a hole.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from goutube.ports import Call, Disk, Outcome
from goutube.storage.segment import (
    SEGMENT_HEADER_BYTES,
    Segment,
    free_segment_file,
    remove_segment_file,
)
from goutube.storage.shard_log import ShardLog
from goutube.storage.store import Store

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


def free_segment(store: Store, segment: Segment, then: Callable[[bool], None]) -> None:
    """Free a sealed segment that both checkpoints cover.

    ``then`` is told whether it was done: on a disk that is full to the last block it cannot be.
    """

    def done(outcome: Outcome) -> None:
        if isinstance(outcome.error, OSError) and outcome.error.errno in _NO_ROOM:
            then(False)
            return
        if store.fail(outcome):
            return
        before = segment.file
        assert before is not None
        assert isinstance(outcome.value, tuple)
        segment.file, segment.index = outcome.value
        store.stats.segments_freed += 1
        store.stats.freed_bytes += segment.size - SEGMENT_HEADER_BYTES
        segment.size = segment.reserved = SEGMENT_HEADER_BYTES
        assert segment.file is not None
        segment.file.rest()
        before.close()
        then(True)

    store.start(lambda ticket: Call(ticket, lambda disk: free_segment_file(disk, segment)), done)


def drop_freed(store: Store, log: ShardLog, then: Callable[[], None]) -> None:
    """Remove the freed segments at the front of a log; the last segment always stays."""
    dropped: list[Segment] = []
    while len(log.segments) > 1 and log.segments[0].freed:
        dropped.append(log.drop_first_segment())

    def remove(disk: Disk) -> None:
        for segment in dropped:
            remove_segment_file(disk, segment)

    def done(outcome: Outcome) -> None:
        for segment in dropped:
            if segment.file is not None:
                segment.file.close()
        if not store.fail(outcome):
            then()

    if dropped:
        store.start(lambda ticket: Call(ticket, remove), done)
    else:
        then()
