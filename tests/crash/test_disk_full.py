"""A real file system that others fill to its last byte under an agent, and empty again."""

import json
import os
import time

import pytest

import goutube
from goutube.errors import DiskFullError
from goutube.limits import KIB, MIB
from tests.support.agents import started
from tests.support.loop_disk import LoopDisk, PoweredAgent, why_not

pytestmark = [pytest.mark.crash]

PIECE = bytes(range(256)) * 256
SETTINGS = ("--journal-bytes", str(4 * MIB), "--segment-bytes", str(MIB), "--shard-count", "4",
            "--free-bytes-min", str(16 * MIB), "--free-bytes-low", str(32 * MIB))  # fmt: skip


@pytest.fixture(params=["ext4", "xfs"])
def disk(tmp_path, request):
    if reason := why_not(request.param):
        pytest.skip(reason)
    with LoopDisk(tmp_path, request.param) as mounted:
        yield mounted


def fill(path, free=0):
    """Take all but so much of a file system."""
    with path.open("wb", buffering=0) as file:
        room = os.fstatvfs(file.fileno())
        if free:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - free)
            return
        for size in (64 * MIB, MIB, 64 * KIB, 4 * KIB):
            try:
                while True:
                    end = file.seek(0, os.SEEK_END)
                    os.posix_fallocate(file.fileno(), end, size)
            except OSError:
                continue


def append_until_full(client, kept):
    """Two streams, one after the other; what was acknowledged is kept."""
    for number in range(100_000):
        name = ("a", "b")[number % 2]
        try:
            client.append(name, PIECE)
        except DiskFullError as refused:
            return refused
        kept[name] += PIECE
    raise AssertionError("it was never full")


def content(client, name):
    return b"".join(client.read(name))


def wait_for_room(client, kept):
    """Until an append is taken: seconds."""
    began = time.monotonic()
    while True:
        try:
            client.append("a", PIECE)
        except DiskFullError:
            assert time.monotonic() - began < 10
        else:
            kept["a"] += PIECE
            return time.monotonic() - began


def logged(agent, event):
    return [line for line in map(json.loads, agent.log_lines) if line["event"] == event]


def test_a_full_disk_refuses_and_goes_on_by_itself(disk):
    """Twice: at its own limit, and where others have taken the last byte."""
    filler, last = disk.mount_point / "filler", disk.mount_point / "last"
    kept = {"a": b"", "b": b""}
    agent = PoweredAgent(disk, *SETTINGS)
    with started(agent), goutube.connect(agent.address, timeout_s=1) as client:
        client.append("a", PIECE)
        kept["a"] += PIECE
        fill(filler, free=48 * MIB)
        assert "16777216 bytes" in append_until_full(client, kept).message
        room = os.statvfs(disk.mount_point)
        assert 8 * MIB < room.f_bavail * room.f_frsize < 17 * MIB
        fill(last)
        append_until_full(client, kept)
        assert {name: content(client, name) for name in kept} == kept
        trimmed = client.trim("b", len(PIECE)).start_offset
        assert trimmed == len(PIECE)
        assert logged(agent, "disk_full")
        last.unlink()
        filler.unlink()
        assert wait_for_room(client, kept) < 5
        client.append("b", PIECE)
        kept["b"] += PIECE
        assert logged(agent, "disk_has_room")
        fill(last)  # and now the power goes while there is nothing
        append_until_full(client, kept)
        agent.end()
        last.unlink()
        agent.start()
        assert content(client, "a") == kept["a"]
        assert b"".join(client.read("b", trimmed)) == kept["b"][trimmed:]
        assert not logged(agent, "node_failed")
