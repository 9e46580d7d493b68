"""When a call that failed is made again, and when it is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from goutube.errors import DeadlineExceededError, GoutubeError, OverloadedError, ServiceError

Chance = Callable[[], float]
"""Draws a number from 0 up to, not including, 1."""

_ATTEMPT_MS_MIN: Final = 1000


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from ``first_ms`` to ``max_ms``; each is cut by up to half, by chance."""

    first_ms: int = 20
    max_ms: int = 500

    def wait_ms(self, failure_count: int, error: GoutubeError, chance: Chance) -> int:
        """How long to wait after so many failures in a row; what the server asks for is honoured.

        Args:
            failure_count: 1 or more.
            error: the last failure; its field ``retry_after_ms`` is the least that is waited.
            chance: spreads clients that failed at the same moment.
        """
        longest = min(self.max_ms, self.first_ms << min(failure_count - 1, 16))
        return max(round(longest * (1 - chance() / 2)), _asked_ms(error))


def _asked_ms(error: GoutubeError) -> int:
    if not isinstance(error, OverloadedError):
        return 0
    text = error.fields.get("retry_after_ms", "")
    return int(text) if text.isdecimal() else 0


def may_repeat(error: GoutubeError) -> bool:
    """Whether another try, here or elsewhere, may bring an answer.

    A full or failed disk is not among them although it may be cured one day: its news must not
    wait for the end of a budget.
    """
    return isinstance(error, ServiceError)


class Attempts:
    """The tries of one call that is safe to repeat, within a budget of time without progress.

    Args:
        budget_ms: how long the call may go on without progress.
        now_ms: a monotonic clock's reading.
        chance: randomness for the waits.
        address_count: with several servers, one that keeps silent does not get the whole budget.
        backoff: the waits between tries.
    """

    __slots__ = ("_address_count", "_backoff", "_budget_ms", "_chance", "_failures", "deadline_ms")

    def __init__(
        self,
        budget_ms: int,
        now_ms: int,
        chance: Chance,
        address_count: int = 1,
        backoff: Backoff | None = None,
    ) -> None:
        self._budget_ms = budget_ms
        self._chance = chance
        self._address_count = address_count
        self._backoff = backoff or Backoff()
        self._failures = 0
        self.deadline_ms = now_ms + budget_ms

    def progressed(self, now_ms: int) -> None:
        """An answer came: the budget begins anew."""
        self._failures = 0
        self.deadline_ms = now_ms + self._budget_ms

    def timeout_ms(self, now_ms: int) -> int:
        """How long the next try may take; at least 1."""
        left = max(1, self.deadline_ms - now_ms)
        if self._address_count == 1:
            return left
        return min(left, max(left // 2, _ATTEMPT_MS_MIN))

    def failed(self, error: GoutubeError, now_ms: int) -> int:
        """Milliseconds to wait before the next try.

        Raises:
            GoutubeError: ``error`` itself, when another try is of no use or comes too late.
        """
        self._failures += 1
        again = may_repeat(error) or isinstance(error, DeadlineExceededError)
        wait = self._backoff.wait_ms(self._failures, error, self._chance)
        if not again or now_ms + wait >= self.deadline_ms:
            raise error
        return wait
