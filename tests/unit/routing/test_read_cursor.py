"""Read cursors by script: what is asked for after a break, and which answers are believed."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import pytest

from goutube.errors import InvalidArgumentError, WireFormatError
from goutube.routing import ReadCursor, ReadWish, Start, choose_start


@dataclass
class Answer:
    offset: int
    data: bytes
    end_offset: int = 100
    stream_id: int = 7
    checksum: int | None = None
    lengths: bytes = b""
    timestamps: bytes = b""
    next_offset: int = -1
    end_of_stream: bool = False

    def __post_init__(self) -> None:
        if self.checksum is None:
            self.checksum = zlib.crc32(self.data)
        if self.next_offset < 0:
            self.next_offset = self.offset + len(self.data)


def cursor(start=Start("offset", 0), **changes) -> ReadCursor:  # noqa: B008 - frozen
    asked = {"limit": None, "records": False, "follow": False} | changes
    return ReadCursor(ReadWish("s", 0, start, **asked), zlib.crc32)


def test_a_read_goes_on_at_the_next_byte_of_the_same_stream():
    """After a break: the id that answered, the exact offset, the end as it was at the beginning."""
    read = cursor(Start("last_bytes", 60))
    assert read.wish().start == Start("last_bytes", 60)
    assert read.accept(Answer(40, b"x" * 25))
    wish = read.wish()
    assert (wish.stream_id, wish.start, wish.limit) == (7, Start("offset", 65), 100)


def test_a_follower_has_no_end():
    """It asks on without a limit of its own."""
    read = cursor(follow=True)
    assert read.accept(Answer(0, b"", end_offset=0))
    assert read.wish().limit is None
    assert not read.finished


def test_a_follower_from_the_latest_keeps_its_place():
    """The first answer is empty, and tells where "latest" was."""
    read = cursor(Start("latest"), follow=True)
    assert read.accept(Answer(50, b"", end_offset=50))
    assert read.wish().start == Start("offset", 50)


def test_a_limit_ends_it():
    """The user's limit counts where it lies before the end."""
    read = cursor(limit=10)
    read.accept(Answer(0, b"x" * 10))
    assert read.finished


@pytest.mark.parametrize(
    "wrong",
    [
        Answer(1, b"abc"),
        Answer(0, b"abc", checksum=1),
        Answer(0, b"abc", next_offset=4),
    ],
    ids=["gap", "checksum", "length"],
)
def test_a_wrong_answer_is_asked_for_again_and_then_reported(wrong):
    """Two wrong answers may be an accident, three are not."""
    read = cursor()
    assert not read.accept(wrong)
    assert read.wish().start == Start("offset", 0)
    assert read.accept(Answer(0, b"abc"))
    again = Answer(4, b"") if wrong.offset else wrong
    assert not read.accept(again)
    assert not read.accept(again)
    with pytest.raises(WireFormatError):
        read.accept(again)


def test_another_stream_is_not_believed():
    """The id of the first answer holds for all."""
    read = cursor()
    read.accept(Answer(0, b"a"))
    assert not read.accept(Answer(1, b"b", stream_id=8))


def test_records_must_make_up_their_bytes():
    """Lengths and times that do not add up are not believed."""
    answer = Answer(
        5, b"abcde", lengths=struct.pack("<2I", 2, 3), timestamps=struct.pack("<2Q", 10, 11)
    )
    read = cursor(Start("offset", 6), records=True)
    assert read.accept(answer)
    answer.lengths = struct.pack("<2I", 2, 4)
    assert not cursor(records=True).accept(answer)
    answer.lengths = b"abc"
    assert not cursor(records=True).accept(answer)


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ((0, None, None, None), Start("offset", 0)),
        ((9, None, None, None), Start("offset", 9)),
        (("latest", None, None, None), Start("latest")),
        (("earliest", None, None, None), Start("earliest")),
        ((0, 5, None, None), Start("timestamp_ms", 5)),
        ((0, None, 0, None), Start("last_bytes", 0)),
        ((0, None, None, 3), Start("last_records", 3)),
    ],
)
def test_one_place_to_begin(given, start):
    """Every way to say it has one meaning."""
    assert choose_start(*given) == start


@pytest.mark.parametrize(
    "given",
    [(1, 2, None, None), (0, 1, 1, None), ("newest", None, None, None), (-1, None, None, None)],
)
def test_no_two_places_and_no_strange_ones(given):
    """Contradictions and numbers out of range are refused."""
    with pytest.raises(InvalidArgumentError):
        choose_start(*given)
