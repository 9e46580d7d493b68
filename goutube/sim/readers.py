"""Clients that read: the cursor of the real client, and a look at every byte."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from msgspec import Struct
from typing_extensions import override

from goutube._native import crc32c
from goutube.errors import GoutubeError, UnavailableError
from goutube.model import StreamId
from goutube.node import (
    AtOffset,
    Earliest,
    FromTimestamp,
    LastBytes,
    LastRecords,
    Latest,
    Read,
    ReadAnswer,
    Result,
    Start,
)
from goutube.routing import Attempts, ReadCursor, ReadWish
from goutube.routing import Start as WishedStart
from goutube.sim.calls import Call, Caller, Network, open_call
from goutube.sim.handlers import ReadHandler
from goutube.sim.history import History
from goutube.sim.stream_history import expect
from goutube.sim.timeline import MS

_BUDGET_MS = 5_000
_ANSWERS_MAX = 30
_STARTS = (
    WishedStart("offset"),
    WishedStart("offset"),
    WishedStart("earliest"),
    WishedStart("latest"),
    WishedStart("last_bytes"),
    WishedStart("last_records"),
    WishedStart("timestamp_ms"),
)


class _Answer(Struct):
    """An answer as the wire has it."""

    stream_id: int
    offset: int
    data: memoryview
    checksum: int
    lengths: memoryview
    timestamps: memoryview
    next_offset: int
    end_offset: int
    end_of_stream: bool


class Reader(Caller):
    """One client that reads one stream after the other, from anywhere, and follows some.

    Attributes:
        active: whether it begins anything new.
        byte_count: how much it has read.
    """

    def __init__(
        self, network: Network, history: History, chance: Random, names: list[str], think_us: int
    ) -> None:
        self.active = True
        self.byte_count = 0
        self._network = network
        self._timeline = network.timeline
        self._history = history
        self._chance = chance
        self._names = names
        self._think_us = think_us
        self._call: Call | None = None
        self._cursor: ReadCursor | None = None
        self._attempts: Attempts | None = None
        self._place = (0, -1)
        self._follow_until_ms = 0
        self._answers_left = 0
        self._think()

    def _think(self) -> None:
        self._timeline.after(self._chance.randint(1, 2 * self._think_us), self._begin)

    def _begin(self) -> None:
        if not self.active:
            return
        chance = self._chance
        name = chance.choice(self._names)
        start = chance.choice(_STARTS)
        kind = start.kind
        end = max((s.end for s in self._history.streams.values() if s.name == name), default=0)
        value = chance.randint(0, end + 2) if kind not in ("earliest", "latest") else 0
        if kind == "timestamp_ms":
            value = 1_700_000_000_000 + self._timeline.now_ms - chance.randint(0, 5_000)
        limit = None
        if kind == "offset" and chance.random() < 0.3:
            limit = value + chance.randint(0, 100_000)
        self._cursor = ReadCursor(
            ReadWish(
                name,
                0,
                replace(start, value=value),
                limit,
                records=chance.random() < 0.4,
                follow=chance.random() < 0.4,
                bytes_max=chance.choice([1_000, 20_000, 1 << 16]),
            ),
            crc32c,
        )
        self._place = (0, -1)
        self._follow_until_ms = self._timeline.now_ms + chance.randint(10, 5_000)
        self._answers_left = chance.randint(1, _ANSWERS_MAX)
        now_ms = self._timeline.now_ms
        self._attempts = Attempts(_BUDGET_MS, now_ms, chance.random)
        self._ask()

    def _ask(self) -> None:
        cursor = self._cursor
        if cursor is None:
            return
        if cursor.finished:
            self._end()
            return
        wish = cursor.wish()
        follow = wish.follow
        self._call = open_call(
            self._network, self, lambda life, call: ReadHandler(life, call, follow=follow)
        )
        command = Read(
            wish.stream,
            StreamId(wish.stream_id),
            _start(wish.start),
            wish.limit,
            wish.bytes_max,
            wish.records,
            wait=False,
        )
        self._call.send(1, command)

    def _end(self) -> None:
        self._cursor = None
        if self._call is not None:
            self._call.hang_up()
            self._call = None
        self._think()

    @override
    def heard(self, call: Call, request: int, result: Result) -> None:
        """Bytes came."""
        cursor, attempts = self._cursor, self._attempts
        if call is not self._call or cursor is None or attempts is None:
            return
        assert isinstance(result, ReadAnswer)
        attempts.progressed(self._timeline.now_ms)
        answer = _Answer(
            result.stream_id,
            result.offset,
            memoryview(result.data),
            result.checksum,
            memoryview(result.lengths),
            memoryview(result.timestamps),
            result.next_offset,
            result.end_offset,
            result.sealed and result.next_offset >= result.end_offset,
        )
        expect(cursor.accept(answer), f"the answer {answer!r} is wrong")
        stream_id, offset = self._place
        if stream_id:
            expect((stream_id, offset) == (answer.stream_id, answer.offset), "a read has a gap")
        self._place = (answer.stream_id, answer.next_offset)
        self.byte_count += len(answer.data)
        self._answers_left -= 1
        late = self._timeline.now_ms > self._follow_until_ms or not self._answers_left
        if answer.end_of_stream or late:
            self._end()

    @override
    def hung_up(self, call: Call, error: GoutubeError | None, *, received: bool) -> None:
        """The call is over; a broken one is gone on with."""
        if call is not self._call or self._attempts is None:
            return
        self._call = None
        if error is None:
            self._end()
            return
        try:
            wait_ms = self._attempts.failed(error, self._timeline.now_ms)
        except GoutubeError:
            self._end()
            return
        assert isinstance(error, UnavailableError)
        self._timeline.after(wait_ms * MS, self._ask)


def _start(start: WishedStart) -> Start:
    match start.kind:
        case "offset":
            return AtOffset(start.value)
        case "earliest":
            return Earliest()
        case "latest":
            return Latest()
        case "timestamp_ms":
            return FromTimestamp(start.value)
        case "last_bytes":
            return LastBytes(start.value)
        case "last_records":
            return LastRecords(start.value)
