"""Coverage-guided: whatever stands in a checkpoint, up to the catalogue of streams in it.

The bytes are read as they are, and once more as the body of a whole document, so that what lies
behind the checksum is reached. They are a catalogue that is written as it was read, or an error that
names the file. ``python -m tests.fuzz.fuzz_checkpoint -max_total_time=60``; any libFuzzer option, or
files to repeat.
"""

from __future__ import annotations

import struct
import sys

import atheris

with atheris.instrument_imports(include=["goutube.storage", "goutube.node"]):
    from goutube._native import crc32c
    from goutube.errors import CorruptionError, DataDirError, GoutubeError
    from goutube.node.state import decode_catalogue, encode_catalogue
    from goutube.sim import MemoryDisk
    from goutube.storage.document import read_document

PATH = "shards/0000/checkpoint-0"
MAGIC = b"gtC1"
HEAD = struct.Struct("<4sII")
BODY_AT = HEAD.size + 16
"""Of the catalogue in a document: behind its header, an index and a term."""


def judge(data: bytes) -> None:
    """Take the bytes for a file, for the body of one, and for a catalogue."""
    for content in (data, document(data[HEAD.size : -4])):
        _read_file(content)
    for state in (data, data[BODY_AT:-4]):
        _read_catalogue(state)


def document(body: bytes) -> bytes:
    """A whole document around a body."""
    content = HEAD.pack(MAGIC, 1, len(body)) + body
    return content + struct.pack("<I", crc32c(content))


def _read_file(content: bytes) -> None:
    disk = MemoryDisk()
    disk.make_directory("shards")
    disk.make_directory("shards/0000")
    disk.open(PATH, create=True).write(0, content)
    try:
        body = read_document(disk, PATH, MAGIC)
    except (CorruptionError, DataDirError) as error:
        check_named(error)
    else:
        assert document(body) == content


def _read_catalogue(state: bytes) -> None:
    try:
        catalogue = decode_catalogue(state, 7, PATH)
    except CorruptionError as error:
        check_named(error)
        return
    assert catalogue.applied_index == 7
    again = decode_catalogue(encode_catalogue(catalogue), 7, PATH)
    assert list(again.by_id) == list(catalogue.by_id)
    assert list(again.producer_order()) == list(catalogue.producer_order())


def check_named(error: GoutubeError) -> None:
    """An error says which file it is about."""
    assert PATH in error.message


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()
