"""When records become batches: full, lingered, flushed, and never beyond the memory given."""

from __future__ import annotations

import pytest

from goutube.errors import InvalidArgumentError, OutcomeUnknownError, StreamSealedError
from goutube.model import AppendResult, Batch, StreamId
from goutube.routing import Gatherer, Group, ProducerOptions, StrictSession
from tests.reference.builders import SlowBuilder

KIB = 1024


class Script:
    """A gatherer, its session and a clock."""

    def __init__(self, in_flight=2, buffer_bytes=64 * KIB, **options):
        session = StrictSession(
            "s", "", lambda: bytes(16), lambda _: Batch(1, 0, b"", b"?", 0), lambda: 0.0, in_flight
        )
        options = ProducerOptions(
            linger_ms=5, batch_bytes=200, buffer_bytes=buffer_bytes, in_flight=in_flight, **options
        )
        self.gatherer = Gatherer(session, SlowBuilder(), options, lambda: Group(1000))
        self.session = session
        self.session.opened()
        self.now = 0
        self.end = 0
        self.flying = []

    def add(self, record=b"x" * 100):
        """Add a record as a shell does; its group and number, or None when there is no room."""
        number = self.gatherer.builder.add(record)
        if number < 0:
            self.gatherer.close_group(self.now)
            if not self.gatherer.open_group(self.now):
                return None
            number = self.gatherer.builder.add(record)
        return self.gatherer.group, number

    def sent(self):
        """Records of each batch that goes now."""
        counts = []
        while (parcel := self.gatherer.next_parcel(self.now)) is not None:
            self.flying.append(parcel)
            counts.append(parcel.record_count)
        return counts

    def answer(self):
        parcel = self.flying.pop(0)
        result = AppendResult(self.end, self.end + parcel.byte_count, StreamId(7))
        self.end = result.next_offset
        self.session.answered(parcel.request, result, self.now)
        return self.gatherer.take_ended()


def test_a_record_lingers():
    """It waits for company, but no longer than it was told to."""
    script = Script()
    script.add()
    assert script.sent() == []
    assert script.gatherer.wait_ms(2) == 3
    script.now = 5
    assert script.sent() == [1]
    assert script.gatherer.wait_ms(5) == 1000


def test_a_full_batch_goes_at_once():
    """Full by bytes, or by records."""
    script = Script()
    for _ in range(3):
        script.add()
    assert script.sent() == [2]
    script = Script()
    for _ in range(8):
        script.add(b"x")
    assert script.sent() == [7]


def test_a_flush_ends_the_lingering():
    """For the open batch only; the next one lingers again."""
    script = Script()
    script.gatherer.flush()
    script.add()
    assert script.sent() == []
    script.gatherer.flush()
    assert script.sent() == [1]
    script.add()
    assert script.sent() == []


def test_batches_grow_while_others_are_under_way():
    """What is due stays open as long as it could not be sent anyway."""
    script = Script(in_flight=1)
    script.add(b"x")
    script.now = 5
    assert script.sent() == [1]
    script.add(b"x")
    script.now = 50
    assert script.sent() == []
    assert script.gatherer.wait_ms(50) == 955
    script.add(b"x")
    script.answer()
    assert script.sent() == [2]


def test_each_record_has_its_own_place():
    """The handle's number and the batch's tables give it."""
    script = Script()
    places = [script.add(record) for record in (b"a", b"bcd", b"ef")]
    script.now = 5
    script.sent()
    assert script.answer() == [places[0][0]]
    results = [group.result_of(number) for group, number in places]
    assert [(one.offset, one.next_offset) for one in results] == [(0, 1), (1, 4), (4, 6)]


def test_memory_is_bounded():
    """Who finds no room waits, until batches have ended."""
    script = Script(buffer_bytes=64 * KIB)
    added = 0
    while script.add() is not None:
        added += 1
        script.sent()
        assert added < 1000
    assert added * 100 <= 64 * KIB
    assert script.add() is None
    assert script.answer()
    assert script.add() is not None


def test_a_record_larger_than_the_buffer_passes_alone():
    """Else it never would."""
    script = Script(buffer_bytes=64 * KIB)
    assert script.add(b"x" * 100_000) is not None
    assert script.add() is None
    script.sent()
    script.answer()
    assert script.add() is not None


def test_a_failure_takes_the_open_batch_along():
    """Nobody is left waiting for it; room is given back."""
    script = Script()
    groups = [script.add()[0]]
    script.now = 5
    assert script.sent() == [1]
    groups.append(script.add()[0])
    script.session.ended(StreamSealedError("sealed"))
    assert script.gatherer.take_ended() == groups
    assert all(isinstance(group.error, StreamSealedError) for group in groups)
    assert script.gatherer.quiet


def test_an_end_by_time():
    """Everything fails, once the budget has passed without an answer."""
    script = Script()
    group, _ = script.add()
    script.now = 5
    script.sent()
    assert not script.gatherer.expire(1004)
    assert script.gatherer.expire(1005)
    assert script.gatherer.take_ended() == [group]
    assert isinstance(group.error, OutcomeUnknownError)


@pytest.mark.parametrize(
    "options",
    [
        {"linger_ms": -1},
        {"batch_bytes": 0},
        {"batch_bytes": (16 << 20) + 1},
        {"buffer_bytes": 100},
        {"in_flight": 0},
        {"in_flight": 17},
    ],
)
def test_bounds_are_judged(options):
    """The message names the option and its range."""
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        ProducerOptions(**options)
