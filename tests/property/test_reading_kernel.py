"""The reading kernel answers what its slow twin does, and never gives out a byte that is wrong."""

from __future__ import annotations

import os
import random
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from goutube._native import (
    VERDICT_OK,
    VERDICT_WOULD_BLOCK,
    DiskThreads,
    encode_read_response,
    read_file_run,
    read_run,
)
from goutube.api import stream_pb2
from tests.reference.reading import Answer, Entry, Request, encode, read

SALT = 0xC0FFEE
UNHURRIED = settings(deadline=None)
STREAMS = (1, 2, 3)
SMALL = st.integers(1, 40)
LARGE = st.one_of(
    st.integers(1, 300), st.integers(30_000, 80_000), st.sampled_from([65536, 131072, 65535])
)


@st.composite
def _entries(draw, record_bytes=SMALL, count_max=8):
    """Batches of interleaved streams, control entries among them."""
    ends, ordinals, stamp = dict.fromkeys(STREAMS, 0), dict.fromkeys(STREAMS, 0), 1000
    entries = []
    for number in range(draw(st.integers(1, count_max))):
        stream_id = draw(st.sampled_from(STREAMS))
        seed = draw(st.integers(0, 2**16))
        sizes = draw(st.lists(record_bytes, max_size=5))
        records = [random.Random(seed + place).randbytes(size) for place, size in enumerate(sizes)]
        deltas = None
        if records and draw(st.booleans()):
            steps = draw(st.lists(st.integers(0, 9), min_size=len(records), max_size=len(records)))
            deltas = [sum(steps[1 : place + 1]) for place in range(len(steps))]
        entry = Entry(
            stream_id, ends[stream_id], ordinals[stream_id], stamp, records, deltas,
            bytes(draw(st.integers(0, 20))),
        )  # fmt: skip
        entries.append(entry)
        ends[stream_id] += len(entry.data)
        ordinals[stream_id] += len(records)
        stamp = max([stamp, *entry.times()]) + draw(st.integers(0, 5)) * (number % 2)
    return entries


@st.composite
def _asked(draw, entries_strategy):
    """Entries and a question about them, mostly one that has an answer."""
    entries = draw(entries_strategy)
    stream_id = draw(st.sampled_from(STREAMS))
    size = sum(len(entry.data) for entry in entries if entry.stream_id == stream_id)
    first = draw(st.integers(0, size + 2))
    limit = draw(st.just(size) | st.integers(first, size + 5) | st.just(2**64 - 1))
    bytes_max = draw(st.just(1 << 20) | st.integers(0, size + 5) | st.integers(1, 50))
    ordinal = draw(st.just(0) | st.integers(0, 12))
    stamp = draw(st.just(0) | st.integers(990, 1060))
    return entries, Request(stream_id, first, limit, ordinal, stamp, bytes_max, draw(st.booleans()))


def _numbers(packed: bytes, width: str) -> list[int]:
    return [number for (number,) in struct.iter_unpack("<" + width, packed)]


def _said(run) -> Answer:
    """A kernel's answer in the twin's words, its checksum verified."""
    assert run.checksum == crc32c(run.data)
    return Answer(
        run.verdict, run.needed, run.offset, run.next_offset, run.data,
        _numbers(run.lengths, "I"), _numbers(run.timestamps, "Q"), run.ordinal,
    )  # fmt: skip


@contextmanager
def _file(content: bytes) -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.fileno()


def _segment(entries, before=0):
    """Some bytes that belong to nobody, the entries, and some more."""
    encoded = b"".join(encode(entry, index, SALT) for index, entry in enumerate(entries, 1))
    return b"\xee" * before + encoded + b"\xee" * 16, len(encoded)


def _answers_everywhere(entries, request) -> None:
    """Out of memory, out of a file, and on a thread: the twin's answer."""
    segment, count = _segment(entries, before=24)
    place = (24, count, SALT)
    expected = read(entries, request)
    assert _said(read_run(segment, *place, *request.arguments())) == expected
    with _file(segment) as fd:
        run = read_file_run(fd, *place, *request.arguments(), nowait=False)
        assert _said(run) == expected
        run = read_file_run(fd, *place, *request.arguments(), nowait=True)
        if run.verdict != VERDICT_WOULD_BLOCK:
            assert _said(run) == expected


@UNHURRIED
@given(_asked(_entries()))
def test_small_batches(asked):
    """Random logs, random ranges: the kernel says what the twin says."""
    _answers_everywhere(*asked)


@settings(UNHURRIED, max_examples=40)
@given(_asked(_entries(record_bytes=LARGE, count_max=4)))
def test_batches_with_block_checksums(asked):
    """The same around and beyond 65536 bytes of data."""
    _answers_everywhere(*asked)


def _reads_on(entries, records, bytes_max) -> None:
    segment, count = _segment(entries)
    for stream_id in STREAMS:
        whole = b"".join(entry.data for entry in entries if entry.stream_id == stream_id)
        got, offset, room = bytearray(), 0, bytes_max
        while len(got) < len(whole):
            request = Request(stream_id, offset, len(whole), 0, 0, room, records)
            run = read_run(segment, 0, count, SALT, *request.arguments())
            if run.needed:
                room = run.needed
                continue
            assert run.verdict == VERDICT_OK
            assert run.offset == offset
            assert run.data
            got += run.data
            offset = run.next_offset
        assert got == whole


@UNHURRIED
@given(_entries(), st.booleans(), st.integers(1, 60))
def test_reading_on_yields_the_stream(entries, records, bytes_max):
    """Answers one behind the other are the stream, none of its bytes missing or doubled."""
    _reads_on(entries, records, bytes_max)


@settings(UNHURRIED, max_examples=25)
@given(_entries(record_bytes=LARGE, count_max=4), st.booleans(), st.integers(20_000, 200_000))
def test_reading_on_yields_a_stream_of_large_batches(entries, records, bytes_max):
    """The same with block checksums, at any place in the blocks."""
    _reads_on(entries, records, bytes_max)


def _never_wrong(run, expected, request) -> None:
    """Whatever was damaged: what is returned is a beginning of the right answer."""
    assert run.data == expected.data[: len(run.data)]
    if run.data:
        assert run.verdict == VERDICT_OK
        assert run.offset == expected.offset
        assert run.checksum == crc32c(run.data)
        lengths, timestamps = _numbers(run.lengths, "I"), _numbers(run.timestamps, "Q")
        assert lengths == expected.lengths[: len(lengths)]
        assert timestamps == expected.timestamps[: len(timestamps)]
        assert not request.records or sum(lengths) == len(run.data)
    elif run.verdict == VERDICT_OK:
        assert not expected.data


FLIPPED = [
    Entry(1, 0, 0, 1000, [b"abc", b"defgh"], [0, 3], b"name"),
    Entry(2, 0, 0, 1004, [b"another"], None, b""),
    Entry(1, 8, 2, 1004, [b"ijk"], None, b""),
    Entry(3, 0, 0, 1005, [], None, b"control"),
    Entry(1, 11, 3, 1005, [b"l", b"mn"], [0, 1], b""),
]


@pytest.mark.parametrize("records", [False, True])
def test_no_flipped_byte_gets_through(records):
    """Every bit of a segment flipped, each alone: no wrong byte, length, time or end."""
    segment, count = _segment(FLIPPED)
    request = Request(1, 0, 14, 0, 0, 100, records)
    expected = read(FLIPPED, request)
    changed = bytearray(segment)
    for place in range(count * 8):
        changed[place // 8] ^= 1 << place % 8
        run = read_run(changed, 0, count, SALT, *request.arguments())
        _never_wrong(run, expected, request)
        changed[place // 8] ^= 1 << place % 8


def test_no_flipped_byte_of_a_large_batch_gets_through():
    """Headers, tables and a sample of the blocks: damage outside what was asked is no matter."""
    data = random.Random(7).randbytes(200_000)
    large = Entry(1, 5, 1, 1000, [data[:70_000], data[70_000:]], [0, 9], b"xyz")
    entries = [Entry(1, 0, 0, 1000, [b"first"], None, b""), large]
    segment, count = _segment(entries)
    request = Request(1, 0, 140_000, 0, 0, 1 << 20, False)
    expected = read(entries, request)
    head = count - 200_000 - 8
    places = [*range(head), *range(head, count, 997)]
    changed = bytearray(segment)
    for place in places:
        changed[place] ^= 0x40
        run = read_run(changed, 0, count, SALT, *request.arguments())
        _never_wrong(run, expected, request)
        changed[place] ^= 0x40
    changed[-30] ^= 1
    run = read_run(changed, 0, count, SALT, *request.arguments())
    assert _said(run) == expected


def test_blocks_taken_whole_and_in_part_make_one_checksum():
    """It is joined from the blocks' own, behind what an earlier batch has brought, or walked."""
    data = random.Random(8).randbytes(4 * 65536 + 100)
    entries = [
        Entry(1, 0, 0, 1000, [b"first"], None, b""),
        Entry(1, 5, 1, 1000, [data], None, b""),
        Entry(1, 5 + len(data), 2, 1000, [data[:131072]], None, b""),
    ]
    segment, count = _segment(entries)
    whole = b"first" + data + data[:131072]
    for first in (0, 4, 5, 6, 5 + 65536, 5 + 3 * 65536 + 1):
        for limit in (first + 1, 5 + 4 * 65536, len(whole) - 1, len(whole)):
            request = Request(1, first, max(first, limit), 0, 0, 1 << 20, False)
            run = read_run(segment, 0, count, SALT, *request.arguments())
            assert run.data == whole[first:limit]
            assert run.checksum == crc32c(run.data)


@UNHURRIED
@given(_asked(st.one_of(_entries(), _entries(LARGE, 3))))
def test_what_was_read_becomes_the_message(asked):
    """However much less than the room for it was found, and however many records tables tell of."""
    entries, request = asked
    segment, count = _segment(entries)
    run = read_run(segment, 0, count, SALT, *request.arguments())
    wanted = stream_pb2.ReadResponse(
        stream_id=1, offset=run.offset, data=bytes(run.data), checksum=run.checksum,
        lengths=run.lengths, timestamps=run.timestamps, ordinal=run.ordinal,
        next_offset=run.next_offset, end_offset=2**64 - 1, end_of_stream=True,
    )  # fmt: skip
    message = encode_read_response(
        1, run.offset, run.data, run.checksum, run.lengths, run.timestamps, run.ordinal,
        run.next_offset, 2**64 - 1, True,
    )  # fmt: skip
    assert stream_pb2.ReadResponse.FromString(message) == wanted


def test_a_message_is_as_long_as_what_is_in_it():
    """A batch of 100 bytes is read with room for its whole entry: the length of data takes less."""
    segment, count = _segment([Entry(1, 0, 0, 1000, [b"x" * 100], None, b"")])
    assert count > 128
    run = read_run(segment, 0, count, SALT, 1, 0, 1000, 0, 0, 1 << 20, False)
    message = encode_read_response(1, 0, run.data, 0, b"", b"", 0, 0, 0, False)
    assert message == b"\x1a\x64" + b"x" * 100 + b"\x08\x01"


@pytest.mark.parametrize("records", [False, True])
def test_an_answer_has_no_gap(records):
    """Headers whose ordinals and times run backwards cannot punch a hole into an answer."""
    entries = [
        Entry(1, 0, 5, 1000, [b"abc"], None, b""),
        Entry(1, 3, 4, 900, [b"de", b"fgh"], None, b""),
    ]
    segment, count = _segment(entries)
    request = Request(1, 0, 8, 5, 1000, 100, records)
    run = read_run(segment, 0, count, SALT, *request.arguments())
    assert (run.offset, run.data, run.next_offset) == (0, b"abcdefgh", 8)


@UNHURRIED
@given(
    _asked(_entries(count_max=4)),
    st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=9)), max_size=4),
    st.integers(0, 300),
)
def test_no_damage_gets_through(asked, changes, cut):
    """Stretches overwritten and the end cut off: still nothing wrong, and nothing read beyond."""
    entries, request = asked
    segment, count = _segment(entries)
    changed = bytearray(segment)
    for place, content in changes:
        first = place % len(changed)
        changed[first : first + len(content)] = content
    changed = bytes(changed[: len(segment) - 16 - cut])
    expected = read(entries, request)
    run = read_run(changed, 0, count, SALT, *request.arguments())
    _never_wrong(run, expected, request)
    with _file(changed) as fd:
        from_file = read_file_run(fd, 0, count, SALT, *request.arguments(), nowait=False)
        _never_wrong(from_file, expected, request)


def test_threads_read_what_this_thread_reads(tmp_path):
    """Many reads on several threads at once, each with its own answer."""
    chance = random.Random(11)
    entries, end = [], 0
    for number in range(60):
        records = [chance.randbytes(chance.choice([10, 500, 70_000]))]
        entries.append(Entry(1, end, number, 1000 + number, records, None, b""))
        end += len(entries[-1].data)
    segment, count = _segment(entries)
    path = tmp_path / "segment"
    path.write_bytes(segment)
    fd = os.open(path, os.O_RDONLY)
    threads = DiskThreads(4)
    requests = {}
    for ticket in range(100):
        first = chance.randrange(end)
        requests[ticket] = Request(1, first, end, 0, 0, chance.choice([1, 300, 100_000]), False)
        threads.submit_read(ticket, fd, 0, count, SALT, *requests[ticket].arguments())
    threads.close()
    ended = threads.completed()
    os.close(fd)
    assert sorted(ticket for ticket, _, _ in ended) == sorted(requests)
    whole = b"".join(entry.data for entry in entries)
    for ticket, error, run in ended:
        request = requests[ticket]
        assert error == 0
        assert run.data == whole[request.first_offset :][: request.bytes_max]
        assert run.checksum == crc32c(run.data)
