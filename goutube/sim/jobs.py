"""The jobs of a node done by hand, effect by effect, as the runtime's threads do them at once."""

from __future__ import annotations

from collections.abc import Callable, Generator

from goutube import ports
from goutube._native import complete_group, read_run
from goutube.crash_points import CrashPoint
from goutube.errors import GoutubeError
from goutube.sim.stepping import step_through

Effects = Generator[None, None, object]
"""Goes on to just before the next effect on the disk; returns the value of the job."""
Performer = Callable[[ports.Disk, ports.Job], Effects]


def effects(disk: ports.Disk, job: ports.Job) -> Effects:
    """Do one job, a call in one go; between two steps other jobs may do theirs."""
    match job:
        case ports.WriteGroup():
            head, *rest = job.buffers
            assert isinstance(head, bytearray)
            complete_group(job.seed, head, rest)
            disk.reached(CrashPoint.GROUP_GIVEN)
            job.file.write(job.position, *job.buffers)
            yield
            job.file.sync()
            disk.reached(CrashPoint.GROUP_DURABLE)
            for along in job.along:
                yield
                disk.reached(CrashPoint.ENTRIES_GIVEN)
                parts = job.buffers[along.first : along.first + along.count]
                along.file.write(along.position, *parts)
                disk.reached(CrashPoint.ENTRIES_WRITTEN)
        case ports.WriteSegment():
            disk.reached(CrashPoint.ENTRIES_GIVEN)
            job.file.write(job.position, *job.buffers)
            disk.reached(CrashPoint.ENTRIES_WRITTEN)
        case ports.SyncFile():
            job.file.sync()
            disk.reached(job.point)
        case ports.ReadEntries():
            return read_run(
                job.file.map(),
                job.position,
                job.count,
                job.salt,
                job.stream_id,
                job.first_offset,
                job.limit_offset,
                job.first_ordinal,
                job.first_stamp,
                job.bytes_max,
                job.records,
            )
        case ports.Call():
            return job.function(disk)
    return None


def fine_effects(disk: ports.Disk, job: ports.Job) -> Effects:
    """The same, with steps in the middle of calls."""
    if isinstance(job, ports.Call):
        return (yield from step_through(job.function, disk))
    return (yield from effects(disk, job))


def go_on(job: ports.Job, running: Effects) -> ports.Outcome | None:
    """Do the next effect of a job; its outcome if that was the last one."""
    try:
        next(running)
    except StopIteration as end:
        return ports.Outcome(job.ticket, end.value)
    except (OSError, GoutubeError) as error:
        return ports.Outcome(job.ticket, error=error)
    return None


def perform(disk: ports.Disk, job: ports.Job) -> ports.Outcome:
    """Do a whole job, undisturbed."""
    running = effects(disk, job)
    while (outcome := go_on(job, running)) is None:
        pass
    return outcome
