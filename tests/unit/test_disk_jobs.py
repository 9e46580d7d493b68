"""Disk jobs run on native threads, end as outcomes, and never touch a descriptor that was reused."""

import asyncio
import errno
import os

import pytest

from goutube._native import (
    JOURNAL_BLOCK_BYTES,
    VERDICT_IO_ERROR,
    VERDICT_OK,
    encode_group,
    read_group,
)
from goutube.crash_points import CrashPoint
from goutube.ports import (
    Call,
    Outcome,
    ReadEntries,
    SyncFile,
    WriteAlong,
    WriteGroup,
    WriteSegment,
)
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
        WriteSegment(1, file, 3, [b"abc", b"de"]),
        SyncFile(2, file, CrashPoint.SEGMENT_FLUSHED),
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
        WriteSegment(1, file, 0, [b"abc"]),
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
        WriteSegment(1, file, 0, [b"abc"]),
        Call(2, lambda disk: file.close()),
        SyncFile(3, closed, CrashPoint.SEGMENT_FLUSHED),
    )
    assert found[1] == Outcome(1)
    assert isinstance(found[3].error, OSError)
    assert disk.open("a").read(0, 9) == b"abc"


def test_a_group_is_written_with_its_checksums(disk):
    file = disk.open("journal", create=True)
    head = encode_group(7, 1, [], 0, 0)
    buffers = [head, bytes(JOURNAL_BLOCK_BYTES - len(head))]
    found = outcomes_of(disk, WriteGroup(1, file, JOURNAL_BLOCK_BYTES, 7, buffers))
    assert found[1] == Outcome(1)
    verdict, group = read_group(file.read(0, 3 * JOURNAL_BLOCK_BYTES), JOURNAL_BLOCK_BYTES, 7, 1)
    assert verdict == VERDICT_OK
    assert group.sequence == 1


def group_with(disk, *along):
    """A group of two records of 8 bytes, which go along."""
    head = encode_group(7, 1, [], 0, 0)
    records = [b"record-1", b"record-2"]
    padding = bytes(JOURNAL_BLOCK_BYTES - len(head) - 16)
    return WriteGroup(
        1, disk.open("journal", create=True), 0, 7, [head, *records, padding], list(along)
    )


def test_a_groups_entries_are_written_along(disk):
    one, both = disk.open("one", create=True), disk.open("both", create=True)
    job = group_with(disk, WriteAlong(both, 3, 1, 2), WriteAlong(one, 0, 2, 1))
    assert outcomes_of(disk, job) == {1: Outcome(1)}
    assert both.read(0, 100) == b"\0\0\0record-1record-2"
    assert one.read(0, 100) == b"record-2"
    assert read_group(disk.open("journal").read(0, JOURNAL_BLOCK_BYTES), 0, 7, 1)[0] == VERDICT_OK


@pytest.mark.parametrize("bad", ["one", "both", "journal"])
def test_a_group_that_fails_names_the_file(disk, bad):
    """What comes before it is written, nothing behind it."""
    files = {name: disk.open(name, create=True) for name in ("one", "both")}
    job = group_with(disk, WriteAlong(files["both"], 0, 1, 2), WriteAlong(files["one"], 0, 2, 1))
    file = {**files, "journal": job.file}[bad]
    read_only = os.open(os.fspath(disk.root / bad), os.O_RDONLY)
    os.dup2(read_only, file.pin())
    os.close(read_only)
    file.unpin()
    error = outcomes_of(disk, job)[1].error
    assert isinstance(error, OSError)
    assert (error.errno, error.filename) == (errno.EBADF, bad)
    sizes = [disk.open(name).size() > 0 for name in ("journal", "both", "one")]
    assert sizes == [bad != "journal", bad == "one", False]


def test_a_file_that_a_group_writes_along_stays_open_meanwhile(disk):
    file = disk.open("one", create=True)
    job = group_with(disk, WriteAlong(file, 0, 1, 1))
    found = outcomes_of(disk, job, Call(2, lambda disk: file.close()))
    assert found[1] == Outcome(1)
    assert disk.open("one").read(0, 9) == b"record-1"
    with pytest.raises(OSError, match="closed"):
        file.pin()


@pytest.mark.parametrize("bytes_max", [1024, 2 << 20])
def test_a_read_that_the_system_refuses_says_so(disk, tmp_path, bytes_max):
    """Inline and on a thread alike; a directory's descriptor stands for a disk that fails."""
    file = disk.open("a", create=True)
    file.write(0, bytes(4096))
    directory = os.open(tmp_path, os.O_RDONLY)
    os.dup2(directory, file.pin())
    os.close(directory)
    file.unpin()
    job = ReadEntries(1, file, 0, 4096, 0, 1, 0, 100, 0, 0, bytes_max, records=False)
    run = outcomes_of(disk, job)[1].value
    assert (run.verdict, run.error_number) == (VERDICT_IO_ERROR, errno.EISDIR)
