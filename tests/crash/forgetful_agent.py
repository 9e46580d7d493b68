"""An agent with a planted fault: journal groups are reported durable before they are written.

``test_kill`` must find it out. What it had only in memory is lost by kill -9, as what was only in the
page cache is lost when the power goes.
"""

from __future__ import annotations

import goutube.agent.assembly as assembly
from goutube.cli import main
from goutube.ports import Outcome, WriteGroup
from goutube.runtime import DiskJobs

DELAY_S = 0.05


class ForgetfulJobs(DiskJobs):
    """Writes journal groups later than it says."""

    def _submit(self, job, fd):
        if not isinstance(job, WriteGroup):
            super()._submit(job, fd)
            return
        self._loop.call_soon(self._report, Outcome(job.ticket))
        self._loop.call_later(DELAY_S, super()._submit, job, fd)

    def _report(self, *outcomes):
        early = self._told = getattr(self, "_told", set())
        fresh = [outcome for outcome in outcomes if outcome.ticket not in early]
        early.update(outcome.ticket for outcome in fresh)
        if fresh:
            self._ended_then(fresh)

    def attach(self, loop, ended):
        self._ended_then = ended
        super().attach(loop, lambda outcomes: self._report(*outcomes))


if __name__ == "__main__":
    assembly.DiskJobs = ForgetfulJobs
    main()
