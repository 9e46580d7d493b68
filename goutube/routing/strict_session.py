"""A session whose batches stand or fall together, under a name if it has one.

What was sent later is never committed without what was sent before: the first batch that fails ends
the session and all that waits behind it.

A named session takes its name over with its first batch, and every time that the server has
forgotten it. It asks which epoch the name is in, by a batch that no server can commit, and goes on
in a later one; the first batch of the new epoch fences whoever used the name before. Epochs rise by
a random step: two that take the name over at the same moment go into different ones, and the lower
one is fenced.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from typing_extensions import override

from goutube.errors import (
    DuplicateSequenceError,
    GoutubeError,
    InvalidArgumentError,
    OutOfSequenceError,
    ProducerFencedError,
)
from goutube.limits import PRODUCER_WINDOW_BATCHES
from goutube.model import AppendResult, Batch
from goutube.routing.attempts import Chance
from goutube.routing.operation import Operation, Parcel
from goutube.routing.session import JoinRecords, NewId, ProducerSession

_ID_BYTES: Final = 16
_EPOCH_MAX: Final = (1 << 32) - 1
_EPOCH_STEP_MAX: Final = 256
_SEQUENCE_MAX: Final = (1 << 63) - 1


def id_of_name(name: str) -> bytes:
    """The producer id that stands for a name, the same in every process."""
    return sha256(b"goutube producer\0" + name.encode()).digest()[:_ID_BYTES]


class StrictSession(ProducerSession):
    """The unresolved batches of one producer.

    Args:
        stream: the stream's name, checked.
        name: the producer's; empty for one that nobody else can be.
        new_id: draws a producer id, 16 random bytes.
        join: makes a batch of separate records.
        chance: spreads the waits between tries and the steps between epochs.
        in_flight: batches that may be under way at once.
    """

    def __init__(
        self,
        stream: str,
        name: str,
        new_id: NewId,
        join: JoinRecords,
        chance: Chance,
        in_flight: int = PRODUCER_WINDOW_BATCHES,
    ) -> None:
        own_id = id_of_name(name) if name else b""
        super().__init__(stream, (lambda: own_id) if name else new_id, join, chance)
        self.window = in_flight
        self.name = name
        self.failure: GoutubeError | None = None
        self._probe: Parcel | None = None
        self._claimed = not name
        self._fresh = False
        self._progress_ms = 0
        self._known_stream_id = 0

    @property
    def room(self) -> bool:
        """Whether another batch could be sent now."""
        return len(self._queue) < (self.window if self._claimed else 1)

    def left_ms(self, now_ms: int) -> int | None:
        """How long the oldest batch may still wait for progress; None while none waits."""
        if not self._queue:
            return None
        head = self._queue[0].operation
        return max(head.since_ms, self._progress_ms) + head.budget_ms - now_ms

    def expire(self) -> None:
        """Give everything up: nothing has gone on for too long."""
        self._give_all_up()

    @override
    def submit(self, operation: Operation, batch: Batch | None, now_ms: int, *, seal: bool) -> None:
        """Put a batch at the end of the queue; it fails at once when one before it has."""
        if self.failure is not None:
            operation.fail(self.failure)
            self._woken.append(operation)
            return
        super().submit(operation, batch, now_ms, seal=seal)

    # -- the claim of a name ------------------------------------------------------------------

    @override
    def opened(self) -> None:
        """A new call is open; a question on the one before is asked again."""
        self._probe = None
        super().opened()

    @override
    def next_parcel(self, now_ms: int) -> Parcel | None:
        """What to send next; a name is claimed before anything else is sent under it."""
        if self._claimed or not self._queue:
            parcel = super().next_parcel(now_ms)
            if parcel is not None:
                parcel.stream_id = parcel.stream_id or self._known_stream_id
            return parcel
        if self._probe is not None:
            return None
        batch = self._join([b"?"])
        self._probe = Parcel(Operation(), batch, None, False, 0, 0, _SEQUENCE_MAX)
        self.epoch = 0
        return self._probe

    @override
    def answered(self, request: int, result: AppendResult, now_ms: int) -> None:
        """The batch at the head is committed.

        A repeat that was never sent before was another's: both have claimed the same epoch.
        """
        if result.duplicate and self._met_twin():
            raise self._fenced()
        super().answered(request, result, now_ms)
        self._fresh = False
        self._progress_ms = now_ms
        self._known_stream_id = result.stream_id

    @override
    def ended(self, error: GoutubeError, *, received: bool = True) -> int:
        """The call is over; see ``ProducerSession.ended``."""
        if self._probe is None:
            return super().ended(self._told(error), received=received)
        self._probe = None
        known = _known_epoch(error)
        if known is None:
            return super().ended(error, received=received)
        self.epoch = known + 1 + int(self._chance() * _EPOCH_STEP_MAX)
        if self.epoch > _EPOCH_MAX:
            self._fail_all(
                InvalidArgumentError(
                    f"the producer's name {self.name!r} has no epoch left on {self.stream!r}; "
                    "choose another one"
                )
            )
        self._claimed = self._fresh = True
        return 0

    def _told(self, error: GoutubeError) -> GoutubeError:
        known = isinstance(error, DuplicateSequenceError) or (
            isinstance(error, InvalidArgumentError) and "sequence" in error.fields
        )
        return self._fenced() if known and self._met_twin() else error

    def _met_twin(self) -> bool:
        """Whether a batch that the server knows was another's: nothing came before it here."""
        return self._fresh and bool(self._queue) and not self._queue[0].in_doubt

    def _fenced(self) -> ProducerFencedError:
        return ProducerFencedError(
            f"another producer took the name {self.name!r} on {self.stream!r} over at the same "
            "moment"
        )

    # -- failing as one -----------------------------------------------------------------------

    @override
    def _fail_head(self, error: GoutubeError, *, was_in_doubt: bool) -> None:
        self.failure = error
        super()._fail_head(error, was_in_doubt=was_in_doubt)
        self._fail_all(retold(error, "not appended, since a batch before it failed"))

    @override
    def _resolve(self, operation: Operation, error: GoutubeError) -> None:
        super()._resolve(operation, error)
        self.failure = self.failure or error

    @override
    def _give_all_up(self) -> None:
        waiting = [one.operation for one in self._queue]
        super()._give_all_up()
        self.failure = self.failure or next((one.error for one in waiting), self._last_error)

    @override
    def _start_anew(self) -> None:
        super()._start_anew()
        self._claimed = not self.name


def _known_epoch(error: GoutubeError) -> int | None:
    """The epoch that a name is in, by the answer to the question; None when it is no answer."""
    if isinstance(error, ProducerFencedError):
        return int(error.fields.get("epoch", "0"))
    return 0 if isinstance(error, OutOfSequenceError) else None


def retold(error: GoutubeError, prefix: str) -> GoutubeError:
    """The same error for somebody else, with what it has to do with them put before it."""
    told = type(error)(f"{prefix}: {error.message}")
    told.fields = dict(error.fields)
    told.__cause__ = error
    return told
