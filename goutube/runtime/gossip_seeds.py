"""Keeps trying to reach the members that the settings name, for as long as the process lives."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from goutube.membership import Endpoint, Event, Joined, JoinFailed
from goutube.runtime.gossip_sockets import endpoint_of

_FIRST_RETRY_S: Final = 1.0
_RETRY_MAX_S: Final = 30.0
_WATCH_S: Final = 30.0
_ROUND_S: Final = 4.0
"""How long one round of joining may take before it counts as failed."""
ADDRESSES_MAX: Final = 64
"""Addresses that are tried in one round, of all seeds together."""


class Seeds:
    """Joins through seeds, and again whenever none of them is a member.

    Args:
        addresses: (host, port) of each; a host may be a name with several addresses, and is looked
            up again each time.
        known: endpoints of members of an earlier process, tried along with the seeds.
        join: begins to join through an endpoint.
        members: endpoints of the members that are alive, without ourselves.
        ours: our own endpoint.
        settled: whether it is clear which cluster we belong to. Until then one endpoint is tried
            after the other: seeds of two clusters would both list a node that names neither.
        told: called with what could not be looked up, and why.
    """

    def __init__(
        self,
        addresses: Sequence[tuple[str, int]],
        known: Iterable[Endpoint],
        join: Callable[[Endpoint], None],
        members: Callable[[], frozenset[Endpoint]],
        ours: Endpoint,
        settled: Callable[[], bool],
        told: Callable[[str, str], None],
    ) -> None:
        self._addresses = addresses
        self._known = list(known)
        self._join = join
        self._members = members
        self._ours = ours
        self._settled = settled
        self._told = told
        self._trying: set[Endpoint] = set()
        self._news = asyncio.Event()
        self._chance = random.Random()  # noqa: S311 - jitter, no secret

    async def keep_joined(self) -> None:
        """Run until cancelled; returns only where there is nobody to join."""
        wait = _FIRST_RETRY_S
        while self._addresses or self._known:
            seeds = await self._looked_up()
            if self._is_joined(seeds):
                wait = _FIRST_RETRY_S
                await self._sleep(_WATCH_S)
                continue
            for endpoint in self._candidates(seeds):
                await self._try(endpoint)
            if not await self._joined_within(seeds, _ROUND_S):
                await self._sleep(wait)
                wait = min(wait * 2, _RETRY_MAX_S)

    def note(self, event: Event) -> None:
        """Take notice of what has just happened among the members."""
        if isinstance(event, Joined | JoinFailed):
            self._trying.discard(event.peer)
        self._news.set()

    async def _try(self, endpoint: Endpoint) -> None:
        self._trying.add(endpoint)
        self._join(endpoint)
        while endpoint in self._trying and not self._settled():
            self._news.clear()
            await self._news.wait()

    def _candidates(self, seeds: list[Endpoint]) -> list[Endpoint]:
        every = dict.fromkeys([*seeds, *self._known])
        return [one for one in every if one != self._ours][:ADDRESSES_MAX]

    def _is_joined(self, seeds: list[Endpoint]) -> bool:
        """Whether a seed is a member; without seeds, whether anybody is."""
        members = self._members()
        others = [seed for seed in seeds if seed != self._ours]
        return bool(members.intersection(others)) if others else bool(members)

    async def _joined_within(self, seeds: list[Endpoint], seconds: float) -> bool:
        end = asyncio.get_running_loop().time() + seconds
        while not self._is_joined(seeds):
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(0.05)
        return True

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._chance.uniform(0.5, 1.5))

    async def _looked_up(self) -> list[Endpoint]:
        loop = asyncio.get_running_loop()
        found: dict[Endpoint, None] = {}
        for host, port in self._addresses:
            try:
                infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except OSError as error:
                self._told(f"{host}:{port}", error.strerror or str(error))
                continue
            found.update((endpoint_of(str(info[4][0]), port), None) for info in infos)
        return list(found)
