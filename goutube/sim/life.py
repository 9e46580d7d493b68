"""One life of a node: the driver's work in virtual time, jobs that overlap, and the sudden end."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msgspec import Struct

from goutube.errors import GoutubeError
from goutube.model import StreamInfo
from goutube.node import (
    Append,
    AtOffset,
    Command,
    ListPage,
    ListStreams,
    NodeOptions,
    Read,
    ReadAnswer,
    Reply,
    open_node,
)
from goutube.ports import Job
from goutube.sim.disk import MemoryDisk
from goutube.sim.history import History
from goutube.sim.jobs import Effects, Performer, go_on
from goutube.sim.timeline import MS, Timeline, VirtualClock
from goutube.sim.world import SeededEntropy

Then = Callable[[Reply], None]
_PAGE = 100
_READ_BYTES = 1 << 16


class Surroundings(Struct, frozen=True):
    """What lasts longer than a life.

    Attributes:
        sync_us: how long an effect on the disk takes, at most.
        note: is told of each answer.
    """

    timeline: Timeline
    clock: VirtualClock
    history: History
    options: NodeOptions
    performer: Performer
    sync_us: int
    note: Callable[[str], None]


class Life:
    """A node from its start to its end.

    Each job's effects happen one by one at times of their own, and so does the news of its end;
    of two jobs that the node has started neither waits for the other.

    Raises:
        OSError, GoutubeError: the node does not start.
        PowerCutError: the start was cut off.
    """

    def __init__(self, disk: MemoryDisk, chance: Random, around: Surroundings) -> None:
        self.disk = disk
        self.dead = False
        self._timeline = around.timeline
        self._clock = around.clock
        self._chance = chance
        self._history = around.history
        self._performer = around.performer
        self._sync_us = around.sync_us
        self._note = around.note
        self._thens: dict[int, tuple[Command, int, Then]] = {}
        self._token = 0
        self._turn_due = False
        self._something_ended = False
        self._timer_ms: int | None = None
        self._on_end: list[Callable[[], None]] = []
        entropy = SeededEntropy(chance.getrandbits(64))
        self.node = open_node(disk, around.clock, entropy, around.options)

    # What the server's handlers use

    def submit(self, command: Command, then: Then) -> int:
        """Hand a command to the node; ``then`` gets the answer, unless the life ends before."""
        self._token += 1
        asked = self._history.submitted(command)
        self._thens[self._token] = (command, asked, then)
        self._wake()
        self.node.submit(self._token, command)
        return self._token

    def cancel(self, token: int) -> None:
        """Nobody waits for a read any more."""
        if not self.dead and self._thens.pop(token, None) is not None:
            self._wake_for_end()
            self.node.cancel(token)

    def when_ended(self, action: Callable[[], None]) -> None:
        """Be told of the end."""
        self._on_end.append(action)

    def end(self) -> None:
        """The process is gone, whatever it was doing."""
        self.dead = True
        for action in self._on_end:
            action()

    def drain(self) -> None:
        """Ask the node to bring everything to its place."""
        self.node.drain()
        self._wake_for_end()

    # The driver

    def _wake_for_end(self) -> None:
        self._something_ended = True
        self._wake()

    def _wake(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self.node.advance(self._clock.wall_ms(), self._clock.monotonic_ms())
            self._timeline.after(self._chance.randint(0, 50), self._turn)

    def _turn(self) -> None:
        if self.dead:
            return
        self._turn_due = False
        ended, self._something_ended = self._something_ended, False
        if ended or not self.node.can_wait:
            self._work()

    def _work(self) -> None:
        ready = self.node.ready()
        for job in ready.jobs:
            self._go_on_later(job, self._performer(self.disk, job))
        for reply in ready.replies:
            self._answer(reply)
        self._arm(ready.deadline_ms)

    def _answer(self, reply: Reply) -> None:
        waiting = self._thens.pop(reply.token, None)
        if waiting is not None:
            command, asked, then = waiting
            self._note(f"{describe(command)} -> {describe(reply.error or reply.result)}")
            self._history.replied(command, asked, reply)
            then(reply)

    def _go_on_later(self, job: Job, running: Effects) -> None:
        self._timeline.after(
            self._chance.randint(1, self._sync_us), lambda: self._go_on(job, running)
        )

    def _go_on(self, job: Job, running: Effects) -> None:
        if self.dead:
            running.close()
            return
        outcome = go_on(job, running)
        if outcome is None:
            self._go_on_later(job, running)
            return

        def tell() -> None:
            if not self.dead:
                self._wake()
                self.node.completed(outcome)

        self._timeline.after(self._chance.randint(1, 1 + self._sync_us // 4), tell)

    def _arm(self, deadline_ms: int | None) -> None:
        if deadline_ms is None or (self._timer_ms is not None and self._timer_ms <= deadline_ms):
            return
        self._timer_ms = deadline_ms

        def fire() -> None:
            if not self.dead and self._timer_ms == deadline_ms:
                self._timer_ms = None
                self._wake_for_end()

        wait_ms = max(1, deadline_ms - self._clock.monotonic_ms())
        self._timeline.after(wait_ms * MS, fire)

    # The checker's questions, asked before anybody else's

    def ask(self, command: Command) -> Reply:
        """Let the node answer, in no time."""
        answers: list[Reply] = []
        token = self.submit(command, answers.append)
        while not answers:
            ready = self.node.ready()
            for job in ready.jobs:
                running = self._performer(self.disk, job)
                while (outcome := go_on(job, running)) is None:
                    pass
                self.node.completed(outcome)
            for reply in ready.replies:
                self._answer(reply)
            if not ready.jobs and not ready.replies:
                raise AssertionError(f"{command} (token {token}) is not answered")
        return answers[0]

    def check(self) -> None:
        """Compare everything that there is with everything that was promised.

        Raises:
            BrokenPromiseError: something is missing, or other than it was.
        """
        infos = self._list()
        self._history.listed(infos)
        for info in infos:
            offset = info.start_offset
            while offset < info.end_offset:
                start = AtOffset(offset)
                command = Read(info.name, info.stream_id, start, None, _READ_BYTES, False, False)
                result = self.ask(command).result
                if not isinstance(result, ReadAnswer):
                    return  # the checker has found an excuse for that
                offset = result.next_offset
            self._history.parse(self._history.streams[info.stream_id])

    def _list(self) -> list[StreamInfo]:
        infos: list[StreamInfo] = []
        more = True
        while more:
            page = self.ask(ListStreams("", infos[-1].name if infos else "", _PAGE)).result
            assert isinstance(page, ListPage)
            infos += page.streams
            more = page.more
        return infos


def describe(value: object) -> str:
    """A command, a result or an error in a few words, the same ones on every run."""
    match value:
        case GoutubeError():
            return f"{value.reason}: {value.message}"
        case Append():
            size = len(value.batch.data) if value.batch else 0
            expected = "" if value.expected_offset is None else f" at {value.expected_offset}"
            return f"append {size} to {value.name}{expected}{' and seal' if value.seal else ''}"
        case ReadAnswer():
            return f"{value.offset}-{value.next_offset} of {value.start_offset}-{value.end_offset}"
        case ListPage():
            return f"{len(value.streams)} streams"
        case StreamInfo():
            sealed = " sealed" if value.sealed else ""
            return f"{value.stream_id:#x} {value.start_offset}-{value.end_offset}{sealed}"
        case _:
            return repr(value)
