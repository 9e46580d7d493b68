"""Sessions of producers by script: how a name is claimed, who is fenced, what fails with what."""

from __future__ import annotations

import itertools

import pytest

from goutube.errors import (
    DiskFullError,
    DuplicateSequenceError,
    GoutubeError,
    InvalidArgumentError,
    OutcomeUnknownError,
    OutOfSequenceError,
    OverloadedError,
    ProducerFencedError,
    StreamSealedError,
    UnavailableError,
    WireFormatError,
)
from goutube.model import AppendResult, Batch, StreamId
from goutube.routing import Operation, StrictSession

BROKEN = UnavailableError("broken")
FENCED = ProducerFencedError("replaced", epoch=7)
UNKNOWN_NAME = OutOfSequenceError("not known", expected_sequence=0)


def join(records) -> Batch:
    return Batch(len(records), 0, b"", b"".join(records), 0)


class Script:
    """A session with a wire that remembers what went out."""

    def __init__(self, name: str = "", chance: float = 0.0, in_flight: int = 16) -> None:
        ids = (bytes([number]) * 16 for number in itertools.count(1))
        self.session = StrictSession("s", name, lambda: next(ids), join, lambda: chance, in_flight)
        self.end = 0
        self.session.opened()

    def submit(self, records: int = 1) -> Operation:
        operation = Operation(budget_ms=1000)
        self.session.submit(operation, Batch(records, 0, b"", b"x" * 10, 0), 0, seal=False)
        operation.complete = True
        return operation

    def send(self) -> list[tuple[int, int, int]]:
        """Send what may be sent: (request, epoch, sequence) of each batch."""
        sent = []
        while (parcel := self.session.next_parcel(0)) is not None:
            sent.append((parcel.request, self.session.epoch, parcel.sequence))
            self.last = parcel
        return sent

    def answer(self, request: int, duplicate: bool = False) -> None:
        result = AppendResult(self.end, self.end + 10, StreamId(77), duplicate)
        self.session.answered(request, result, 0)
        self.end += 10

    def refused(self, error: GoutubeError, **how) -> None:
        self.session.ended(error, **how)
        self.session.opened()

    def claim(self, answer: GoutubeError = UNKNOWN_NAME) -> None:
        """Get a batch to the point where it is sent under the name."""
        assert [(request, epoch) for request, epoch, _ in self.send()] == [(0, 0)]
        self.refused(answer)


QUESTION = (0, 0, (1 << 63) - 1)


def test_one_without_a_name_just_sends():
    """A random id that nobody else has needs no question."""
    script = Script()
    script.submit(records=3)
    script.submit()
    assert script.send() == [(1, 0, 0), (2, 0, 3)]


def test_a_name_is_the_same_id_everywhere():
    """The id is made of the name alone; other names have others."""
    ids = [Script(name).session.producer_id for name in ("up", "up", "down")]
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) == 16


@pytest.mark.parametrize(("answer", "epoch"), [(UNKNOWN_NAME, 1), (FENCED, 8)])
def test_a_name_is_asked_for_before_its_first_batch(answer, epoch):
    """Nothing goes before the epoch is known; then all goes in a later one, from sequence 0."""
    script = Script("up")
    script.submit(records=2)
    script.submit()
    assert script.send() == [QUESTION]
    script.refused(answer)
    assert script.send() == [(1, epoch, 0), (2, epoch, 2)]


def test_epochs_rise_by_chance():
    """Two that ask at the same moment go into different epochs."""
    epochs = set()
    for chance in (0.0, 0.5, 0.999):
        script = Script("up", chance)
        script.submit()
        script.claim(FENCED)
        ((_, epoch, _),) = script.send()
        epochs.add(epoch)
    assert epochs == {8, 8 + 128, 8 + 255}


def test_a_question_that_is_lost_is_asked_again():
    """A broken call, an overloaded server: the batch waits behind the next question."""
    script = Script("up")
    operation = script.submit()
    for error in (BROKEN, OverloadedError("busy"), BROKEN):
        script.claim(error)
    script.claim()
    assert script.send() == [(1, 1, 0)]
    script.answer(1)
    assert operation.done
    assert operation.error is None


def test_a_question_that_is_refused_ends_all():
    """What the server says of it is said of the batches."""
    script = Script("up")
    operations = [script.submit(), script.submit()]
    script.claim(InvalidArgumentError("bad name"))
    assert [type(one.error) for one in operations] == [InvalidArgumentError] * 2
    assert script.session.idle


def test_epochs_run_out_by_name():
    """After the last epoch there is no other one; the message says what to do."""
    script = Script("up")
    operation = script.submit()
    script.claim(ProducerFencedError("replaced", epoch=(1 << 32) - 1))
    assert "choose another" in str(operation.error)


def test_who_is_fenced_ends():
    """The batch is not appended, nor is what waits, and what comes later fails at once."""
    script = Script("up", in_flight=2)
    operations = [script.submit() for _ in range(4)]
    script.claim()
    assert len(script.send()) == 2
    script.refused(FENCED)
    assert [type(one.error) for one in operations] == [ProducerFencedError] * 4
    assert script.submit().error is script.session.failure
    assert isinstance(script.session.failure, ProducerFencedError)
    assert script.session.take_woken().count(operations[3]) == 1
    assert script.send() == []


def test_a_fenced_batch_that_was_in_doubt_is_of_unknown_outcome():
    """It may have been committed before; the producer itself is fenced all the same."""
    script = Script("up")
    operations = [script.submit(), script.submit()]
    script.claim()
    assert len(script.send()) == 2
    script.refused(BROKEN)
    assert script.send() == [(1, 1, 0), (2, 1, 1)]
    script.refused(FENCED)
    assert [type(one.error) for one in operations] == [OutcomeUnknownError] * 2
    assert isinstance(script.session.failure, ProducerFencedError)


@pytest.mark.parametrize(
    "news",
    [
        DuplicateSequenceError("known"),
        InvalidArgumentError("differs", sequence=0),
        None,
    ],
)
def test_a_twin_in_the_same_epoch_is_noticed(news):
    """The server knows a batch that was never sent before: it is another's, and not ours."""
    script = Script("up")
    operation = script.submit()
    script.claim()
    assert script.send() == [(1, 1, 0)]
    if news is None:
        with pytest.raises(ProducerFencedError) as caught:
            script.answer(1, duplicate=True)
        news = caught.value
    script.refused(news)
    assert isinstance(operation.error, ProducerFencedError)
    assert "same moment" in str(operation.error)


def test_a_repeat_of_its_own_is_no_twin():
    """What may have been received before is known to the server, and committed."""
    script = Script("up")
    operation = script.submit()
    script.claim()
    script.send()
    script.refused(BROKEN)
    script.send()
    script.answer(1, duplicate=True)
    assert operation.result().duplicate


def test_who_was_forgotten_claims_the_name_again():
    """After a long silence the server knows the name no more: a new epoch, from sequence 0."""
    script = Script("up")
    script.submit(records=5)
    script.claim()
    script.send()
    script.answer(1)
    operation = script.submit(records=2)
    assert script.send() == [(2, 1, 5)]
    script.refused(OutOfSequenceError("forgotten", expected_sequence=0))
    script.claim(FENCED)
    assert script.send() == [(2, 8, 0)]
    script.answer(2)
    assert operation.done


def test_a_refusal_ends_what_is_behind_it():
    """Order is kept: nothing of what was sent later is appended."""
    script = Script()
    operations = [script.submit() for _ in range(3)]
    script.send()
    script.answer(1)
    script.refused(StreamSealedError("sealed"))
    assert operations[0].error is None
    assert [type(one.error) for one in operations[1:]] == [StreamSealedError] * 2
    assert "batch before it" in str(operations[2].error)


def test_a_disk_that_is_full_ends_all():
    """It is news for the user, not for a retry."""
    script = Script()
    operation = script.submit()
    script.send()
    script.refused(DiskFullError("full"))
    assert isinstance(operation.error, DiskFullError)


def test_a_broken_call_ends_nothing():
    """The same batches go again with the same numbers."""
    script = Script()
    operations = [script.submit(records=2), script.submit()]
    first = script.send()
    script.refused(BROKEN)
    assert script.send() == first
    script.answer(1, duplicate=True)
    script.answer(2)
    assert [one.error for one in operations] == [None, None]


def test_batches_stay_with_their_stream():
    """A stream that was deleted and made anew gets none of them."""
    script = Script()
    script.submit()
    script.send()
    assert script.last.stream_id == 0
    script.answer(1)
    script.submit()
    script.send()
    assert script.last.stream_id == 77


def test_no_more_in_flight_than_allowed():
    """The window is the caller's."""
    script = Script(in_flight=3)
    for _ in range(5):
        script.submit()
    assert len(script.send()) == 3
    script.answer(1)
    assert len(script.send()) == 1


def test_time_without_progress():
    """It counts from the oldest batch or the last answer, whichever is later."""
    script = Script()
    assert script.session.left_ms(5000) is None
    operations = [script.submit(), script.submit()]
    script.send()
    assert script.session.left_ms(400) == 600
    script.session.answered(1, AppendResult(0, 10, StreamId(77)), 900)
    assert script.session.left_ms(1000) == 900
    script.session.expire()
    assert isinstance(operations[1].error, OutcomeUnknownError)
    assert isinstance(script.session.failure, OutcomeUnknownError)


def test_a_wrong_answer_leaves_the_outcome_open():
    """An answer to something else tells nothing of the batch."""
    script = Script()
    operation = script.submit()
    script.send()
    with pytest.raises(WireFormatError):
        script.answer(9)
    script.refused(WireFormatError("wrong"))
    assert isinstance(operation.error, OutcomeUnknownError)
