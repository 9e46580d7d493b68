"""Push/pull: two nodes tell each other all, to join and to make up for lost rumours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from goutube.membership.context import Context
from goutube.membership.effects import Endpoint, Joined, JoinFailed, NameInUse
from goutube.membership.messages import (
    Ack,
    Dead,
    NodeState,
    Ping,
    PushPull,
    State,
    StreamError,
    encode_message,
)
from goutube.membership.packet import bundle
from goutube.membership.prober import Dialler
from goutube.membership.stream import StreamMessage
from goutube.membership.view import View

_LOOK_AGAIN_MS: Final = 400
"""After a join the peer is asked once more: a finished exchange does not say that we are let in."""
_HOLDER_PATIENCE_MS: Final = 1500
_LOOKS_MAX: Final = 5
_CLAIMS_MAX: Final = 256
"""Members who are told straight that a name has moved; others hear of it by full exchanges."""


class Tail(Protocol):
    """The layer above, which adds its own part to an exchange."""

    def local_state(self) -> bytes:
        """What to add."""

    def merge_state(self, state: bytes, *, join: bool) -> None:
        """Take over what a peer added."""

    def joined(self) -> None:
        """An exchange that we began in order to join has come to its end."""

    def farewell(self) -> bytes:
        """A command that says that what goes by our name elsewhere has left on purpose."""


class Exchanger:
    """Begins exchanges and answers them.

    Args:
        context: shared with the other parts.
        view: what is told and merged.
        tail: the layer above.
        dial: opens a stream and calls back with the answer, or with None.
        next_seq_no: numbers for pings.
    """

    def __init__(
        self,
        context: Context,
        view: View,
        tail: Tail,
        dial: Dialler,
        next_seq_no: Callable[[], int],
    ) -> None:
        self._context = context
        self._view = view
        self._tail = tail
        self._dial = dial
        self._next_seq_no = next_seq_no
        self._settled = False

    def start(self) -> None:
        """Exchange with a random node now and then."""
        interval = self._context.profile.push_pull_interval_ms
        self._context.timers.after(self._context.chance.random() * interval, self._tick)

    def _tick(self) -> None:
        interval = self._context.profile.push_pull_ms(len(self._view.entries))
        self._context.timers.after(interval, self._tick)
        others = self._view.others(State.ALIVE)
        if others and not self._view.leaving:
            peer = others[self._context.chance.randrange(len(others))]
            self._open(peer.endpoint, lambda answer: self._merge(answer, join=False), join=False)

    def _open(
        self, peer: Endpoint, done: Callable[[StreamMessage | None], None], *, join: bool
    ) -> None:
        exchange = PushPull(join, self._view.states(), self._tail.local_state())
        self._dial(peer, exchange, self._context.profile.stream_timeout_ms, done)

    def _merge(self, answer: StreamMessage | None, *, join: bool) -> None:
        if isinstance(answer, PushPull):
            self._view.merge(answer.nodes)
            self._tail.merge_state(answer.user_state, join=join)

    def answer(self, message: PushPull) -> PushPull:
        """What to send back; what the peer sent is merged after that."""
        self._settled = self._settled or message.join
        ours = PushPull(message.join, self._view.states(), self._tail.local_state())
        self._context.timers.after(0, lambda: self._merge(message, join=message.join))
        return ours

    # Joining

    def join(self, peer: Endpoint, looks: int = _LOOKS_MAX) -> None:
        """Exchange all with a peer, until he lists us or it is clear that he will not."""
        self._open(peer, lambda answer: self._join_answered(peer, answer, looks), join=True)

    def _join_answered(self, peer: Endpoint, answer: StreamMessage | None, looks: int) -> None:
        if not isinstance(answer, PushPull):
            self._join_failed(peer, _reason(answer))
            return
        ours = self._listed(answer)
        self._merge(answer, join=True)
        self._tail.joined()
        if ours is not None and not self._is_me(ours) and not self._settled:
            self._name_is_held(peer, ours, looks)
        else:
            self._context.timers.after(_LOOK_AGAIN_MS, lambda: self._look_again(peer, looks - 1))

    def _look_again(self, peer: Endpoint, looks: int) -> None:
        self._open(peer, lambda answer: self._looked(peer, answer, looks), join=False)

    def _looked(self, peer: Endpoint, answer: StreamMessage | None, looks: int) -> None:
        if not isinstance(answer, PushPull):
            self._join_failed(peer, _reason(answer))
            return
        ours = self._listed(answer)
        self._merge(answer, join=False)
        if ours is not None and self._is_me(ours) and ours.state == State.ALIVE:
            self._settled = True
            self._context.effects.events.append(Joined(peer, len(self._view.entries)))
        elif looks > 0:
            self._context.timers.after(_LOOK_AGAIN_MS, lambda: self.join(peer, looks - 1))
        else:
            self._join_failed(peer, "it answers, and does not list us as alive")

    def _listed(self, answer: PushPull) -> NodeState | None:
        return next((state for state in answer.nodes if state.node == self._view.me.name), None)

    def _is_me(self, state: NodeState) -> bool:
        return Endpoint(state.addr, state.port).plain() == self._view.me.endpoint.plain()

    def _join_failed(self, peer: Endpoint, reason: str) -> None:
        self._context.effects.events.append(JoinFailed(peer, reason))

    # A name that is held at another address: by ourselves before a crash, or by somebody else.
    # Only a newcomer gives way; between two who were there before, the cluster votes.

    def _name_is_held(self, peer: Endpoint, held: NodeState, looks: int) -> None:
        """Ask at that address; nobody there: the name is ours, and may move."""
        holder, number = Endpoint(held.addr, held.port), self._next_seq_no()
        me = self._view.me
        ping = Ping(me.name, number, me.endpoint.addr, me.name, me.endpoint.port)

        def answered(answer: StreamMessage | None) -> None:
            if isinstance(answer, Ack):
                event = NameInUse(me.name, holder, me.endpoint, own=True)
                self._context.effects.events.append(event)
            elif looks > 0:
                self._claim(peer, held)
                again = looks - 1
                self._context.timers.after(_LOOK_AGAIN_MS, lambda: self.join(peer, again))
            else:
                self._join_failed(peer, "it holds our name at another address")

        self._dial(holder, ping, _HOLDER_PATIENCE_MS, answered)

    def _claim(self, peer: Endpoint, held: NodeState) -> None:
        """Say that the process at the old address has left, and that we are here.

        Straight to all, in one packet each: in a queue the second rumour would take the place of
        the first, and without the first the second is a conflict.
        """
        me = self._view.me
        me.incarnation = max(me.incarnation, held.incarnation + 1)
        farewell = encode_message(Dead(me.name, me.incarnation, me.name))
        me.incarnation += 1
        alive = encode_message(self._view.own_alive())
        command = bundle([self._tail.farewell(), farewell, alive])
        others = [entry.endpoint for entry in self._view.others(State.ALIVE, State.SUSPECT)]
        for endpoint in dict.fromkeys([peer, *others[:_CLAIMS_MAX]]):
            self._context.send_command(endpoint, command)


def _reason(answer: StreamMessage | None) -> str:
    if isinstance(answer, StreamError):
        return answer.text
    return "no answer" if answer is None else "it answers with something else"
