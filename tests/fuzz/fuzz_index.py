"""Coverage-guided: whatever stands in an index file, a segment's header or its table of what was kept.

The bytes are read as they are, and once more with every checksum made right, so that what lies
behind the checksums is reached. Each is a value that answers all questions, or an error that names
the file. ``python -m tests.fuzz.fuzz_index -max_total_time=60``; any libFuzzer option, or files.
"""

from __future__ import annotations

import struct
import sys

import atheris

with atheris.instrument_imports(include=["goutube.storage"]):
    from goutube._native import crc32c
    from goutube.errors import CorruptionError, DataDirError, GoutubeError
    from goutube.sim import MemoryDisk
    from goutube.storage.index import SealedIndex, read_index
    from goutube.storage.kept import KeptEntries
    from goutube.storage.segment import SegmentHeader

PATH = "shards/0000/00000000000000000001-000000.idx"
CRC = struct.Struct("<I")


def judge(data: bytes) -> None:
    """Take the bytes for each of the three things, damaged and whole."""
    for content in (data, with_checksums(data)):
        for read in (_read_index, _read_header, _read_kept):
            try:
                read(content)
            except (CorruptionError, DataDirError) as error:
                check_named(error)


def with_checksums(data: bytes) -> bytes:
    """An index file whose checksums are right, whatever else is in it."""
    head, body = data[:64].ljust(64, b"\0"), data[64:]
    head = head[:40] + CRC.pack(crc32c(body)) + head[44:60]
    return head + CRC.pack(crc32c(head)) + body


def _read_index(content: bytes) -> None:
    disk = MemoryDisk()
    disk.make_directory("shards")
    disk.make_directory("shards/0000")
    disk.open(PATH, create=True).write(0, content)
    index = read_index(disk, PATH)
    assert index.byte_count == len(content)
    assert len(index.about.terms) * 16 + len(index) * 40 + 64 == len(content)
    _ask(index)


def _ask(index: SealedIndex) -> None:
    rows = 0
    for stream_id, first, after in index.streams():
        assert index.stream_ids[first] == stream_id
        assert first < after <= len(index)
        found = index.rows_of(stream_id)
        for number in range(min(100, len(found)) if found is not None else 0):
            assert len(found.row(number)) == 5
        wanted = index.row(first)
        part = index.rows(first, after)
        for place in (
            part.at_offset(wanted.offset),
            part.at_ordinal(wanted.ordinal),
            part.before_stamp(wanted.stamp),
        ):
            assert -1 <= place < len(part)
        rows += after - first
        if rows > 1000:
            break


def _read_header(content: bytes) -> None:
    head = content[:252].ljust(252, b"\0")
    for whole in (content, head + CRC.pack(crc32c(head))):
        try:
            header = SegmentHeader.decode(whole, PATH)
        except (CorruptionError, DataDirError) as error:
            check_named(error)
            continue
        header.entries_of(memoryview(whole))
        try:
            header.kept(memoryview(whole), PATH)
        except CorruptionError as error:
            check_named(error)


def _read_kept(content: bytes) -> None:
    for whole in (content, content + CRC.pack(crc32c(content))):
        try:
            kept = KeptEntries.decode(whole, PATH, 0)
        except CorruptionError as error:
            check_named(error)
            continue
        assert len(kept.encode()) == len(whole)
        assert len(list(kept.runs())) == len(kept.firsts)


def check_named(error: GoutubeError) -> None:
    """An error says which file it is about."""
    assert PATH in error.message


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()
