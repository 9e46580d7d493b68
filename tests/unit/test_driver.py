"""The driver batches events, gives every call its answer, and ends cleanly whatever fails."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from goutube.errors import (
    DiskFailedError,
    InvariantError,
    OutcomeUnknownError,
    OverloadedError,
    ShuttingDownError,
    StreamNotFoundError,
)
from goutube.model import Batch, StreamId
from goutube.node import Append, DescribeStream, Earliest, Read, Reply
from goutube.ports import Call, Outcome
from goutube.runtime import Admission, Driver


@dataclass
class FakeReady:
    jobs: list = field(default_factory=list)
    replies: list = field(default_factory=list)
    deadline_ms: int | None = None


class FakeNode:
    """Answers what the test tells it to; keeps the order in which it was called."""

    def __init__(self):
        self.trace = []
        self.next = FakeReady()
        self.healthy = True
        self.drained = False
        self.stats = SimpleNamespace()
        self.fail_in = None

    def _note(self, name, *arguments):
        self.trace.append((name, *arguments))
        if self.fail_in == name:
            raise InvariantError(f"wrong in {name}")

    def submit(self, token, command):
        self._note("submit", token)

    def cancel(self, token):
        self._note("cancel", token)

    def completed(self, outcome):
        self._note("completed", outcome.ticket)

    def advance(self, wall_ms, monotonic_ms):
        self._note("advance")

    can_wait = False

    def ready(self):
        self._note("ready")
        ready, self.next = self.next, FakeReady()
        return ready

    def report(self):
        return "report"

    def drain(self):
        self._note("drain")
        self.drained = True

    def names(self):
        return [entry[0] for entry in self.trace]


class FakeJobs:
    def __init__(self):
        self.started = []
        self.at_once = {}
        self.ended = None
        self.closed = False

    def attach(self, loop, ended):
        self.ended = ended

    def start(self, job):
        self.started.append(job)
        return self.at_once.get(job.ticket)

    def journal_seconds(self):
        return (0, 0.0, 0.0)

    def detach(self):
        self.ended = None

    def close(self):
        self.closed = True


class FakeClock:
    now = 1000

    def wall_ms(self):
        return self.now

    def monotonic_ms(self):
        return self.now


class FakeSupervisor:
    def __init__(self):
        self.unhealthy, self.failures = 0, []

    def node_unhealthy(self):
        self.unhealthy += 1

    def node_failed(self, error):
        self.failures.append(error)


@dataclass
class World:
    node: FakeNode = field(default_factory=FakeNode)
    jobs: FakeJobs = field(default_factory=FakeJobs)
    supervisor: FakeSupervisor = field(default_factory=FakeSupervisor)
    admission: Admission = field(default_factory=Admission)

    async def start(self):
        self.driver = Driver(self.node, self.jobs, FakeClock(), self.supervisor, self.admission)
        self.driver.start()
        await settle()
        self.node.trace.clear()
        return self.driver

    async def answer(self, *replies):
        """Let the node have these replies ready, and wake the driver as an ended job would."""
        self.node.next = FakeReady(replies=list(replies))
        self.jobs.ended([])
        await settle()


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def append(size=10):
    batch = Batch(1, 0, bytes(4), bytes(size), 0)
    return Append("s", StreamId(0), batch, None, None, 0, False)


def read(wait=True):
    return Read("s", StreamId(0), Earliest(), None, 100, False, wait)


def driven(test):
    """Run an async test on a plain loop."""

    def run_it():
        asyncio.run(test(World()))

    run_it.__name__, run_it.__doc__ = test.__name__, test.__doc__
    return run_it


@driven
async def test_commands_of_one_pass_share_one_clock_reading_and_one_turn(world):
    driver = await world.start()
    tasks = [driver.call(append()) for _ in range(3)]
    await settle()
    assert world.node.names() == ["advance", "submit", "submit", "submit", "ready"]
    await world.answer(Reply(1, "a"), Reply(3, "c"), Reply(2, None, StreamNotFoundError("no")))
    assert [tasks[0].result(), tasks[2].result()] == ["a", "c"]
    assert isinstance(tasks[1].exception(), StreamNotFoundError)
    assert driver.inflight_bytes == driver.calls_waiting == 0


@driven
async def test_what_can_wait_for_the_journal_costs_no_turn(world):
    """The time and a cancelled read are seen all the same, and so is a job's end that matters."""
    driver = await world.start()
    world.node.can_wait = True
    call = driver.call(append())
    reading = driver.call(read())
    await settle()
    assert world.node.names() == ["advance", "submit", "submit"]
    reading.cancel()
    await settle()
    assert world.node.names()[3:] == ["advance", "cancel", "ready"]
    world.jobs.ended([Outcome(1)])
    await settle()
    assert world.node.names()[6:] == ["advance", "completed"]
    world.node.can_wait = False
    await world.answer(Reply(1, "done"))
    assert world.node.names()[8:] == ["advance", "ready"]
    assert await call == "done"


@driven
async def test_a_job_that_ends_at_once_is_handed_back_in_the_same_turn(world):
    driver = await world.start()
    world.jobs.at_once[7] = Outcome(7, "bytes")
    world.node.next = FakeReady(jobs=[Call(7, lambda disk: None)])
    task = driver.call(read())
    await settle()
    assert world.node.names() == ["advance", "submit", "ready", "completed", "ready"]
    task.cancel()
    await settle()


@driven
async def test_ended_jobs_come_after_a_clock_reading(world):
    await world.start()
    world.jobs.ended([Outcome(1), Outcome(2)])
    await settle()
    assert world.node.names() == ["advance", "completed", "completed", "ready"]


@driven
async def test_cancelling_a_read_forgets_it_and_an_append_goes_on(world):
    driver = await world.start()
    tasks = [driver.call(command) for command in (append(), read())]
    await settle()
    for task in tasks:
        task.cancel()
    await settle()
    assert ("cancel", 2) in world.node.trace
    assert ("cancel", 1) not in world.node.trace
    assert driver.calls_waiting == 1
    assert driver.inflight_bytes > 0
    await world.answer(Reply(1, "late"), Reply(2, "never asked"))
    assert driver.inflight_bytes == driver.calls_waiting == 0


@driven
async def test_a_timer_brings_the_node_the_time(world):
    await world.start()
    world.node.next = FakeReady(deadline_ms=FakeClock.now + 1)
    world.jobs.ended([])
    await settle()
    world.node.trace.clear()
    async with asyncio.timeout(5):
        while not world.node.trace:  # noqa: ASYNC110 - fakes have no events
            await asyncio.sleep(0.001)
    assert world.node.names()[:1] == ["advance"]


@pytest.mark.parametrize("place", ["submit", "ready", "completed", "advance"])
def test_a_fault_of_the_node_fails_every_call_and_tells_the_supervisor(place):
    @driven
    async def test(world):
        driver = await world.start()
        tasks = [driver.call(command) for command in (append(), read())]
        await settle()
        world.node.fail_in = place
        world.jobs.ended([Outcome(9)])
        third = driver.call(append())
        await settle()
        assert isinstance(tasks[0].exception(), OutcomeUnknownError)
        assert isinstance(tasks[1].exception(), DiskFailedError)
        assert third.exception() is not None
        assert [type(error) for error in world.supervisor.failures] == [InvariantError]
        assert not driver.healthy
        with pytest.raises(DiskFailedError, match="Start it again"):
            await driver.call(append())
        await driver.stop()
        assert world.jobs.closed

    test()


@driven
async def test_an_unhealthy_node_is_told_once(world):
    driver = await world.start()
    world.node.healthy = False
    world.jobs.ended([])
    await settle()
    world.jobs.ended([])
    await settle()
    assert world.supervisor.unhealthy == 1
    assert not driver.healthy
    assert not driver.failed


@driven
async def test_appends_wait_for_room_and_are_refused_in_the_end(world):
    world.admission = Admission(bytes_max=2000, wait_ms=20)
    driver = await world.start()
    tasks = [driver.call(append(1000)) for _ in range(2)]
    await settle()
    assert world.node.names().count("submit") == 1
    with pytest.raises(OverloadedError) as caught:
        await tasks[1]
    assert caught.value.fields["retry_after_ms"] == "1000"
    waiting = driver.call(append(1000))
    await settle()
    await world.answer(Reply(1, "done"))
    assert world.node.names().count("submit") == 2
    await world.answer(Reply(2, "also"))
    assert await waiting == "also"
    assert driver.inflight_bytes == 0


@driven
async def test_an_append_that_is_larger_than_all_room_passes_alone(world):
    world.admission = Admission(bytes_max=10, wait_ms=20)
    driver = await world.start()
    task = driver.call(append(1000))
    await settle()
    await world.answer(Reply(1, "done"))
    assert await task == "done"


@driven
async def test_stop_ends_waiting_reads_finishes_appends_and_drains(world):
    driver = await world.start()
    writing, waiting = (driver.call(command) for command in (append(), read()))
    await settle()
    stopping = asyncio.ensure_future(driver.stop())
    await settle()
    assert isinstance(waiting.exception(), ShuttingDownError)
    assert not writing.done()
    assert "drain" not in world.node.names()
    with pytest.raises(ShuttingDownError):
        await driver.call(DescribeStream("s"))
    await world.answer(Reply(1, "written"))
    assert await writing == "written"
    await stopping
    assert "drain" in world.node.names()
    assert world.jobs.closed


@driven
async def test_after_end_reads_only_waiting_reads_are_refused(world):
    driver = await world.start()
    driver.end_reads()
    with pytest.raises(ShuttingDownError):
        await driver.call(read())
    task = driver.call(read(wait=False))
    await settle()
    await world.answer(Reply(1, "bytes"))
    assert await task == "bytes"


@driven
async def test_stop_does_not_wait_for_a_failed_disk(world):
    driver = await world.start()
    world.node.healthy = False
    await driver.stop()
    assert "drain" not in world.node.names()


@driven
async def test_an_append_that_is_begun_is_told_its_answer_in_the_turn_that_brings_it(world):
    driver = await world.start()
    told = []
    assert driver.begin(append(), lambda *answer: told.append(answer))
    assert driver.begin(append(), lambda *answer: told.append(answer))
    await settle()
    refusal = StreamNotFoundError("no")
    await world.answer(Reply(1, "a"), Reply(2, None, refusal))
    assert told == [("a", None), (None, refusal)]
    assert driver.inflight_bytes == driver.calls_waiting == 0


@driven
async def test_an_append_without_room_begins_once_there_is_some_or_not_at_all(world):
    world.admission = Admission(bytes_max=2000)
    driver = await world.start()
    told = []
    assert driver.begin(append(1000), lambda *answer: told.append(answer))
    assert not driver.begin(append(1000), lambda *answer: told.append(answer))
    waiting = asyncio.create_task(
        driver.begin_later(append(1000), lambda *answer: told.append(answer))
    )
    given_up = asyncio.create_task(
        driver.begin_later(append(1000), lambda *answer: told.append(answer))
    )
    await settle()
    given_up.cancel()
    assert driver.calls_waiting == 1
    await world.answer(Reply(1, "a"))
    await waiting
    await world.answer(Reply(2, "b"))
    assert told == [("a", None), ("b", None)]
    assert given_up.cancelled()
    assert driver.inflight_bytes == driver.calls_waiting == 0


@driven
async def test_what_cannot_begin_says_so_at_once_and_what_has_begun_learns_of_a_fault(world):
    driver = await world.start()
    told = []
    assert driver.begin(append(), lambda *answer: told.append(answer))
    world.node.fail_in = "submit"
    assert driver.begin(append(), lambda *answer: told.append(answer))
    assert [type(error) for _, error in told] == [OutcomeUnknownError, OutcomeUnknownError]
    with pytest.raises(DiskFailedError):
        driver.begin(append(), lambda *answer: told.append(answer))
    with pytest.raises(DiskFailedError):
        await driver.begin_later(append(), lambda *answer: told.append(answer))
    assert driver.inflight_bytes == 0
