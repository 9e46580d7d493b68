"""Calls between clients and the node, over a network that is slow and breaks.

A call carries messages in order. When it breaks, some of what is on the way still arrives: an
append whose client has given up may yet be committed.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

from goutube.errors import GoutubeError, UnavailableError
from goutube.node import Command, Result
from goutube.sim.life import Life
from goutube.sim.timeline import Action, Timeline


class Caller(Protocol):
    """The client's side of a call."""

    def heard(self, call: Call, request: int, result: Result) -> None:
        """An answer came."""

    def hung_up(self, call: Call, error: GoutubeError | None, *, received: bool) -> None:
        """The call is over; without an error the server had nothing more to say."""


class Handler(Protocol):
    """The server's side of a call."""

    def receive(self, request: int, command: Command) -> None:
        """A message came."""

    def forget(self) -> None:
        """Nobody listens any more."""


class Network:
    """Between the clients and whatever life of the node there is."""

    def __init__(self, timeline: Timeline, chance: Random, loss: float, delay_us: int) -> None:
        self.life: Life | None = None
        self.calm = False
        """Nothing is lost any more."""
        self.timeline = timeline
        self.chance = chance
        self._loss = loss
        self._delay_us = delay_us

    def delay_us(self) -> int:
        """How long a message is on its way."""
        return self.chance.randint(20, self._delay_us)

    def breaks(self) -> bool:
        """Whether a call breaks at this message."""
        return not self.calm and self.chance.random() < self._loss


class _Way:
    """One direction of a call: what is sent first arrives first."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._last_us = 0
        self.open_until_us: int | None = None

    def send(self, arrive: Action) -> None:
        """Send something, unless the way is closed; what is behind a loss is lost, too."""
        if self.open_until_us is not None:
            return
        timeline = self._network.timeline
        self._last_us = max(self._last_us, timeline.now_us + self._network.delay_us())
        due_us = self._last_us

        def arrived() -> None:
            if self.open_until_us is None or due_us <= self.open_until_us:
                arrive()

        timeline.after(due_us - timeline.now_us, arrived)

    def close(self, *, at_once: bool) -> None:
        """Carry nothing more; unless ``at_once``, what is nearly there may arrive."""
        if self.open_until_us is None:
            grace_us = 0 if at_once else self._network.delay_us()
            self.open_until_us = self._network.timeline.now_us + grace_us


class Call:
    """One call of a client, as both sides see it."""

    def __init__(self, network: Network, caller: Caller) -> None:
        self.over = False
        self._caller = caller
        self._network = network
        self._up, self._down = _Way(network), _Way(network)
        self._sent = False
        self.life = network.life
        self.handler: Handler | None = None
        if self.life is not None:
            self.life.when_ended(self._life_ended)

    # The client's side

    def send(self, request: int, command: Command) -> None:
        """Send a message; it may be the one at which the call breaks."""
        if self.over:
            return
        if self.life is None or self.life.dead:
            self._break()
            return
        self._sent = True
        handler = self.handler
        assert handler is not None
        self._up.send(lambda: self._deliver(request, command))
        if self._network.breaks():
            self._break()

    def hang_up(self) -> None:
        """The client wants to hear nothing more."""
        self.over = True
        self._up.close(at_once=False)
        self._down.close(at_once=True)
        self._forget_later()

    def _deliver(self, request: int, command: Command) -> None:
        assert self.life is not None
        assert self.handler is not None
        if not self.life.dead:
            self.handler.receive(request, command)

    # The server's side

    def answer(self, request: int, result: Result) -> None:
        """Send an answer; it may be the one at which the call breaks."""
        if self._network.breaks():
            self._break()
            return
        self._down.send(lambda: self._heard(request, result))

    def finish(self, error: GoutubeError | None) -> None:
        """End the call from the server's side, behind the answers."""
        self._down.send(lambda: self._over(error))

    def _heard(self, request: int, result: Result) -> None:
        if not self.over:
            self._caller.heard(self, request, result)

    def _over(self, error: GoutubeError | None) -> None:
        if not self.over:
            self.over = True
            self._up.close(at_once=False)
            self._caller.hung_up(self, error, received=self._sent)

    def _life_ended(self) -> None:
        self._up.close(at_once=True)
        self._break()

    def _break(self) -> None:
        if self.over:
            return
        self._up.close(at_once=False)
        self._down.close(at_once=False)
        error = UnavailableError("the connection broke")
        self._network.timeline.after(2 * self._network.delay_us(), lambda: self._over(error))
        self._forget_later()

    def _forget_later(self) -> None:
        handler = self.handler
        if handler is not None:
            self._network.timeline.after(2 * self._network.delay_us(), handler.forget)


HandlerMaker = Callable[[Life, Call], Handler]


def open_call(network: Network, caller: Caller, make: HandlerMaker) -> Call:
    """Begin a call with the node that there is now; without one, its first message breaks it."""
    call = Call(network, caller)
    if call.life is not None:
        call.handler = make(call.life, call)
    return call
