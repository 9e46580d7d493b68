"""What ``send`` gives back: light handles, each a batch and the number of a record in it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Generator
from typing import Any, Final, Generic, Self, TypeVar

from goutube.errors import DeadlineExceededError, GoutubeError
from goutube.model import AppendResult
from goutube.routing import Group

_log: Final = logging.getLogger(__name__)


class SentGroup(Group):
    """A batch that somebody may be waiting for."""

    __slots__ = ("_callbacks", "_ended", "_lock")

    def __init__(self, budget_ms: int) -> None:
        super().__init__(budget_ms)
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the outcome is known and was told."""
        return self._ended

    def when_ended(self, callback: Callable[[], object]) -> None:
        """Call back when the outcome is known; at once if it is."""
        with self._lock:
            if not self._ended:
                self._callbacks.append(callback)
                return
        _call(callback)

    def tell(self) -> None:
        """The outcome is known: say so to all who asked."""
        with self._lock:
            self._ended = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            _call(callback)


def _call(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:  # noqa: BLE001 - the user's own code, and the producer has others to serve
        _log.exception("a callback of a sent record failed")


GroupT = TypeVar("GroupT", bound=SentGroup)


class _Handle(Generic[GroupT]):
    __slots__ = ("_group", "_number")

    def __init__(self, group: GroupT, number: int) -> None:
        self._group = group
        self._number = number

    def done(self) -> bool:
        """Whether it is known what became of the record."""
        return self._group.ended

    def add_done_callback(self, callback: Callable[[Self], object]) -> None:
        """Call ``callback`` with this handle when it is done; at once if it is.

        It runs on a thread of the client's, or on the event loop of an asyncio client, and holds
        the producer up: it should be quick, and neither ``send`` nor wait.
        """
        self._group.when_ended(lambda: callback(self))

    def __await__(self) -> Generator[Any, None, AppendResult]:
        """Wait in an event loop, any one. To cancel it ends the wait; the record goes on."""
        if not self._group.ended:
            loop = asyncio.get_running_loop()
            bell = loop.create_future()
            self._group.when_ended(lambda: _ring(loop, bell))
            yield from bell
        return self._group.result_of(self._number)


def _ring(loop: asyncio.AbstractEventLoop, bell: asyncio.Future[None]) -> None:
    def ring() -> None:
        if not bell.done():
            bell.set_result(None)

    try:
        loop.call_soon_threadsafe(ring)
    except RuntimeError:
        return  # the loop was closed; nobody waits on it any more


class SentRecord(_Handle[SentGroup]):
    """A record on its way; made by ``Producer.send``. It may be awaited in any event loop."""

    __slots__ = ()

    def result(self, timeout_s: float | None = None) -> AppendResult:
        """Wait until the record is committed; where it lies.

        Raises:
            DeadlineExceededError: ``timeout_s`` seconds have passed; the record is still under way.
            GoutubeError: it was refused or given up.
        """
        self._wait(timeout_s)
        return self._group.result_of(self._number)

    def exception(self, timeout_s: float | None = None) -> GoutubeError | None:
        """Wait likewise; the error, or None if the record is committed.

        Raises:
            DeadlineExceededError: ``timeout_s`` seconds have passed; the record is still under way.
        """
        self._wait(timeout_s)
        return self._group.error

    def _wait(self, timeout_s: float | None) -> None:
        if self._group.ended:
            return
        bell = threading.Event()
        self._group.when_ended(bell.set)
        if not bell.wait(timeout_s):
            raise DeadlineExceededError(
                f"the record was not acknowledged within {timeout_s} s; it is still under way"
            )


class AsyncSentRecord(_Handle[SentGroup]):
    """A record on its way; made by ``AsyncProducer.send``. Await it for its ``AppendResult``."""

    __slots__ = ()

    def result(self) -> AppendResult:
        """Where the record lies, if that is known.

        Raises:
            asyncio.InvalidStateError: it is not yet known; await the handle.
            GoutubeError: it was refused or given up.
        """
        self._check_ended()
        return self._group.result_of(self._number)

    def exception(self) -> GoutubeError | None:
        """The error, or None if the record is committed.

        Raises:
            asyncio.InvalidStateError: it is not yet known; await the handle.
        """
        self._check_ended()
        return self._group.error

    def _check_ended(self) -> None:
        if not self._group.ended:
            raise asyncio.InvalidStateError("the record is still under way; await the handle")
