"""How long a suspect has to speak up: the less, the more nodes suspect it, too."""

from __future__ import annotations

import math

from goutube.membership.profile import Profile
from goutube.membership.timers import Action, Timer, Timers


class Suspicion:
    """The clock of one suspect.

    Args:
        accuser: who was first; it does not confirm itself.
        nodes: how many are known.
        expired: called when the time is over.
    """

    def __init__(
        self, accuser: str, nodes: int, profile: Profile, timers: Timers, expired: Action
    ) -> None:
        self._timers = timers
        self._expired = expired
        self._accusers = {accuser: None}
        self._began_ms = timers.now_ms
        self._min_ms = profile.suspicion_min_ms(nodes)
        self._max_ms = self._min_ms * profile.suspicion_max_multiplier
        wanted = profile.suspicion_multiplier - 2
        self._wanted = wanted if 1 <= wanted <= nodes - 2 else 0
        self._timer: Timer = timers.after(self.total_ms, expired)

    @property
    def total_ms(self) -> int:
        """The time from the first accusation to the end, as it stands now."""
        if self._wanted == 0:
            return self._min_ms
        share = math.log(len(self._accusers)) / math.log(self._wanted + 1)
        return max(self._min_ms, int(self._max_ms - share * (self._max_ms - self._min_ms)))

    def confirm(self, accuser: str) -> bool:
        """Count one more accuser; whether it counted."""
        if accuser in self._accusers or len(self._accusers) > self._wanted:
            return False
        self._accusers[accuser] = None
        self._timer.cancel()
        elapsed = self._timers.now_ms - self._began_ms
        self._timer = self._timers.after(self.total_ms - elapsed, self._expired)
        return True

    def cancel(self) -> None:
        """The suspect spoke up, or is judged already."""
        self._timer.cancel()
