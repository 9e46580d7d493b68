"""Jobs for the disk that wait to be started, and what is to follow each of them."""

from __future__ import annotations

from collections.abc import Callable

from goutube.errors import DiskFailedError
from goutube.ports import Job, Outcome
from goutube.storage.room import lacks_room

Make = Callable[[int], Job]
"""Makes a job for its ticket."""
Then = Callable[[Outcome], None]


class JobQueue:
    """Gives jobs their tickets, and their outcomes to whoever asked for them.

    Attributes:
        failure: set by the first failed write or sync, for the rest of the process: nothing that
            was pending is acknowledged, nothing more is taken.
        quiet_end: set by what follows a job when nothing is to be done now that it has ended.
    """

    def __init__(self) -> None:
        self.failure: DiskFailedError | None = None
        self._jobs: list[Job] = []
        self._thens: dict[int, Then] = {}
        self._ticket = 0
        self.quiet_end = False
        self._end_seen = True
        self._roomless: list[tuple[Make, Then]] = []

    def start(self, make: Make, then: Then) -> int:
        """Hand out a job under a fresh ticket; ``then`` is called with its outcome."""
        self._ticket += 1
        self._jobs.append(make(self._ticket))
        self._thens[self._ticket] = then
        return self._ticket

    def start_roomy(self, make: Make, then: Then) -> None:
        """Hand out a job that takes room on the disk; where there is none, it waits until there is.

        It is repeated whole, so it must bear that it failed halfway. Nothing that was pending is
        lost by waiting: the journal, whose room is its own, holds it.
        """

        def done(outcome: Outcome) -> None:
            if lacks_room(outcome.error):
                self._roomless.append((make, then))
            else:
                then(outcome)

        self.start(make, done)

    @property
    def lacks_room(self) -> bool:
        """Whether something waits for room on the disk."""
        return bool(self._roomless)

    def retry_roomless(self) -> None:
        """Try again what found no room."""
        roomless, self._roomless = self._roomless, []
        for make, then in roomless:
            self.start_roomy(make, then)

    def completed(self, outcome: Outcome) -> None:
        """Take in how a job ended."""
        self.quiet_end = False
        self._thens.pop(outcome.ticket)(outcome)
        self._end_seen = self._end_seen and self.quiet_end

    @property
    def due(self) -> bool:
        """Whether jobs wait to be started, or one has ended from which something may follow."""
        return bool(self._jobs) or not self._end_seen or self.failure is not None

    @property
    def busy(self) -> bool:
        """Whether jobs wait to be started or are under way."""
        return bool(self._thens)

    def take_jobs(self) -> list[Job]:
        """The jobs to start now, when all that has ended is taken in."""
        self._end_seen = True
        jobs, self._jobs = self._jobs, []
        return jobs

    def fail(self, outcome: Outcome) -> bool:
        """Whether nothing may follow from the job: it failed, or an earlier one did.

        The first failure is final for the whole store. A sync that succeeds after one that failed
        proves nothing: the kernel counts as clean what the first did not bring to the disk.
        """
        if outcome.error is not None and self.failure is None:
            self.failure = DiskFailedError(
                f"the disk failed: {outcome.error}. Nothing more is written; repair the disk and "
                "start the node again"
            )
            self.failure.__cause__ = outcome.error
        return self.failure is not None
