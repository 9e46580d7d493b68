"""What an agent says of itself when it is asked: is it alive, is it ready, what are its numbers."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class Check(Struct, frozen=True):
    """One thing that a node must have before it is ready.

    Attributes:
        name: a stable word.
        passed: whether it is so.
        text: how it is, in a few words.
    """

    name: str
    passed: bool
    text: str


class Probes(Struct, frozen=True):
    """What the HTTP port asks the agent, anew for each request.

    Attributes:
        alive: False only where nothing but a restart helps.
        checks: what readiness rests on.
        metrics: the exposition and its content type.
    """

    alive: Callable[[], bool]
    checks: Callable[[], list[Check]]
    metrics: Callable[[], tuple[bytes, str]]
