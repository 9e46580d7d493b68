"""Clients that append: the sessions of the real client, and nothing of their own but a call."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from msgspec import Struct
from typing_extensions import override

from goutube._native import join_records
from goutube.errors import GoutubeError, OutcomeUnknownError, UnavailableError
from goutube.model import AppendResult, Batch, ProducerStamp, StreamId
from goutube.node import Append, Result
from goutube.routing import Operation, Parcel, ProducerSession, StrictSession
from goutube.sim.calls import Call, Caller, Network, open_call
from goutube.sim.content import make_record, read_head
from goutube.sim.handlers import AppendHandler
from goutube.sim.history import History, SentBatch
from goutube.sim.stream_history import expect
from goutube.sim.timeline import MS

_BUDGETS_MS = (1_000, 5_000, 30_000)
_OPEN_OPERATIONS_MAX = 20


class Appending(Operation):
    """One append of a writer.

    Attributes:
        records: the numbers of all of it, acknowledged or not.
    """

    __slots__ = ("records",)

    def __init__(self, expected_offset: int | None, stream_id: int, budget_ms: int) -> None:
        super().__init__(expected_offset, stream_id, budget_ms)
        self.records: list[int] = []


class Habits(Struct, frozen=True):
    """What a writer is like.

    Attributes:
        stream: where it appends to.
        record_bytes: sizes of records to choose from.
        think_us: how long it waits before it appends again, about.
        named: the producer's name of a strict session, which several writers may share.
    """

    stream: str
    record_bytes: Sequence[int]
    think_us: int
    named: str | None


class Writer(Caller):
    """One client's appends to one stream, now and then.

    Args:
        numbers: holds the number of the last record, of all writers together.

    Attributes:
        active: whether it begins anything new.
        done_count: appends whose outcome it knows; ``unknown_count`` of them it will never know.
    """

    def __init__(
        self,
        network: Network,
        history: History,
        chance: Random,
        numbers: list[int],
        habits: Habits,
    ) -> None:
        self.active = True
        self.stream = habits.stream
        self.done_count = 0
        self.unknown_count = 0
        self._network = network
        self._timeline = network.timeline
        self._history = history
        self._chance = chance
        self._numbers = numbers
        self._record_bytes = habits.record_bytes
        self._think_us = habits.think_us
        self._named = habits.named
        self._session = self._new_session()
        self._call: Call | None = None
        self._waiting = False
        """Whether it waits before it opens the next call."""
        self._parcels: dict[int, Parcel] = {}
        self._open: list[Appending] = []
        self._last_place = (0, -1)
        self._timeline.after(chance.randint(0, habits.think_us), self._act)

    @property
    def idle(self) -> bool:
        """Whether it knows the outcome of everything."""
        return not self._open

    def _new_session(self) -> ProducerSession:
        new_id = lambda: self._chance.randbytes(16)  # noqa: E731
        if self._named is None:
            return ProducerSession(self.stream, new_id, self._join, self._chance.random)
        return StrictSession(self.stream, self._named, new_id, self._join, self._chance.random)

    def _join(self, records: Sequence[bytes]) -> Batch:
        tables, data, flags, checksum = join_records(records)
        heads = [read_head(record, 0) for record in records]
        if None not in heads:  # a strict session's question holds no record of ours
            numbers = [head[0] for head in heads if head is not None]
            self._history.built(self.stream, numbers, bytes(data))
        return Batch(len(records), flags, tables, data, checksum)

    # What it wants

    def _act(self) -> None:
        if not self.active:
            return
        self._timeline.after(self._chance.randint(1, 2 * self._think_us), self._act)
        if len(self._open) < _OPEN_OPERATIONS_MAX:
            self._append()
            self._settle()

    def _append(self) -> None:
        chance, now_ms = self._chance, self._timeline.now_ms
        session = self._session
        if isinstance(session, StrictSession) and session.failure is not None and session.idle:
            self._hang_up()
            session = self._session = self._new_session()
        kind = chance.choices(["batches", "records", "expected", "seal"], [60, 20, 15, 0.4])[0]
        if self._named is not None:
            kind = "batches"
        expected = self._guess_end() if kind == "expected" else None
        appending = Appending(expected, 0, chance.choice(_BUDGETS_MS))
        self._open.append(appending)
        self._look_later(appending)
        if kind == "records":
            for record in self._records(appending, chance.randint(1, 5)):
                session.offer(appending, record, now_ms)
            session.finish(appending, now_ms, seal=False)
            return
        count = chance.choice([1, 1, 1, 2, 4])
        for place in range(count):
            batch = self._join(self._records(appending, chance.choice([1, 1, 2, 5])))
            last = place + 1 == count
            session.submit(appending, batch, now_ms, seal=last and kind == "seal")
            appending.complete = last

    def _records(self, appending: Appending, count: int) -> list[bytes]:
        records = []
        for _ in range(count):
            self._numbers[0] += 1
            appending.records.append(self._numbers[0])
            records.append(make_record(self._numbers[0], self._chance.choice(self._record_bytes)))
        return records

    def _guess_end(self) -> int:
        ends = [s.end for s in self._history.streams.values() if s.name == self.stream]
        end = ends[-1] if ends else 0
        return end if self._chance.random() < 0.8 else self._chance.randint(0, 2 * end + 1)

    def _look_later(self, appending: Appending) -> None:
        """See to it that its caller does not wait longer than he wants to."""
        if appending.done:
            return
        left_ms = appending.left_ms(self._timeline.now_ms)
        if left_ms <= 0:
            self._expire(appending)
            self._settle()
        else:
            self._timeline.after(left_ms * MS, lambda: self._look_later(appending))

    def _expire(self, appending: Appending) -> None:
        if isinstance(self._session, StrictSession):
            left_ms = self._session.left_ms(self._timeline.now_ms)
            if left_ms is not None and left_ms > 0:
                self._timeline.after(left_ms * MS, lambda: self._look_later(appending))
                return
            self._session.expire()
            self._hang_up()
        elif self._session.abandon(appending):
            self._hang_up()

    # The call

    def _pump(self) -> None:
        if self._session.idle:
            return
        if self._call is None:
            if self._waiting:
                return
            self._parcels.clear()
            self._call = open_call(self._network, self, AppendHandler)
            self._session.opened()
        call = self._call
        while call is self._call and not call.over:
            parcel = self._session.next_parcel(self._timeline.now_ms)
            if parcel is None:
                return
            self._parcels[parcel.request] = parcel
            call.send(parcel.request, self._command(parcel))

    def _command(self, parcel: Parcel) -> Append:
        session = self._session
        stamp = None
        if parcel.batch is not None:
            stamp = ProducerStamp(session.producer_id, session.epoch, parcel.sequence)
        return Append(
            self.stream,
            StreamId(parcel.stream_id),
            parcel.batch,
            parcel.expected_offset,
            stamp,
            self._timeline.now_ms,
            parcel.seal,
        )

    def _hang_up(self) -> None:
        if self._call is not None:
            self._call.hang_up()
            self._call = None

    @override
    def heard(self, call: Call, request: int, result: Result) -> None:
        """A batch is committed."""
        if call is not self._call:
            return
        assert isinstance(result, AppendResult)
        parcel = self._parcels.pop(request)
        self._session.answered(request, result, self._timeline.now_ms)
        self._check_order(result)
        assert isinstance(parcel.operation, Appending)
        if parcel.batch is not None:
            batch = self._history.batch_in(bytes(parcel.batch.data))
            expect(
                batch.places.get(result.stream_id) == result.offset, "a client is told otherwise"
            )
            for number in batch.numbers:
                parcel.operation.records.remove(number)
        self._settle()

    def _check_order(self, result: AppendResult) -> None:
        stream_id, offset = self._last_place
        if stream_id == result.stream_id:
            expect(result.offset >= offset, f"{self.stream!r}: batches of a client out of order")
        self._last_place = (result.stream_id, result.next_offset)

    @override
    def hung_up(self, call: Call, error: GoutubeError | None, *, received: bool) -> None:
        """The call is over; another one goes on where it stopped."""
        if call is not self._call:
            return
        self._call = None
        if self._session.idle:
            return
        error = error or UnavailableError("the server ended the append call")
        wait_ms = self._session.ended(error, received=received)
        self._waiting = True
        self._timeline.after(wait_ms * MS, self._wait_over)
        self._settle()

    def _wait_over(self) -> None:
        self._waiting = False
        self._settle()

    # Outcomes

    def _settle(self) -> None:
        """Send what may be sent, and take in what has become known."""
        self._pump()
        self._session.take_woken()
        done = [one for one in self._open if one.done]
        self._open = [one for one in self._open if not one.done]
        for appending in done:
            self.done_count += 1
            self._resolve(appending)

    def _resolve(self, appending: Appending) -> None:
        if isinstance(appending.error, OutcomeUnknownError):
            self.unknown_count += 1
            return
        expect(
            appending.error is not None or not appending.records,
            f"an append to {self.stream!r} succeeded without {appending.records}",
        )
        for number in appending.records:
            batch: SentBatch | None = self._history.batch_of(number)
            if batch is not None:
                self._history.refused(batch)
