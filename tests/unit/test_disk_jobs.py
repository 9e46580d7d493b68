"""Disk jobs run on native threads, end as outcomes, and never touch a descriptor that was reused."""

import asyncio

import pytest

from goutube.ports import Call, Outcome, SyncFile, WriteSegment
from goutube.runtime import DiskJobs, OsDisk


@pytest.fixture
def disk(tmp_path):
    disk = OsDisk(tmp_path / "data")
    yield disk
    disk.close()


def outcomes_of(disk, *jobs):
    """Run jobs to their end; {ticket: outcome}."""

    async def main():
        runner, found = DiskJobs(disk), {}
        runner.attach(
            asyncio.get_running_loop(),
            lambda outcomes: found.update({outcome.ticket: outcome for outcome in outcomes}),
        )
        for job in jobs:
            at_once = runner.start(job)
            if at_once is not None:
                found[at_once.ticket] = at_once
        async with asyncio.timeout(10):
            while len(found) < len(jobs):  # noqa: ASYNC110 - fakes have no events
                await asyncio.sleep(0.001)
        runner.detach()
        runner.close()
        return found

    return asyncio.run(main())


def test_writes_and_calls_end_as_outcomes(disk):
    file = disk.open("a", create=True)
    found = outcomes_of(
        disk,
        WriteSegment(1, file, 3, [b"abc", b"de"], sync=True),
        SyncFile(2, file),
        Call(3, lambda disk: disk.list("")),
    )
    assert found[1] == Outcome(1)
    assert found[2] == Outcome(2)
    assert found[3] == Outcome(3, ["a"])
    assert file.read(0, 100) == b"\0\0\0abcde"


def test_errors_name_their_file(disk):
    disk.open("a", create=True).close()
    file = disk.open("a", write=False)
    found = outcomes_of(
        disk,
        WriteSegment(1, file, 0, [b"abc"], sync=False),
        Call(2, lambda disk: disk.open("none")),
    )
    assert isinstance(found[1].error, OSError)
    assert found[1].error.filename == "a"
    assert isinstance(found[2].error, FileNotFoundError)


def test_a_closed_file_is_an_error_and_one_closed_meanwhile_is_not(disk):
    file = disk.open("a", create=True)
    closed = disk.open("b", create=True)
    closed.close()

    found = outcomes_of(
        disk,
        WriteSegment(1, file, 0, [b"abc"], sync=True),
        Call(2, lambda disk: file.close()),
        SyncFile(3, closed),
    )
    assert found[1] == Outcome(1)
    assert isinstance(found[3].error, OSError)
    assert disk.open("a").read(0, 9) == b"abc"
