"""Calls of the simulation are interrupted before each of their effects, and by nothing else."""

from __future__ import annotations

import threading

import pytest

from goutube.ports import Disk
from goutube.sim import MemoryDisk, PowerCutError
from goutube.sim.stepping import step_through


def make(name: str):
    """A call with three effects."""

    def call(disk: Disk) -> str:
        file = disk.open(name, create=True)
        file.write(0, b"x")
        file.sync()
        return name

    return call


def test_two_calls_take_turns():
    """Each time a call is gone on with it does one effect, on no other's turn."""
    disk = MemoryDisk()
    first, second = step_through(make("a"), disk), step_through(make("b"), disk)
    next(first)
    next(second)
    assert disk.log == []
    for running in (first, second, second, first):
        next(running)
    with pytest.raises(StopIteration) as ended:
        next(second)
    assert ended.value.value == "b"
    with pytest.raises(StopIteration):
        next(first)
    assert disk.log == [
        "create a", "create b", "write b 0 1", "write a 0 1", "sync b", "sync a"
    ]  # fmt: skip


def test_what_a_call_meets_is_raised_by_whoever_goes_on_with_it():
    """A failing disk and a power cut, from the call's thread to the simulation."""
    disk = MemoryDisk()
    disk.fail["write a"] = OSError(5, "Input/output error")
    with pytest.raises(OSError, match="Input/output"):
        list(step_through(make("a"), disk))
    disk.cut_off(1)
    with pytest.raises(PowerCutError):
        list(step_through(make("b"), disk))


def test_a_call_that_is_closed_does_nothing_more():
    """Its process is gone; its thread, too."""
    disk, threads = MemoryDisk(), []

    def function(disk):
        threads.append(threading.current_thread())
        make("a")(disk)

    running = step_through(function, disk)
    next(running)
    next(running)
    assert threads[0].is_alive()
    assert threads != [threading.current_thread()]
    running.close()
    assert not threads[0].is_alive()
    assert disk.log == ["create a"]
