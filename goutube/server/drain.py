"""How the calls that are open end when the listener does: in stages, the most patient ones last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

from goutube.errors import ShuttingDownError


class Stage(IntEnum):
    """When a call is ended."""

    BEGIN = 0
    """At once: what waits for news, and what its client repeats without loss."""
    LAST = 1
    """Near the end of the grace: what has an end of its own that it may reach before."""
    CUT = 2
    """At the end of the grace: appends that are not durable by then."""


def shutting_down() -> ShuttingDownError:
    """The error that ends a call in a drain."""
    return ShuttingDownError(
        "the node is shutting down; connect to another one, or to this one a little later"
    )


class Drain:
    """The open calls of a listener, and what ends each of them at which stage."""

    def __init__(self) -> None:
        self._enders: Final[tuple[set[Callable[[], object]], ...]] = tuple(set() for _ in Stage)
        self._reached = -1
        self._call_count = 0
        self._idle: asyncio.Future[None] | None = None

    @contextmanager
    def ended_by(self, ender: Callable[[], object], stage: Stage) -> Iterator[None]:
        """Within this block, call ``ender`` once when the drain reaches ``stage``."""
        if self._reached >= stage:
            ender()
        enders = self._enders[stage]
        enders.add(ender)
        try:
            yield
        finally:
            enders.discard(ender)

    @contextmanager
    def open_call(self) -> Iterator[None]:
        """Count a call within this block."""
        self._call_count += 1
        try:
            yield
        finally:
            self._call_count -= 1
            if not self._call_count and self._idle is not None and not self._idle.done():
                self._idle.set_result(None)

    def reach(self, stage: Stage) -> None:
        """End the calls whose stage this is."""
        self._reached = stage
        for ender in list(self._enders[stage]):
            ender()

    def reached(self, stage: Stage) -> bool:
        """Whether the drain has come so far."""
        return self._reached >= stage

    async def idle(self, patience_s: float) -> None:
        """Wait until no call is open, or the patience is over."""
        if self._call_count:
            self._idle = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._idle], timeout=patience_s)
