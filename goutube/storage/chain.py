"""Which of a shard's segments make up its log."""

from __future__ import annotations

from goutube.crash_points import CrashPoint
from goutube.ports import Disk
from goutube.storage.entries import SegmentName
from goutube.storage.headers import look_at_segment
from goutube.storage.index import ActiveIndex
from goutube.storage.segment import SEGMENT_HEADER_BYTES, Segment, SegmentHeader, shard_directory
from goutube.storage.shard_log import ShardLog


def find_chain(disk: Disk, log: ShardLog) -> list[SegmentName]:
    """The segments that make up the log, in order.

    The others are put aside to be removed: what a truncation hid, or never came to be durable.
    """
    files = disk.list(shard_directory(log.shard))
    names = [name for name in map(SegmentName.parse, files) if name is not None]
    _remove_leavings(disk, log, files, names)
    chain: list[SegmentName] = []
    named = [n for n in names if n.generation <= log.generation]
    hidden = [name for name in names if name not in named]
    for name in sorted(named, key=lambda n: (n.generation, n.first_index, n.revision)):
        while chain and chain[-1].first_index >= name.first_index:
            hidden.append(chain.pop())
        chain.append(name)
    log.hidden = [hidden_segment(log, name) for name in hidden]
    return chain


def _remove_leavings(disk: Disk, log: ShardLog, files: list[str], names: list[SegmentName]) -> None:
    """Remove what a crash left of files that were being made or removed."""
    wanted = {name.index_name for name in names}
    wanted |= {name.heads_name for name in names if name.index_name not in files}
    for file in files:
        if file.endswith(".tmp") or (file.endswith((".idx", ".heads")) and file not in wanted):
            disk.remove(f"{shard_directory(log.shard)}/{file}")
            disk.reached(CrashPoint.LEAVING_REMOVED)


def goes_on(disk: Disk, log: ShardLog, name: SegmentName, marked: int) -> bool:
    """Whether a segment behind the mark follows the log, and was there to last.

    What is gone of what the mark tells of does not part it from what follows.
    """
    before = name.first_index - 1
    if log.segments and before != max(log.last_index, marked):
        return False
    if not log.segments and before > max(marked, log.checkpoint_index):
        return False  # the first one that there is has only what was freed before it
    _, header = look_at_segment(disk, log, name)
    if header is None:
        return False
    told = log.segments and before == log.last_index
    return header.previous_index == before and (not told or header.previous_term == log.last_term)


def hidden_segment(log: ShardLog, name: SegmentName) -> Segment:
    """A segment that is only there to be removed."""
    header = SegmentHeader(log.shard, log.replica, name, 0, 0, 0, bytes(16))
    return Segment(header, ActiveIndex(), SEGMENT_HEADER_BYTES, 0, sealed=True)
