"""Clients that create, trim, seal and delete, ask again when a call breaks, and look at streams."""

from __future__ import annotations

from random import Random

from typing_extensions import override

from goutube.errors import GoutubeError
from goutube.model import StreamId, StreamProperties
from goutube.node import (
    ANY_STREAM,
    ChangeStream,
    Command,
    CreateStream,
    DeleteStream,
    DescribeStream,
    ListStreams,
    Result,
    SealStream,
    TrimStream,
)
from goutube.routing import Attempts
from goutube.sim.calls import Call, Caller, Network, open_call
from goutube.sim.handlers import UnaryHandler
from goutube.sim.history import History
from goutube.sim.stream_history import StreamHistory
from goutube.sim.timeline import MS

_BUDGET_MS = 3_000
_WISHES = ("create", "describe", "list", "change", "trim", "seal", "delete")
_WEIGHTS = (3, 6, 6, 2, 10, 0.3, 0.6)


class Keeper(Caller):
    """One client that asks one thing at a time.

    Attributes:
        active: whether it asks anything new.
        answer_count: the answers it got, refusals included.
    """

    def __init__(
        self, network: Network, history: History, chance: Random, names: list[str], think_us: int
    ) -> None:
        self.active = True
        self.answer_count = 0
        self._network = network
        self._timeline = network.timeline
        self._history = history
        self._chance = chance
        self._names = names
        self._think_us = think_us
        self._call: Call | None = None
        self._command: Command | None = None
        self._attempts: Attempts | None = None
        self._think()

    def _think(self) -> None:
        self._timeline.after(self._chance.randint(1, 4 * self._think_us), self._begin)

    def _begin(self) -> None:
        if not self.active:
            return
        self._command = self._wish()
        self._attempts = Attempts(_BUDGET_MS, self._timeline.now_ms, self._chance.random)
        self._ask()

    def _wish(self) -> Command:
        chance = self._chance
        name = chance.choice(self._names)
        there = [s for s in self._history.streams.values() if s.name == name and s.deleted is None]
        wish = chance.choices(_WISHES, _WEIGHTS)[0]
        if wish == "list":
            return ListStreams("", "", 100)
        if wish == "create" or not there:
            return CreateStream(name, StreamProperties(metadata={"by": "a keeper"}))
        stream = there[-1]
        stream_id = stream.stream_id if chance.random() < 0.5 else ANY_STREAM
        return self._change(wish, stream, stream_id)

    def _change(self, wish: str, stream: StreamHistory, stream_id: StreamId) -> Command:
        chance, name = self._chance, stream.name
        match wish:
            case "change":
                properties = StreamProperties(content_type=f"text/{chance.randint(0, 99)}")
                return ChangeStream(name, stream_id, properties)
            case "trim":
                # Nothing is trimmed that the checker has not seen: it knows what stood there.
                return TrimStream(name, stream.stream_id, chance.randint(0, stream.known_prefix))
            case "seal":
                return SealStream(name, stream_id)
            case "delete":
                return DeleteStream(name, stream.stream_id)
            case _:
                return DescribeStream(name, stream_id)

    def _ask(self) -> None:
        assert self._command is not None
        self._call = open_call(self._network, self, UnaryHandler)
        self._call.send(1, self._command)

    @override
    def heard(self, call: Call, request: int, result: Result) -> None:
        """The answer."""
        if call is self._call:
            self._call.hang_up()
            self._end()

    @override
    def hung_up(self, call: Call, error: GoutubeError | None, *, received: bool) -> None:
        """No answer, or a refusal."""
        if call is not self._call or self._attempts is None or error is None:
            return
        try:
            wait_ms = self._attempts.failed(error, self._timeline.now_ms)
        except GoutubeError:
            self._end()
            return
        self._timeline.after(wait_ms * MS, self._ask)

    def _end(self) -> None:
        self._call = None
        self.answer_count += 1
        self._think()
