"""Producer sessions by script: what is sent, again and with which numbers, and who is told what."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from goutube.errors import (
    DeadlineExceededError,
    DiskFailedError,
    GoutubeError,
    InvalidArgumentError,
    OffsetMismatchError,
    OutcomeUnknownError,
    OutOfSequenceError,
    OverloadedError,
    StreamNotFoundError,
    StreamSealedError,
    UnavailableError,
    WireFormatError,
)
from goutube.model import AppendResult, Batch, StreamId
from goutube.routing import Operation, ProducerSession

STREAM = StreamId(77)
BROKEN = UnavailableError("broken")


def join(records: Sequence[bytes]) -> Batch:
    return Batch(len(records), 0, b"", b"".join(records), 0)


class Script:
    """A session with a wire that remembers what went out."""

    def __init__(self) -> None:
        ids = (bytes([number]) * 16 for number in itertools.count(1))
        self.session = ProducerSession("s", lambda: next(ids), join, lambda: 0.0)
        self.now = 0
        self.end = 0
        self.requests: list[int] = []
        self.session.opened()

    def submit(self, size: int = 10, records: int = 1, seal: bool = False, **asked) -> Operation:
        operation = Operation(**asked)
        self.more(operation, size, records, seal)
        operation.complete = True
        return operation

    def more(self, operation: Operation, size: int = 10, records: int = 1, seal=False) -> None:
        batch = Batch(records, 0, b"", b"x" * size, 0)
        self.session.submit(operation, batch, self.now, seal=seal)

    def send(self) -> list[tuple[int, int]]:
        """Send what may be sent: (producer, sequence) of each batch."""
        sent = []
        while (parcel := self.session.next_parcel(self.now)) is not None:
            self.requests.append(parcel.request)
            self.last = parcel
            sent.append((self.session.producer_id[0], parcel.sequence))
        return sent

    def answer(self, request: int, size: int = 10, duplicate: bool = False) -> None:
        result = AppendResult(self.end, self.end + size, STREAM, duplicate)
        self.end += size
        self.session.answered(request, result, self.now)

    def broken(self, error=BROKEN, **how) -> int:
        wait = self.session.ended(error, **how)
        self.session.opened()
        return wait


def test_numbers_count_records():
    """Each batch carries the number of its first record, whoever appends it."""
    script = Script()
    script.submit(records=3)
    script.submit(records=2)
    script.submit()
    assert script.send() == [(1, 0), (1, 3), (1, 5)]


def test_an_answer_resolves_its_operation():
    """The first answer belongs to the first batch; the result names its offsets."""
    script = Script()
    one, other = script.submit(), script.submit()
    script.send()
    script.answer(1)
    assert (one.done, other.done) == (True, False)
    assert script.session.take_woken() == [one]
    assert one.result() == AppendResult(0, 10, STREAM)
    script.answer(2)
    assert script.session.idle


def test_an_answer_that_nobody_waits_for_is_refused():
    """Wrong request numbers and lengths are faults of the wire, not results."""
    script = Script()
    script.submit()
    script.send()
    with pytest.raises(WireFormatError):
        script.answer(9)
    with pytest.raises(WireFormatError):
        script.answer(1, size=11)


def test_a_broken_call_repeats_with_the_same_numbers():
    """What was sent keeps its number and its place; what came later follows."""
    script = Script()
    first = script.submit(records=2)
    script.submit()
    script.send()
    script.broken()
    script.submit()
    assert script.send() == [(1, 0), (1, 2), (1, 3)]
    script.answer(1, duplicate=True)
    assert first.result().duplicate


def test_a_call_that_was_dropped_without_a_word_leaves_doubt():
    """Whatever happened to it, what was under way keeps its numbers."""
    script = Script()
    script.submit()
    script.send()
    script.session.opened()
    script.submit()
    assert script.send() == [(1, 0), (1, 1)]


def test_what_never_left_is_free_again():
    """Without a connection nothing is in doubt: at the deadline it is plainly unavailable."""
    script = Script()
    operation = script.submit()
    script.send()
    script.broken(received=False)
    script.session.abandon(operation)
    with pytest.raises(UnavailableError, match="nothing was appended"):
        operation.result()
    script.submit()
    assert script.send()[0][1] == 0


def test_a_silent_server_leaves_doubt():
    """Sent and never answered: the outcome is unknown, and the producer is used no more."""
    script = Script()
    operation = script.submit()
    script.send()
    assert script.session.abandon(operation) is True
    with pytest.raises(OutcomeUnknownError):
        operation.result()
    script.session.opened()
    script.submit()
    assert script.send() == [(2, 0)]


def test_not_sent_and_no_news_is_a_deadline():
    """Nothing went out and nothing was heard."""
    script = Script()
    operation = script.submit()
    script.session.abandon(operation)
    with pytest.raises(DeadlineExceededError):
        operation.result()


def test_an_abandoned_batch_still_goes_before_those_behind_it():
    """Another thread waits behind it, so its number must be filled, whether it was received or not."""
    script = Script()
    early, late = script.submit(), script.submit()
    script.send()
    script.broken()
    assert script.session.abandon(early) is False
    assert script.send() == [(1, 0), (1, 1)]
    script.answer(1)
    script.answer(2)
    assert late.result().offset == 10
    assert isinstance(early.error, OutcomeUnknownError)


def test_an_abandoned_batch_that_was_not_received_is_left_out():
    """Nobody waits for it and it never arrived: it must not appear later."""
    script = Script()
    early, late = script.submit(), script.submit()
    script.send()
    script.session.abandon(early)
    script.broken(received=False)
    assert script.send() == [(1, 0)]
    script.answer(2)
    assert late.done


def test_a_refusal_ends_one_operation_and_frees_its_numbers():
    """The status of a call is its first unanswered batch's; those behind it go again at once."""
    script = Script()
    refused, other = script.submit(records=4, expected_offset=5), script.submit()
    assert script.send() == [(1, 0), (1, 4)]
    script.broken(OffsetMismatchError("ends at 0", end_offset=0))
    assert isinstance(refused.error, OffsetMismatchError)
    assert script.send() == [(1, 0)]
    script.answer(2)
    assert other.result().offset == 0


def test_overload_is_waited_for():
    """What the server asks for is the least that is waited, and the numbers stay."""
    script = Script()
    script.submit()
    script.send()
    assert script.broken(OverloadedError("busy", retry_after_ms=700)) == 700
    assert script.send() == [(1, 0)]


def test_backoff_doubles_and_an_answer_resets_it():
    """20 ms, 40 ms, ... until something is committed."""
    script = Script()
    script.submit()
    script.submit()
    waits = []
    for _ in range(7):
        script.send()
        waits.append(script.broken())
    assert waits == [20, 40, 80, 160, 320, 500, 500]
    script.send()
    script.answer(1)
    assert script.broken() == 20


def test_a_forgotten_producer_begins_anew():
    """Idle for too long, nothing in doubt: a new producer takes the same records."""
    script = Script()
    script.submit()
    script.send()
    script.answer(1)
    script.submit()
    assert script.send() == [(1, 1)]
    script.broken(OutOfSequenceError("first must be 0", expected_sequence=0))
    assert script.send() == [(2, 0)]


def test_a_forgotten_producer_in_doubt_is_never_renumbered():
    """Its batch may be there under the old number."""
    script = Script()
    script.submit()
    script.send()
    script.answer(1)
    doubtful = script.submit()
    script.send()
    script.broken()
    fresh = script.submit()
    script.send()
    script.broken(OutOfSequenceError("first must be 0", expected_sequence=0))
    assert isinstance(doubtful.error, OutcomeUnknownError)
    assert fresh.error is None
    assert script.send() == [(2, 0)]


@pytest.mark.parametrize("error", [OffsetMismatchError("x"), StreamSealedError("x")])
def test_a_refusal_that_knows_duplicates_settles_a_doubt(error):
    """A committed batch would have been recognized first: it was not appended."""
    script = Script()
    operation = script.submit(expected_offset=0)
    script.send()
    script.broken()
    script.send()
    script.broken(error)
    assert operation.error is error


@pytest.mark.parametrize("error", [StreamNotFoundError("x"), InvalidArgumentError("x")])
def test_a_refusal_that_may_come_after_the_commit_settles_nothing(error):
    """The stream may have been deleted after the batch was committed."""
    script = Script()
    operation = script.submit()
    script.send()
    script.broken()
    script.send()
    script.broken(error)
    assert isinstance(operation.error, OutcomeUnknownError)
    assert operation.error.__cause__ is error


def test_doubt_behind_a_refused_batch_is_told():
    """It cannot be sent without its predecessor, and may not be renumbered."""
    script = Script()
    script.submit(expected_offset=3)
    behind = script.submit()
    script.send()
    script.broken()
    script.send()
    script.broken(OffsetMismatchError("x"))
    assert isinstance(behind.error, OutcomeUnknownError)
    script.submit()
    assert script.send() == [(2, 0)]


def test_a_failed_disk_is_told_at_once():
    """It took nothing of this call; who was sent before stays in doubt."""
    script = Script()
    operation = script.submit()
    script.send()
    later = script.submit()
    script.broken(DiskFailedError("dead"))
    assert isinstance(operation.error, DiskFailedError)
    assert later.error is None
    script.send()
    script.broken()
    script.send()
    script.broken(DiskFailedError("dead"))
    assert isinstance(later.error, OutcomeUnknownError)


def test_an_error_that_is_no_refusal_settles_nothing():
    """A fault of the server, or of what lies between, may come after the batch was appended."""
    script = Script()
    operation = script.submit()
    script.send()
    script.broken(GoutubeError("fault"))
    assert isinstance(operation.error, OutcomeUnknownError)
    assert "fault" in operation.error.message


def test_an_unknown_outcome_at_the_server_is_asked_again():
    """The numbers settle it."""
    script = Script()
    operation = script.submit()
    script.send()
    script.broken(OutcomeUnknownError("node stopped"))
    assert script.send() == [(1, 0)]
    script.answer(1, duplicate=True)
    assert operation.result().duplicate


def test_a_repeated_batch_never_goes_into_another_stream():
    """Once the stream's id is known, what goes again carries it; a first try takes any stream."""
    script = Script()
    script.submit()
    script.send()
    assert script.last.stream_id == 0
    script.answer(1)
    script.submit()
    script.send()
    assert script.last.stream_id == 0
    script.broken()
    script.send()
    assert script.last.stream_id == STREAM


def test_sixteen_batches_fly():
    """No more than the server remembers, so that every retry finds its offsets."""
    script = Script()
    for _ in range(20):
        script.submit()
    assert len(script.send()) == 16
    script.answer(1)
    assert len(script.send()) == 1


def test_expected_offsets_chain():
    """Each further batch expects the end of the one before."""
    script = Script()
    operation = Operation(expected_offset=100)
    expected = []
    for size in (5, 7, 9):
        script.more(operation, size)
    while (parcel := script.session.next_parcel(0)) is not None:
        expected.append(parcel.expected_offset)
    assert expected == [100, 105, 112]


def test_a_partial_append_tells_how_far_it_came():
    """The error of a later batch names the offset up to which the append is committed."""
    script = Script()
    operation = Operation()
    script.more(operation)
    script.more(operation)
    operation.complete = True
    script.send()
    script.answer(1)
    script.broken(StreamSealedError("sealed at 10", end_offset=10))
    with pytest.raises(StreamSealedError, match="first 10 bytes") as caught:
        operation.result()
    assert caught.value.fields == {"end_offset": "10", "committed_next_offset": "10"}


def test_records_gather_while_a_batch_is_under_way():
    """The first record goes at once, those that come meanwhile go together."""
    script = Script()
    operation = Operation()
    sent = []
    for number in range(5):
        script.session.offer(operation, b"r%d" % number, 0)
        sent += script.send()
    assert sent == [(1, 0)]
    script.answer(1, size=2)
    assert script.send() == [(1, 1)]
    assert script.last.batch == join([b"r1", b"r2", b"r3", b"r4"])
    script.session.finish(operation, 0, seal=True)
    assert script.send() == [(1, 5)]
    assert script.last.batch is None
    assert script.last.seal


def test_the_last_gathered_batch_carries_the_seal():
    """No extra message where records wait anyway."""
    script = Script()
    operation = Operation()
    script.session.offer(operation, b"r", 0)
    script.session.finish(operation, 0, seal=True)
    script.send()
    assert (script.last.batch, script.last.seal) == (join([b"r"]), True)


def test_nothing_at_all_is_refused():
    """An append of no records is a mistake, unless it seals."""
    script = Script()
    operation = Operation()
    script.session.finish(operation, 0, seal=False)
    with pytest.raises(InvalidArgumentError, match="nothing to append"):
        operation.result()
    sealing = Operation()
    script.session.finish(sealing, 0, seal=True)
    script.send()
    script.answer(1, size=0)
    assert sealing.result() == AppendResult(0, 0, STREAM)


def test_closing_tells_everybody():
    """What was sent is in doubt, what was not is not."""
    script = Script()
    sent = script.submit()
    script.send()
    unsent = script.submit()
    script.session.close(UnavailableError("closed"))
    assert isinstance(sent.error, OutcomeUnknownError)
    assert isinstance(unsent.error, UnavailableError)
    assert script.session.idle
