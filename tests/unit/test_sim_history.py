"""The checker of the simulation sees each kind of broken promise."""

from __future__ import annotations

import pytest

from goutube._native import ReadData, crc32c
from goutube.errors import (
    CorruptionError,
    DiskFullError,
    OffsetOutOfRangeError,
    StreamNotFoundError,
    StreamSealedError,
)
from goutube.model import AppendResult, StreamId, StreamInfo, StreamProperties
from goutube.node import (
    AtOffset,
    Command,
    DeleteStream,
    DescribeStream,
    Read,
    ReadAnswer,
    Reply,
    SealStream,
    TrimStream,
)
from goutube.sim import BrokenPromiseError, History
from goutube.sim.content import make_record
from tests.support.commands import append

ID = StreamId(7)


class Told:
    """A history, and answers to tell it."""

    def __init__(self) -> None:
        self.history = History()

    def answer(self, command: Command, result=None, error=None) -> None:
        asked = self.history.submitted(command)
        self.history.replied(command, asked, Reply(1, result, error))

    def append(self, number: int, offset: int, size: int = 100, **options):
        """Batch ``number`` is acknowledged at an offset."""
        record = make_record(number, size)
        if number not in self.history.batches:
            self.history.built("s", [number], record)
        self.answer(append("s", record, **options), AppendResult(offset, offset + size, ID))

    def describe(self, start: int, end: int, *, sealed: bool = False) -> None:
        self.answer(DescribeStream("s"), info(start, end, sealed=sealed))

    def read(self, offset: int, data: bytes, end: int) -> None:
        read = Read("s", ID, AtOffset(offset), None, 1000, False, False)
        after = offset + len(data)
        answer = ReadAnswer(
            ID, offset, ReadData(data), crc32c(data), b"", b"", 0, after, 0, end, False
        )
        self.answer(read, answer)


def info(start: int, end: int, *, sealed: bool = False, stream_id: int = ID) -> StreamInfo:
    return StreamInfo("s", StreamId(stream_id), start, end, 1, sealed, 0, 0, StreamProperties())


@pytest.fixture
def told() -> Told:
    """Two batches are acknowledged."""
    told = Told()
    told.append(1, 0)
    told.append(2, 100)
    return told


def test_what_is_kept_is_no_fault(told):
    """Answers that agree with each other pass."""
    told.describe(0, 200)
    told.read(0, make_record(1, 100) + make_record(2, 100), 200)
    told.history.listed([info(0, 200)])
    told.history.parse(told.history.streams[ID])


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("a batch twice", lambda told: told.append(1, 200)),
        ("another place", lambda told: told.append(3, 50)),
        ("a lower end", lambda told: told.describe(0, 150)),
        ("a start that nobody asked for", lambda told: told.describe(50, 200)),
        ("a seal that nobody asked for", lambda told: told.describe(0, 200, sealed=True)),
        ("other bytes", lambda told: told.read(0, b"x" * 10, 200)),
        ("a read beyond the end", lambda told: told.read(190, b"x" * 20, 200)),
        ("a stream that is gone", lambda told: told.history.listed([])),
        ("a batch that was refused", lambda told: told.history.refused(told.history.batches[1])),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_broken_promise_is_seen(told, what, how):
    """Each by itself."""
    with pytest.raises(BrokenPromiseError):
        how(told)


def test_records_that_nobody_sent_and_halves_of_batches_are_seen(told):
    """What lies between the acknowledged batches is looked at, too."""
    told.read(200, make_record(9, 50), 250)
    with pytest.raises(BrokenPromiseError, match="no batch's beginning"):
        told.history.parse(told.history.streams[ID])
    told.history.built("s", [9, 10], make_record(9, 50) + make_record(10, 50))
    with pytest.raises(BrokenPromiseError, match="whole batch"):
        told.history.parse(told.history.streams[ID])


def test_a_batch_that_was_refused_may_not_appear_later(told):
    """Not even as part of what a read shows."""
    told.history.built("s", [3], make_record(3, 100))
    told.history.refused(told.history.batches[3])
    told.read(200, make_record(3, 100), 300)
    with pytest.raises(BrokenPromiseError, match="refused"):
        told.history.parse(told.history.streams[ID])


def test_changes_are_never_undone(told):
    """A trim, a seal, a deletion."""
    told.answer(TrimStream("s", ID, 50), info(50, 200))
    with pytest.raises(BrokenPromiseError, match="starts at"):
        told.describe(0, 200)
    told.answer(SealStream("s", ID), info(50, 200, sealed=True))
    with pytest.raises(BrokenPromiseError, match="sealed"):
        told.append(3, 200)
    with pytest.raises(BrokenPromiseError, match="sealed"):
        told.describe(50, 200)
    told.answer(DeleteStream("s", ID))
    with pytest.raises(BrokenPromiseError, match="deleted"):
        told.describe(50, 200, sealed=True)


@pytest.mark.parametrize(
    "error",
    [
        StreamNotFoundError("gone"),
        StreamSealedError("sealed"),
        CorruptionError("damaged"),
        DiskFullError("full"),
        OffsetOutOfRangeError("out"),
    ],
    ids=lambda error: error.reason,
)
def test_an_error_needs_a_reason(told, error):
    """Nobody deleted, sealed, trimmed or filled anything, and no bit was turned."""
    with pytest.raises(BrokenPromiseError):
        told.answer(Read("s", ID, AtOffset(10), None, 1000, False, False), error=error)


def test_an_error_that_fits_is_none(told):
    """A damaged directory excuses unreadable bytes, never other ones."""
    told.history.excuses.damaged = True
    told.answer(
        Read("s", ID, AtOffset(10), None, 1000, False, False), error=CorruptionError("damaged")
    )
    with pytest.raises(BrokenPromiseError):
        told.read(0, b"x" * 10, 200)


def test_the_same_batch_may_be_in_a_stream_that_was_deleted(told):
    """Its client never heard which stream had taken it."""
    told.answer(DeleteStream("s", ID))
    record = make_record(1, 100)
    told.answer(append("s", record), AppendResult(0, 100, StreamId(8)))
    with pytest.raises(BrokenPromiseError):
        told.answer(append("s", record), AppendResult(0, 100, StreamId(9)))
