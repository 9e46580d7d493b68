"""The server's side of the calls: what ``goutube.server`` does with messages, without its wire."""

from __future__ import annotations

from collections import deque
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from goutube.model import AppendResult
from goutube.node import Append, AtOffset, Command, Read, ReadAnswer, Reply
from goutube.sim.calls import Call
from goutube.sim.life import Life


class _Pending(Struct, eq=False):
    request: int
    reply: Reply | None = None


class AppendHandler:
    """Batches in, one answer each, in order, as ``goutube.server`` serves an append call."""

    def __init__(self, life: Life, call: Call) -> None:
        self._life = life
        self._call = call
        self._arrived: deque[tuple[int, Append]] = deque()
        self._under_way: deque[_Pending] = deque()
        self._next: tuple[object, ...] | None = None
        self._over = False

    def receive(self, request: int, command: Command) -> None:
        """Take a batch."""
        assert isinstance(command, Append)
        self._arrived.append((request, command))
        self._go_on()

    def forget(self) -> None:
        """Nobody listens; what is under way goes on."""
        self._over = True

    def _go_on(self) -> None:
        while self._arrived and not self._over:
            request, command = self._arrived[0]
            if self._under_way and not self._follows(command):
                return  # behind a refused batch nothing must be appended
            self._arrived.popleft()
            stamp = command.producer
            count = command.batch.record_count if command.batch else 0
            self._next = stamp and (
                command.name, command.stream_id, stamp.producer_id, stamp.epoch,
                stamp.sequence + count,
            )  # fmt: skip
            pending = _Pending(request)
            self._under_way.append(pending)
            self._life.submit(command, partial(self._replied, pending))

    def _follows(self, command: Append) -> bool:
        stamp = command.producer
        return stamp is not None and self._next == (
            command.name, command.stream_id, stamp.producer_id, stamp.epoch, stamp.sequence
        )  # fmt: skip

    def _replied(self, pending: _Pending, reply: Reply) -> None:
        pending.reply = reply
        while not self._over and self._under_way:
            first = self._under_way[0].reply
            if first is None:
                return
            request = self._under_way.popleft().request
            if first.error is not None:
                self._over = True
                self._call.finish(first.error)
            else:
                assert isinstance(first.result, AppendResult)
                self._call.answer(request, first.result)
        self._go_on()


class ReadHandler:
    """One read, answer by answer, as ``goutube.server`` serves it."""

    def __init__(self, life: Life, call: Call, *, follow: bool) -> None:
        self._life = life
        self._call = call
        self._follow = follow
        self._command: Read | None = None
        self._token = 0
        self._over = False

    def receive(self, request: int, command: Command) -> None:
        """Begin."""
        assert isinstance(command, Read)
        self._ask(request, command)

    def forget(self) -> None:
        """Nobody listens: a read that waits is of no use."""
        self._over = True
        self._life.cancel(self._token)

    def _ask(self, request: int, command: Read) -> None:
        self._command = command
        if not self._over:
            self._token = self._life.submit(command, lambda reply: self._replied(request, reply))

    def _replied(self, request: int, reply: Reply) -> None:
        command, answer = self._command, reply.result
        if reply.error is not None:
            self._call.finish(reply.error)
            return
        assert command is not None
        assert isinstance(answer, ReadAnswer)
        limit = command.limit
        if not self._follow and limit is None:
            limit = answer.end_offset
        self._call.answer(request, answer)
        ended = limit is not None and answer.next_offset >= limit
        if ended or (answer.sealed and answer.next_offset >= answer.end_offset):
            self._call.finish(None)
            return
        if not answer.data and command.wait == self._follow:
            self._call.finish(None)
            return
        start = AtOffset(answer.next_offset)
        self._ask(
            request,
            replace(
                command, stream_id=answer.stream_id, start=start, limit=limit, wait=self._follow
            ),
        )


class UnaryHandler:
    """One question, one answer."""

    def __init__(self, life: Life, call: Call) -> None:
        self._life = life
        self._call = call

    def receive(self, request: int, command: Command) -> None:
        """Ask the node."""
        self._life.submit(command, lambda reply: self._replied(request, reply))

    def forget(self) -> None:
        """What is under way goes on."""

    def _replied(self, request: int, reply: Reply) -> None:
        if reply.error is not None:
            self._call.finish(reply.error)
        else:
            self._call.answer(request, reply.result)
