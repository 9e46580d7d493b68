"""What lies in the segments of a data directory, entry by entry, and which files there are."""

from __future__ import annotations

from goutube._native import scan_entries
from goutube.sim import MemoryDisk
from goutube.storage.entries import SegmentName
from goutube.storage.segment import SEGMENT_HEADER_BYTES, SegmentHeader


def files(disk: MemoryDisk, ending: str) -> list[str]:
    """The shards' files with this ending, oldest segment first."""
    return sorted(name for name in disk.names if name.endswith(ending) and "shards/" in name)


def entries_in(disk: MemoryDisk, path: str) -> dict[int, bytes]:
    """Index -> bytes of every entry of a segment, whose header and payload are whole."""
    content = disk.open(path).map()
    header = SegmentHeader.decode(content, path)
    runs = [(header.name.first_index, 1 << 40)]
    if header.compacted:
        runs = list(header.kept(content, path).runs())
    found, position = {}, SEGMENT_HEADER_BYTES
    part = header.entries_of(content)
    for first, last in runs:
        scan = scan_entries(part, position, header.salt, first, 0, 0, last + 1 - first)
        position = scan.position
        for entry in scan.headers:
            found[entry.index] = bytes(part[entry.position : entry.position + entry.entry_bytes])
        if header.compacted:
            assert scan.headers[-1].index == last
    return found


def entries_on(disk: MemoryDisk, shard: int = 0) -> dict[int, bytes]:
    """Index -> bytes of every entry of a shard but for the salted checksum of its header.

    Of two revisions of a segment the newer one counts.
    """
    found: dict[int, bytes] = {}
    for path in files(disk, ".seg"):
        if path.startswith(f"shards/{shard:04d}/"):
            entries = entries_in(disk, path)
            found |= {index: entry[:124] + entry[128:] for index, entry in entries.items()}
    return found


def assert_nothing_leaked(disk: MemoryDisk) -> None:
    """No temporary, no index nor heads without their segment, no segment of an older revision."""
    assert files(disk, ".tmp") == []
    segments = files(disk, ".seg")
    assert {path[:-4] for path in files(disk, ".idx")} <= {path[:-4] for path in segments}
    open_segments = {path[:-4] for path in segments} - {p[:-4] for p in files(disk, ".idx")}
    assert {path[:-6] for path in files(disk, ".heads")} <= open_segments
    names = [SegmentName.parse(path.rpartition("/")[2]) for path in segments]
    folders = [path.rpartition("/")[0] for path in segments]
    places = [(folder, n.first_index) for folder, n in zip(folders, names, strict=True)]
    assert len(places) == len(set(places))
