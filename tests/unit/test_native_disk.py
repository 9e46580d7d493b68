"""Native disk threads: what they write, how errors and buffers come back, how they end."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from crc32c import crc32c

from goutube._native import (
    VERDICT_IO_ERROR,
    VERDICT_TORN,
    VERDICT_WOULD_BLOCK,
    DiskThreads,
    encode_group,
    read_file_run,
    read_group,
)

NOTHING_READ = (0, 1, 1, 0, 1, 0, 0, 1, False)
"""Position, count, salt, stream, offsets, ordinal, stamp, room, records of a read of one byte."""


@pytest.fixture
def fd(tmp_path):
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


@pytest.fixture
def threads():
    threads = DiskThreads(1)
    yield threads
    threads.close()


def tasks_here():
    """The ids of this process's threads, native ones included."""
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}


def ended(threads, count):
    """Wait on the eventfd until so many jobs have ended."""
    found = []
    poll = select.poll()
    poll.register(threads.fileno(), select.POLLIN)
    while len(found) < count:
        assert poll.poll(10_000), "no job ended within ten seconds"
        found += threads.completed()
    return found


def test_buffers_are_written_one_behind_the_other(fd, threads):
    """Any contiguous buffers, empty ones among them, from the position on."""
    threads.submit_write(7, fd, 3, [b"ab", b"", bytearray(b"cd"), memoryview(b"xefx")[1:3]])
    assert ended(threads, 1) == [(7, 0, None)]
    assert os.pread(fd, 100, 0) == b"\0\0\0abcdef"


def test_more_buffers_than_one_system_call_takes(fd, threads):
    """Beyond IOV_MAX the write goes on where it was."""
    buffers = [number.to_bytes(4, "little") for number in range(5000)]
    threads.submit_write(1, fd, 0, buffers)
    assert ended(threads, 1) == [(1, 0, None)]
    assert os.pread(fd, 20_001, 0) == b"".join(buffers)


def test_a_short_write_is_gone_on_with():
    """What the system takes only a part of is written on, here up to a limit that is an error."""
    program = (
        "import os, resource, signal, tempfile\n"
        "from goutube._native import DiskThreads\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "with tempfile.TemporaryFile() as file:\n"
        "    threads = DiskThreads(1)\n"
        "    threads.submit_write(1, file.fileno(), 9_000, [b'a' * 700] * 3)\n"
        "    threads.close()\n"
        "    print(threads.completed(), os.fstat(file.fileno()).st_size)\n"
    )
    printed = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert printed == f"[(1, {errno.EFBIG}, None)] 10000\n"


def test_one_thread_ends_jobs_in_order(fd, threads):
    """Jobs of one thread end in the order in which they were submitted."""
    for ticket in range(200):
        threads.submit_write(ticket, fd, 0, [b"%03d" % ticket])
    threads.submit_sync(200, fd)
    assert [ticket for ticket, _, _ in ended(threads, 201)] == list(range(201))
    assert os.pread(fd, 3, 0) == b"199"


def test_a_group_is_completed_written_and_synced(fd, threads):
    """The writer fills in both checksums under the seed; the reader of groups accepts it."""
    body = b"record..".ljust(40 + 24, b".")
    head = encode_group(99, 5, [(1, 2, 3, 4, 5)], 0, 0)
    padding = bytes(-len(head) % 4096)
    expected = bytearray(head)
    threads.submit_group(1, fd, 4096, 99, [head, padding])
    assert ended(threads, 1) == [(1, 0, None)]
    whole = os.pread(fd, 1 << 20, 4096)
    crc = crc32c(bytes(expected[64:]) + padding, 99)
    assert int.from_bytes(whole[36:40], "little") == crc
    assert int.from_bytes(whole[60:64], "little") == crc32c(whole[:60], 99)
    verdict, group = read_group(whole, 0, 99, 5)
    assert verdict == 0
    assert group is not None
    assert group.marks == [(1, 2, 3, 4, 5)]
    assert len(body) == 64


def test_seconds_count_groups_alone(fd, threads):
    """Groups, their total and their longest time; other writes do not count."""
    assert threads.seconds() == (0, 0.0, 0.0)
    for ticket in range(3):
        head = encode_group(1, ticket, [], 0, 0)
        threads.submit_group(ticket, fd, 0, 1, [head, bytes(-len(head) % 4096)])
    threads.submit_write(3, fd, 0, [b"x"])
    ended(threads, 4)
    count, total, longest = threads.seconds()
    assert count == 3
    assert 0 < longest <= total < 60


@pytest.mark.parametrize("buffers", [[], [bytes(64)], [bytearray(63)], [bytearray(63), bytes(64)]])
def test_a_group_needs_a_writable_head(fd, threads, buffers):
    """A head that cannot be completed is refused at the call."""
    with pytest.raises(ValueError, match="writable head"):
        threads.submit_group(1, fd, 0, 1, buffers)
    assert threads.completed() == []


def rows(*along):
    return b"".join(struct.pack("<4q", *row) for row in along)


@pytest.mark.parametrize(
    "along",
    [
        rows((0, 0, 2, 1)),
        rows((0, 0, 0, 3)),
        rows((0, 0, 3, 0)),
        rows((0, 0, 0, 1), (0, 0, -1, 1)),
        rows((0, 0, 1, -1)),
        bytes(33),
    ],
)
def test_a_group_takes_only_its_own_buffers_along(fd, threads, along):
    head = encode_group(1, 1, [], 0, 0)
    with pytest.raises(ValueError, match="what is not there"):
        threads.submit_group(1, fd, 0, 1, [head, bytes(-len(head) % 4096)], along)
    assert threads.completed() == []


def test_a_group_tells_at_which_file_it_failed(fd, tmp_path, threads):
    """0 is its own."""
    read_only = os.open(tmp_path / "file", os.O_RDONLY)
    head = encode_group(1, 1, [], 0, 0)
    buffers = [head, bytes(-len(head) % 4096)]
    threads.submit_group(1, fd, 0, 1, buffers, rows((fd, 8192, 1, 1), (fd, 8192, 0, 1)))
    threads.submit_group(2, fd, 0, 1, buffers, rows((fd, 16384, 1, 1), (read_only, 0, 0, 1)))
    threads.submit_group(3, read_only, 0, 1, buffers, rows((fd, 0, 1, 1)))
    assert ended(threads, 3) == [(1, 0, None), (2, errno.EBADF, 2), (3, errno.EBADF, 0)]
    assert os.pread(fd, 4096, 8192)[: len(head)] == bytes(head)
    os.close(read_only)


def test_errors_are_numbers_of_their_own_job(fd, tmp_path, threads):
    """Each job has its own errno; the next one is not touched by it."""
    read_only = os.open(tmp_path / "file", os.O_RDONLY)
    pipe, other = os.pipe()
    threads.submit_write(1, read_only, 0, [b"x"])
    threads.submit_write(2, fd, -1, [b"x"])
    threads.submit_sync(3, pipe)
    threads.submit_read(4, pipe, *NOTHING_READ[:1], 1000, 0, 1, 0, 9, 0, 0, 9, False)
    threads.submit_write(5, fd, 0, [b"x"])
    found = ended(threads, 5)
    assert [(ticket, code) for ticket, code, _ in found] == [
        (1, errno.EBADF), (2, errno.EINVAL), (3, errno.EINVAL), (4, 0), (5, 0),
    ]  # fmt: skip
    run = found[3][2]
    assert run is not None
    assert (run.verdict, run.error_number) == (VERDICT_IO_ERROR, errno.ESPIPE)
    for opened in (read_only, pipe, other):
        os.close(opened)


def test_buffers_are_held_until_their_job_is_collected(fd, threads):
    """A bytearray under way cannot be resized; after ``completed`` it can."""
    buffer = bytearray(b"abc")
    threads.submit_write(1, fd, 0, [buffer])
    with pytest.raises(BufferError):
        buffer.append(1)
    ended(threads, 1)
    buffer.append(1)


def test_a_refused_submission_holds_nothing(fd, threads):
    """One buffer that is none: the others are let go at once."""
    buffer = bytearray(b"abc")
    with pytest.raises(TypeError):
        threads.submit_write(1, fd, 0, [buffer, "text"])  # type: ignore[list-item]
    with pytest.raises(BufferError):
        threads.submit_write(1, fd, 0, [buffer, memoryview(b"abcd")[::2]])
    buffer.append(1)
    assert threads.completed() == []


def test_closing_finishes_what_was_submitted(fd):
    """All jobs end, their outcomes can still be collected, closing twice is fine."""
    threads = DiskThreads(2)
    for ticket in range(50):
        threads.submit_write(ticket, fd, ticket, [b"x"])
    threads.close()
    threads.close()
    assert sorted(ticket for ticket, _, _ in threads.completed()) == list(range(50))
    assert threads.completed() == []
    assert os.pread(fd, 100, 0) == b"x" * 50
    with pytest.raises(ValueError, match="closed"):
        threads.submit_sync(1, fd)
    with pytest.raises(ValueError, match="closed"):
        threads.fileno()


def test_threads_end_with_their_object(fd):
    """Dropped without close: what was submitted is finished, threads and descriptors are gone."""
    gc.collect()
    before, opened = tasks_here(), len(list(Path("/proc/self/fd").iterdir()))
    buffer = bytearray(b"x" * 100_000)
    threads = DiskThreads(3)
    own = tasks_here() - before
    assert len(own) >= 3
    for ticket in range(20):
        threads.submit_write(ticket, fd, 0, [buffer])
    del threads
    buffer.append(1)
    # A joined thread stays listed until the kernel has torn it down; a live one would be for ever.
    until = time.monotonic() + 30
    while tasks_here() & own:
        assert time.monotonic() < until
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


@pytest.mark.parametrize("count", [0, 65])
def test_too_few_or_too_many_threads(count):
    """1 to 64."""
    with pytest.raises(ValueError, match="1 to 64"):
        DiskThreads(count)


def test_signals_are_not_taken_by_the_threads(threads):
    """All that the process is sent reaches the interpreter's own threads."""
    masks = []
    for task in tasks_here() - {thread.native_id for thread in threading.enumerate()}:
        status = Path(f"/proc/self/task/{task}/status").read_text()
        masks.append(int(dict(line.split(":", 1) for line in status.splitlines())["SigBlk"], 16))
    wanted = 1 << (signal.SIGTERM - 1) | 1 << (signal.SIGINT - 1)
    assert any(mask & wanted == wanted for mask in masks)


def test_jobs_end_while_python_is_busy(fd, threads):
    """A Python thread that spins and never gives the GIL away does not keep a write from ending."""
    os.ftruncate(fd, 1)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        with mmap.mmap(fd, 1, prot=mmap.PROT_READ) as mapped:
            threads.submit_write(1, fd, 0, [b"x"])
            while not mapped[0]:
                pass
    finally:
        sys.setswitchinterval(interval)
    assert ended(threads, 1) == [(1, 0, None)]


def test_a_read_beyond_the_file_is_torn(fd):
    """A run that the file does not hold: torn, and nothing returned."""
    run = read_file_run(fd, 0, 1000, 0, 1, 0, 9, 0, 0, 9, False, nowait=False)
    assert (run.verdict, run.data, run.offset) == (VERDICT_TORN, b"", 0)


def test_nowait_never_waits_for_the_disk(fd):
    """Bytes dropped from the page cache: ask a thread. Where a system keeps them, it is torn."""
    os.pwrite(fd, bytes(1 << 20), 0)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    run = read_file_run(fd, 0, 1 << 20, 0, 1, 0, 9, 0, 0, 9, False, nowait=True)
    waited = read_file_run(fd, 0, 1 << 20, 0, 1, 0, 9, 0, 0, 9, False, nowait=False)
    assert run.verdict in (VERDICT_WOULD_BLOCK, waited.verdict)
    assert waited.verdict != VERDICT_WOULD_BLOCK
