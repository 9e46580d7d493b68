"""Calls that stop before each of their effects, so that others come in between.

A call is an ordinary function, so it runs on a thread of its own, but no two threads run at once:
whoever goes on with a call waits until it has come to its next effect or its end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

from goutube.ports import Disk


class PowerCutError(Exception):
    """The power went, or the process was killed, in the middle of an operation."""


_running = threading.local()


class _Stepper:
    """One call on its thread."""

    def __init__(self, function: Callable[[Disk], object], disk: Disk) -> None:
        self.ended = False
        self.value: object = None
        self.error: BaseException | None = None
        self._function = function
        self._disk = disk
        self._abandoned = False
        self._may_go = threading.Semaphore(0)
        self._has_stopped = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Let the call do its next effect; return when it stands before the one after that."""
        self._may_go.release()
        self._has_stopped.acquire()

    def abandon(self) -> None:
        """The process is gone: the call does nothing more."""
        self._abandoned = True
        while not self.ended:
            self.go_on()
        self._thread.join()

    def stop(self) -> None:
        """Stand still before an effect; called on the thread."""
        self._has_stopped.release()
        self._may_go.acquire()
        if self._abandoned:
            raise PowerCutError("the process is gone")

    def _run(self) -> None:
        _running.stepper = self
        self._may_go.acquire()
        try:
            if not self._abandoned:
                self.value = self._function(self._disk)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever goes on with it
            self.error = error
        self.ended = True
        self._has_stopped.release()


def stop_here() -> None:
    """Let others come in between, if this is a call's thread."""
    stepper: _Stepper | None = getattr(_running, "stepper", None)
    if stepper is not None:
        stepper.stop()


def step_through(function: Callable[[Disk], object], disk: Disk) -> Generator[None, None, object]:
    """Run a call, effect by effect; what is not gone on with ends with the generator.

    The first effect is not done before the generator is gone on with.
    """
    stepper = _Stepper(function, disk)
    try:
        stepper.go_on()
        while not stepper.ended:
            yield
            stepper.go_on()
    finally:
        if not stepper.ended:
            stepper.abandon()
    if stepper.error is not None:
        raise stepper.error
    return stepper.value
