"""The one event loop of an agent: uvloop where it is installed, asyncio otherwise."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any, Final, TypeVar

_Value = TypeVar("_Value")

SWITCH_INTERVAL_S: Final = 0.0005
"""How long a thread that wants the GIL waits for a busy one; Python itself says ten times this."""


def loop_name() -> str:
    """Which event loop ``run`` uses: ``uvloop`` or ``asyncio``."""
    return "uvloop" if find_spec("uvloop") else "asyncio"


def run(main: Callable[[], Coroutine[Any, Any, _Value]]) -> _Value:
    """Run ``main()`` on a new event loop to its end and return what it returns.

    The process's switch interval stays lowered afterwards.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main())


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new event loop of that kind."""
    if loop_name() == "asyncio":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 - optional, and heavy: only an agent needs it

    return uvloop.new_event_loop()
