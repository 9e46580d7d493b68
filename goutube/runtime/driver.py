"""The driver: turns commands and ended jobs into events for the node, and its answers into effects.

All that comes in during one turn of the event loop is handed to the node first; then it is asked
once what is to be done. So one journal group takes in whatever arrived while the last was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from goutube.errors import DiskFailedError, GoutubeError, OutcomeUnknownError, ShuttingDownError
from goutube.node import (
    Append,
    Command,
    DescribeStream,
    ListStreams,
    Node,
    NodeReport,
    NodeStats,
    Read,
    Reply,
    Result,
)
from goutube.ports import Clock, Outcome
from goutube.runtime.admission import Admission
from goutube.runtime.disk_jobs import DiskJobs

_ROUNDS_MAX: Final = 8
"""Rounds of reads that end at once, before the loop's other work gets its turn."""
_APPEND_OVERHEAD_BYTES: Final = 512
"""What one small append occupies besides its bytes, so that very many of them are bounded too."""
_STOPPING: Final = "the node is shutting down; ask another one, or this one a little later"
_STOPPED_FOR_FAULT: Final = (
    "the node has stopped after a fault of its own; its log says which. Start it again"
)


class Supervisor(Protocol):
    """Who is told what happens to the node."""

    def node_unhealthy(self) -> None:
        """The node's disk has failed: it serves reads, and takes nothing any more."""

    def node_failed(self, error: Exception) -> None:
        """The node is wrong in itself and does nothing any more; the process should end."""


Answered = Callable[[Result, GoutubeError | None], None]
"""Is called once, with a command's result or with the error that it met. It must not raise."""
_Waiting = tuple[Answered, int, Command]


class Driver:
    """Drives one node on one event loop. Everything but the constructor runs on that loop."""

    def __init__(
        self,
        node: Node,
        jobs: DiskJobs,
        clock: Clock,
        supervisor: Supervisor,
        admission: Admission | None = None,
    ) -> None:
        self._node = node
        self._jobs = jobs
        self._clock = clock
        self._supervisor = supervisor
        self._admission = admission or Admission()
        self._loop: asyncio.AbstractEventLoop
        self._waiting: dict[int, _Waiting] = {}
        self._last_token = 0
        self._turn_due = False
        self._something_ended = False
        self._turned: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._closing = False
        """Whether some commands are refused, or all; ``_check_open`` says which and why."""
        self._refusal: str | None = None
        self._reads_refused = False
        self._known_healthy = True
        self._failed = False
        self._stopped = False

    def start(self) -> None:
        """Begin to drive; call it on the event loop, before the first ``call``."""
        self._loop = asyncio.get_running_loop()
        self._jobs.attach(self._loop, self._jobs_ended)
        self._wake()

    def call(self, command: Command) -> asyncio.Future[Result]:
        """Begin to carry out one command; its answer, to be awaited.

        To cancel a read that waits forgets it; a cancelled append may still be committed. The
        future's error is a ``GoutubeError``: what the command met, ``OverloadedError`` when too
        much is under way, ``ShuttingDownError`` from the beginning of the end on.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        cost = _cost_of(command)
        if cost and not self._admission.take(cost):
            return self._loop.create_task(self._call_later(command, cost, future))
        try:
            token = self._submit(command, cost, partial(_settle, future))
        except GoutubeError as error:
            future.set_exception(error)
            return future
        if type(command) is Read and command.wait:
            future.add_done_callback(partial(self._forget, token))
        return future

    async def _call_later(
        self, command: Command, cost: int, future: asyncio.Future[Result]
    ) -> Result:
        await self._submit_later(command, cost, partial(_settle, future))
        return await future

    def begin(self, command: Append, answered: Answered) -> bool:
        """``call`` for who appends very often: no future, no task, and an error is raised at once.

        Returns:
            False where too much is under way: nothing has begun, and ``begin_later`` waits.

        Raises:
            GoutubeError: the append cannot begin; ``answered`` is not called.
        """
        cost = _cost_of(command)
        if cost and not self._admission.take(cost):
            return False
        self._submit(command, cost, answered)
        return True

    async def begin_later(self, command: Append, answered: Answered) -> None:
        """``begin`` as soon as there is room; who is cancelled meanwhile has begun nothing.

        Raises:
            GoutubeError: the append cannot begin, or there was no room in time.
        """
        await self._submit_later(command, _cost_of(command), answered)

    async def _submit_later(self, command: Command, cost: int, answered: Answered) -> None:
        self._check_open(command)
        await self._admission.wait(cost)
        self._submit(command, cost, answered)

    def _submit(self, command: Command, cost: int, answered: Answered) -> int:
        if self._closing:
            try:
                self._check_open(command)
            except GoutubeError:
                self._admission.give_back(cost)
                raise
        self._last_token = token = self._last_token + 1
        self._waiting[token] = (answered, cost, command)
        if not self._turn_due:
            self._wake()
        try:
            self._node.submit(token, command)
        except Exception as error:  # noqa: BLE001 - one of the three supervised places
            self._fail(error)
        return token

    def _forget(self, token: int, future: asyncio.Future[Result]) -> None:
        """A read is over; if nobody waits for it any more, the node need not either."""
        if future.cancelled() and self._waiting.pop(token, None) is not None:
            self._wake_for_end()
            self._guard(self._node.cancel, token)

    @property
    def healthy(self) -> bool:
        """False once the disk or the node has failed."""
        return not self._failed and self._node.healthy

    @property
    def failed(self) -> bool:
        """True once the node is wrong in itself."""
        return self._failed

    @property
    def stats(self) -> NodeStats:
        """The node's counters, live."""
        return self._node.stats

    @property
    def inflight_bytes(self) -> int:
        """Appended bytes under way."""
        return self._admission.bytes_now

    @property
    def calls_waiting(self) -> int:
        """Commands without an answer yet."""
        return len(self._waiting)

    def journal_seconds(self) -> tuple[int, float, float]:
        """Journal groups written, and the total and the longest seconds of their write and sync."""
        return self._jobs.journal_seconds()

    def report(self) -> NodeReport:
        """The node's identity and shards."""
        return self._node.report()

    def end_reads(self) -> None:
        """End the reads that wait for bytes, with ``ShuttingDownError``, and let no other wait."""
        self._closing = self._reads_refused = True
        for token, (answered, _, command) in list(self._waiting.items()):
            if type(command) is Read and command.wait:
                del self._waiting[token]
                self._guard(self._node.cancel, token)
                answered(None, ShuttingDownError(_STOPPING))

    async def stop(self) -> None:
        """Refuse new commands, finish what is under way, drain the node, end its threads."""
        if self._refusal is None:
            self._refusal = _STOPPING
            self._closing = True
        self.end_reads()
        self._admission.refuse(_STOPPING)
        await self._until(lambda: not self._waiting)
        if self.healthy:
            self._guard(self._node.drain)
            self._wake_for_end()
            await self._until(lambda: self._node.drained or not self.healthy)
        if self._timer is not None:
            self._timer.cancel()
        self._stopped = True
        self._jobs.detach()
        await self._loop.run_in_executor(None, self._jobs.close)

    def _check_open(self, command: Command) -> None:
        if self._failed:
            raise DiskFailedError(_STOPPED_FOR_FAULT)
        if self._refusal is not None:
            raise ShuttingDownError(self._refusal)
        if self._reads_refused and type(command) is Read and command.wait:
            raise ShuttingDownError(_STOPPING)

    def _wake_for_end(self) -> None:
        """Begin a batch of events that the node must see even while a journal group is written."""
        self._something_ended = True
        self._wake()

    def _wake(self) -> None:
        """Begin a batch of events: a fresh clock first, the turn after this pass of the loop."""
        if self._turn_due or self._failed:
            return
        self._turn_due = True
        clock = self._clock
        self._guard(self._node.advance, clock.wall_ms(), clock.monotonic_ms())
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_due = False
        if not self._failed and not self._stopped:
            ended, self._something_ended = self._something_ended, False
            if ended or not self._node.can_wait:
                self._guard(self._work)
        if self._turned is not None and not self._turned.done():
            self._turned.set_result(None)

    def _work(self) -> None:
        for _ in range(_ROUNDS_MAX):
            ready = self._node.ready()
            ended = [
                outcome for job in ready.jobs if (outcome := self._jobs.start(job)) is not None
            ]
            for reply in ready.replies:
                self._answer(reply)
            if not ended:
                self._arm(ready.deadline_ms)
                break
            for outcome in ended:
                self._node.completed(outcome)
        else:
            self._wake_for_end()
        if self._known_healthy and not self._node.healthy:
            self._known_healthy = False
            self._supervisor.node_unhealthy()

    def _answer(self, reply: Reply) -> None:
        waiting = self._waiting.pop(reply.token, None)
        if waiting is None:
            return
        answered, cost, _ = waiting
        if cost:
            self._admission.give_back(cost)
        answered(reply.result, reply.error)

    def _jobs_ended(self, outcomes: list[Outcome]) -> None:
        # What commits nothing and lets nothing begin waits for the group under way, too.
        self._wake()
        for outcome in outcomes:
            self._guard(self._node.completed, outcome)

    def _arm(self, deadline_ms: int | None) -> None:
        """Have the node told the time at ``deadline_ms``; an earlier timer will do."""
        if deadline_ms is None or (self._timer is not None and self._timer_ms <= deadline_ms):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = deadline_ms
        wait_ms = max(1, deadline_ms - self._clock.monotonic_ms())
        self._timer = self._loop.call_later(wait_ms / 1000, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._wake_for_end()

    def _guard(self, function: Callable[..., None], *arguments: object) -> None:
        """Call into the node; what it must never raise ends it."""
        if self._failed:
            return
        try:
            function(*arguments)
        except Exception as error:  # noqa: BLE001 - one of the three supervised places
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._failed:
            return
        self._closing = self._failed = True
        waiting, self._waiting = self._waiting, {}
        for answered, cost, command in waiting.values():
            if cost:
                self._admission.give_back(cost)
            answered(None, _fault_answer(command))
        self._admission.refuse(_STOPPED_FOR_FAULT)
        self._supervisor.node_failed(error)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not self._failed and not condition():
            self._turned = self._loop.create_future()
            await self._turned


def _settle(future: asyncio.Future[Result], result: Result, error: GoutubeError | None) -> None:
    """Tell who waits for a future, unless he has gone."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _cost_of(command: Command) -> int:
    """Bytes of the admission's budget; none for what appends nothing."""
    if type(command) is not Append or command.batch is None:
        return 0
    batch = command.batch
    return len(batch.data) + len(batch.tables) + _APPEND_OVERHEAD_BYTES


def _fault_answer(command: Command) -> GoutubeError:
    if isinstance(command, Read | DescribeStream | ListStreams):
        return DiskFailedError(_STOPPED_FOR_FAULT)
    return OutcomeUnknownError(
        "the node stopped after a fault of its own while this was under way, so it may have "
        "happened or not; start the node again and look at the stream"
    )
