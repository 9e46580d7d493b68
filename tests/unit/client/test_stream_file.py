"""A stream as a file, over a client in memory that counts what is asked of it."""

from __future__ import annotations

import csv
import io
import os
import random
import shutil
import wave
import zipfile

import pytest

from goutube.client.stream_file import Files
from goutube.errors import InvalidArgumentError, StreamNotFoundError
from goutube.limits import CHUNK_BYTES_DEFAULT
from goutube.model import StreamId, StreamInfo, StreamProperties

CONTENT = random.Random(5).randbytes(3_000_017)


class Memory(Files):
    """Serves one stream in chunks, and notes each range that is asked for."""

    def __init__(self, content, chunk_bytes=CHUNK_BYTES_DEFAULT):
        self.content = content
        self.chunk_bytes = chunk_bytes
        self.asked = []
        self.open_reads = 0
        self.gone = False

    def stat(self, name):
        return StreamInfo(
            name, StreamId(7), 0, len(self.content), 1, False, 0, 0, StreamProperties()
        )

    def read(self, name, offset=0, *, limit=None, stream_id=None, timeout_s=None):
        assert (name, stream_id) == ("s", 7)
        self.asked.append((offset, limit))
        self.open_reads += 1
        try:
            for start in range(offset, limit, self.chunk_bytes):
                if self.gone:
                    raise StreamNotFoundError("gone")
                yield self.content[start : min(start + self.chunk_bytes, limit)]
        finally:
            self.open_reads -= 1


@pytest.fixture
def memory():
    return Memory(CONTENT)


def test_every_way_to_read_gives_the_bytes(memory):
    assert memory.open("s").read() == CONTENT
    target = io.BytesIO()
    shutil.copyfileobj(memory.open("s"), target)
    assert target.getvalue() == CONTENT
    with memory.open("s", buffer_bytes=1000) as file:
        assert b"".join(iter(file.read1, b"")) == CONTENT
        buffer = bytearray(50)
        assert file.seek(-20, os.SEEK_END) == len(CONTENT) - 20
        assert file.readinto(buffer) == 20
        assert buffer[:20] == CONTENT[-20:]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 4096])
def test_it_is_a_file_wherever_one_reads(chunk_bytes):
    """Random seeks and reads give what a file of the same bytes gives."""
    chance = random.Random(chunk_bytes)
    content = CONTENT[:20_000]
    file, twin = Memory(content, chunk_bytes).open("s", buffer_bytes=64), io.BytesIO(content)
    for _ in range(400):
        match chance.randrange(4):
            case 0:
                place = chance.randrange(25_000)
                assert file.seek(place) == twin.seek(place)
            case 1:
                step = chance.randrange(100)
                assert file.seek(step, 1) == twin.seek(step, 1)
            case 2:
                back = chance.randrange(20_000)
                assert file.seek(-back, 2) == twin.seek(-back, 2)
            case _:
                count = chance.randrange(300)
                assert file.read(count) == twin.read(count)
        assert file.tell() == twin.tell()


def test_the_end_is_that_of_the_opening(memory):
    file = memory.open("s")
    memory.content += b"more"
    assert file.seek(0, 2) == len(CONTENT)
    assert file.read() == b""
    assert memory.open("s").seek(0, 2) == len(CONTENT) + 4


def test_the_libraries_of_python_read_it():
    """zipfile, wave and text."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("x/y.txt", "hello")
        written.writestr("z.bin", CONTENT)
    with zipfile.ZipFile(Memory(archive.getvalue()).open("s")) as read:
        assert read.testzip() is None
        assert read.read("x/y.txt") == b"hello"
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(Memory(b"short").open("s"))

    sound = io.BytesIO()
    with wave.open(sound, "wb") as track:
        track.setnchannels(1)
        track.setsampwidth(2)
        track.setframerate(8000)
        track.writeframes(CONTENT[:16_000])
    with wave.open(Memory(sound.getvalue()).open("s")) as track:
        track.setpos(4000)
        assert track.readframes(10) == CONTENT[8000:8020]

    text = io.TextIOWrapper(Memory("ä,1\nö,2\n".encode()).open("s"), "utf-8", newline="")
    assert list(csv.reader(text)) == [["ä", "1"], ["ö", "2"]]


def test_reading_in_order_reads_ahead_and_jumping_does_not(memory):
    file = memory.open("s", buffer_bytes=10_000)
    while file.read(10_000):
        pass
    assert [start for start, _ in memory.asked] == [
        10_000 * (2**step - 1) for step in range(len(memory.asked))
    ]
    del memory.asked[:]
    for place in (5, 2_000_000, 1_000_000):
        file.seek(place)
        file.read(100)
    assert [limit - start for start, limit in memory.asked] == [10_000] * 3


def test_a_closed_file_asks_for_nothing(memory):
    file = memory.open("s")
    file.read(1)
    file.close()
    file.close()
    assert memory.open_reads == 0
    for call in (file.read, file.tell, lambda: file.seek(0), file.readable, file.seekable):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_what_the_protocol_of_files_demands(memory):
    file = memory.open("s")
    assert (file.name, file.mode, file.seekable(), file.readable()) == ("s", "rb", True, True)
    assert not file.writable()
    with pytest.raises(OSError, match="before the beginning"):
        file.seek(-1)
    with pytest.raises(ValueError):
        file.seek(0, 9)
    for call in (lambda: file.write(b"x"), file.fileno, file.truncate):
        with pytest.raises(io.UnsupportedOperation):
            call()


def test_other_errors_are_the_clients_own(memory):
    file = memory.open("s")
    memory.gone = True
    with pytest.raises(StreamNotFoundError):
        file.read(1)
    memory.gone = False
    assert file.read(4) == CONTENT[:4]
    for size in (0, -1, 1 << 40):
        with pytest.raises(InvalidArgumentError, match="buffer_bytes"):
            memory.open("s", buffer_bytes=size)
