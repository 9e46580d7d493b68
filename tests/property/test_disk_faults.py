"""The n-th operation of the disk fails, for n = 1, 2, … until a run passes untouched.

What was acknowledged before and after is there at the next start; a fault is told to whoever wrote,
and the node never goes on writing as if nothing had been. Each fault is met twice: by kill -9, and
by a power cut right behind it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random

import pytest

from goutube.errors import CorruptionError, DiskFailedError, GoutubeError, OutcomeUnknownError
from goutube.node import DeleteStream, SealStream, TrimStream
from goutube.sim import MemoryDisk, World
from goutube.storage import inspect_directory
from tests.support.commands import append
from tests.support.stream_model import Model, check, read_back

STRIDE = int(os.environ.get("GOUTUBE_DISK_FAULT_STRIDE", "7"))
"""1: every operation, minutes long; by default each seventh, another residue for each error."""
NAMES = ["a", "b", "c"]
FAULTS = [errno.EIO, errno.ENOSPC]


def live(world: World, model: Model) -> None:
    """A life with everything in it: small and bulk appends, trims, a seal, a deletion, a drain."""
    chance = random.Random(5)
    for number in range(60):
        name = chance.choice(NAMES)
        data = chance.randbytes(chance.choice([10, 900, 9000, 70_000]))
        command, kind = append(name, data), "append"
        if number % 9 == 8:
            before = chance.randint(0, len(model.content.get("a", b"")))
            name, command, kind = "a", TrimStream("a", 0, before), "trim"
            data = before.to_bytes(8, "big")
        elif number == 40:
            name, command, kind, data = "b", SealStream("b", 0), "seal", b""
        elif number == 50:
            name, command, kind, data = "c", DeleteStream("c", 0), "delete", b""
        token = world.submit(command)
        model.sent[token] = (kind, name, data)
        world.settle(chance)
        world.clock.now_ms += 700
        settle_reply(world, model, token)
    world.drain()


def settle_reply(world: World, model: Model, token: int) -> None:
    reply = world.replies.pop(token)
    if reply.error is None:
        model.acknowledge(token, getattr(reply.result, "offset", None))
        return
    assert isinstance(reply.error, GoutubeError)
    if isinstance(reply.error, OutcomeUnknownError):
        assert not world.node.healthy
        model.lose_track()
    else:  # refused: nothing happened
        del model.sent[token]


def read_all(world: World, model: Model) -> None:
    """Read what there is; a reading that fails is answered with an error, and changes nothing."""
    for name in NAMES:
        with contextlib.suppress(CorruptionError, DiskFailedError):
            read_back(world, name)


def one_life(disk: MemoryDisk, model: Model) -> bool:
    """Whether the node opened."""
    try:
        world = World(disk)
    except (OSError, GoutubeError):
        return False
    live(world, model)
    return True


def reached(error: int) -> int:
    """How many operations a life without a fault takes."""
    disk = MemoryDisk()
    assert one_life(disk, Model())
    return disk.steps


@pytest.mark.parametrize("error", FAULTS, ids=["EIO", "ENOSPC"])
def test_the_nth_operation_fails(error):
    """One fault in a first life, then a second life on what it left."""
    for number in range(FAULTS.index(error), reached(error), STRIDE):
        disk, model = MemoryDisk(), Model()
        disk.fail_once(number, OSError(error, os.strerror(error)))
        one_life(disk, model)
        model.lose_track()
        for left in (disk.crash(), disk.power_cut(random.Random(number))):
            check_second_life(left, model.copy(), number)


def test_the_nth_reading_fails():
    """In a start, in answers, in a seal: what a reading did not show is not taken for gone.

    The node does not start, or says so, or does without; the next one has everything.
    """
    disk, model = MemoryDisk(), Model()
    assert one_life(disk, model)
    for number in range(looks_at(disk.crash(), model.copy())):
        left, known = disk.crash(), model.copy()
        left.fail_look_once(number)
        with contextlib.suppress(OSError, GoutubeError):
            world = World(left)
            read_all(world, known)
            live(world, known)
            read_all(world, known)
        known.lose_track()
        check_second_life(left.crash(), known, number)


def looks_at(disk: MemoryDisk, model: Model) -> int:
    """How many readings such a life takes."""
    world = World(disk)
    read_all(world, model)
    live(world, model)
    read_all(world, model)
    return disk.looks


def check_second_life(disk: MemoryDisk, model: Model, number: int) -> None:
    """It opens, holds what it must, takes more, and looks whole from outside."""
    world = World(disk)
    check(world, model, NAMES)
    assert [log.fault for log in world.node.store.logs] == [""] * 4, number
    world.call(append("after", b"the fault"))
    assert not inspect_directory(world.disk.crash()).damaged
