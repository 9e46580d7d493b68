"""The appends of one client to one stream: numbered, pipelined, sent again until known.

A session is a producer of its own: a random id, epoch 0, records numbered from 0. The server
remembers a producer's last batches, so that a batch sent twice is committed once. What follows
from that is kept here: a batch that may have been received keeps its number for ever, goes again
before all that came after it, and is never given a new one; a batch that was surely not received
may be renumbered.

The session has no call and no clock. Its shell tells it what happened (``opened``, ``answered``,
``ended``), sends whatever ``next_parcel`` gives, and wakes the operations of ``take_woken``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from goutube.errors import (
    DeadlineExceededError,
    GoutubeError,
    InvalidArgumentError,
    OffsetMismatchError,
    OutcomeUnknownError,
    OutOfSequenceError,
    ProducerFencedError,
    ServiceError,
    StorageError,
    StreamSealedError,
    UnavailableError,
    UsageError,
    WireFormatError,
)
from goutube.limits import MIB, PRODUCER_WINDOW_BATCHES
from goutube.model import AppendResult, Batch, StreamId
from goutube.routing.attempts import Backoff, Chance, may_repeat
from goutube.routing.operation import Operation, Parcel

NewId = Callable[[], bytes]
JoinRecords = Callable[[Sequence[bytes]], Batch]
"""Makes a batch of records: tables and checksum are the kernels' work, handed in."""

_FLIGHT_BYTES_MAX: Final = 16 * MIB
_PROOFS: Final = (OffsetMismatchError, StreamSealedError)
"""Refusals that tell of earlier tries too: a repeated batch is recognized before they are made."""


class ProducerSession:
    """The unresolved batches of one client and one stream, in order.

    Args:
        stream: the stream's name, checked.
        new_id: draws a producer id, 16 random bytes.
        join: makes a batch of gathered records.
        chance: spreads the waits between tries.
    """

    def __init__(self, stream: str, new_id: NewId, join: JoinRecords, chance: Chance) -> None:
        self.stream = stream
        self.epoch = 0
        self.window = PRODUCER_WINDOW_BATCHES
        self._new_id = new_id
        self._join = join
        self._chance = chance
        self._backoff = Backoff()
        self.producer_id = new_id()
        self._next_sequence = 0
        self._next_request = 1
        self._stream_id = StreamId(0)
        self._queue: deque[Parcel] = deque()
        self._flying = 0
        self._flying_bytes = 0
        self._gatherers: list[Operation] = []
        self._woken: list[Operation] = []
        self._failures = 0
        self._last_error: GoutubeError | None = None
        self._life = 0

    @property
    def idle(self) -> bool:
        """Whether there is nothing to send and nothing to wait for."""
        if self._queue:
            return False
        return not self._gatherers or not any(one.gathering.records for one in self._gatherers)

    def take_woken(self) -> list[Operation]:
        """The operations for which something has changed since the last call."""
        woken, self._woken = self._woken, []
        return woken

    # -- what a caller wants ------------------------------------------------------------------

    def submit(self, operation: Operation, batch: Batch | None, now_ms: int, *, seal: bool) -> None:
        """Put a batch at the end of the queue; one that neither holds nor seals anything fails."""
        if batch is None and not seal:
            operation.fail(
                InvalidArgumentError(
                    "there is nothing to append; create() makes an empty stream, and seal=True "
                    "needs no bytes"
                )
            )
            return
        if not operation.open_parcels:
            operation.since_ms = now_ms
        expected = operation.expected_offset
        parcel = Parcel(operation, batch, expected, seal, self._next_request, operation.stream_id)
        if expected is not None:
            operation.expected_offset = expected + parcel.byte_count
        self._next_request += 1
        operation.open_parcels += 1
        self._queue.append(parcel)

    def offer(self, operation: Operation, record: bytes, now_ms: int) -> None:
        """Gather a record; it goes with the next batch, at once if nothing is under way."""
        if not operation.gathering.fits(record):
            self._flush(operation, now_ms, seal=False)
        if operation not in self._gatherers:
            self._gatherers.append(operation)
        if not operation.open_parcels and not operation.gathering.records:
            operation.since_ms = now_ms
        operation.gathering.add(record)

    def finish(self, operation: Operation, now_ms: int, *, seal: bool) -> None:
        """No more comes from this operation; with ``seal`` its last batch ends the stream."""
        if operation.gathering.records:
            self._flush(operation, now_ms, seal=seal)
        elif seal or (operation.total is None and not operation.open_parcels):
            self.submit(operation, None, now_ms, seal=seal)
        self._stop_gathering(operation)
        operation.complete = True

    def abandon(self, operation: Operation) -> bool:
        """The caller waits no longer: tell the operation's error, forget what nobody waits for.

        Returns:
            True when the call that is open is of no use any more and has to be dropped.
        """
        operation.fail(self._give_up(operation))
        self._stop_gathering(operation)
        self._drop_unsent(operation)
        if not self._queue or any(not one.operation.done for one in self._queue):
            return False
        self._queue.clear()
        self._start_anew()
        return True

    def close(self, error: GoutubeError) -> None:
        """End every operation: nothing is sent any more."""
        self._last_error = error
        self._give_all_up()

    def _give_all_up(self) -> None:
        for operation in [one.operation for one in self._queue] + list(self._gatherers):
            if operation.error is None:
                operation.fail(self._give_up(operation))
                self._woken.append(operation)
        self._gatherers.clear()
        self._queue.clear()
        self._start_anew()

    def _give_up(self, operation: Operation) -> GoutubeError:
        last, budget_ms = self._last_error, operation.budget_ms
        why = last.message if last else "the server kept silent"
        sent = [
            one.in_doubt or place < self._flying
            for place, one in enumerate(self._queue)
            if one.operation is operation and one.batch is not None
        ]
        if any(sent):
            error: GoutubeError = OutcomeUnknownError(
                f"no answer to an append to {self.stream!r} within {budget_ms} ms, it may have "
                f"happened ({why}); read the stream's end before appending it again",
                stream=self.stream,
            )
        elif last is not None:
            error = type(last)(f"{why}; given up after {budget_ms} ms, nothing was appended")
            error.fields = dict(last.fields)
        else:
            error = DeadlineExceededError(
                f"no answer to an append to {self.stream!r} within {budget_ms} ms"
            )
        error.__cause__ = last
        return error

    # -- what happens to the call -------------------------------------------------------------

    def opened(self) -> None:
        """A new call is open: all that is unresolved goes through it, in order.

        What was still under way on a call before it may have been received. A batch that nobody
        waits for and that was surely not received is left out.
        """
        for place in range(self._flying):
            self._queue[place].in_doubt = True
        self._flying = self._flying_bytes = 0
        self._queue = deque(
            one for one in self._queue if one.in_doubt or one.operation.error is None
        )

    def next_parcel(self, now_ms: int) -> Parcel | None:
        """What to send next on the open call; None while nothing may be sent."""
        if not self._queue:
            self._flush_gathered(now_ms)
        if self._flying == len(self._queue) or self._flying >= self.window:
            return None
        parcel = self._queue[self._flying]
        if self._flying and self._flying_bytes + parcel.byte_count > _FLIGHT_BYTES_MAX:
            return None
        if not parcel.in_doubt:
            parcel.sequence = self._next_sequence
            self._next_sequence += parcel.record_count
        if parcel.tries:
            # Sent before: it must not go into another stream that has the name by now.
            parcel.stream_id = parcel.operation.known_stream_id or (
                self._stream_id if parcel.in_doubt else 0
            )
        parcel.tries += 1
        self._flying += 1
        self._flying_bytes += parcel.byte_count
        return parcel

    def answered(self, request: int, result: AppendResult, now_ms: int) -> None:
        """The batch at the head is committed.

        Raises:
            WireFormatError: the answer belongs to no batch that waits for one.
        """
        if not self._flying or self._queue[0].request != request:
            raise WireFormatError(f"the server answered request {request}, which nobody made")
        parcel = self._queue[0]
        if result.next_offset - result.offset != parcel.byte_count:
            raise WireFormatError(
                f"the server gave a batch of {parcel.byte_count} bytes the offsets "
                f"{result.offset} to {result.next_offset}"
            )
        self._queue.popleft()
        self._flying -= 1
        self._flying_bytes -= parcel.byte_count
        self._failures = 0
        self._last_error = None
        self._stream_id = result.stream_id
        parcel.operation.committed(result, now_ms)
        self._woken.append(parcel.operation)

    def ended(self, error: GoutubeError, *, received: bool = True) -> int:
        """The call is over.

        Args:
            error: its status; ``UnavailableError`` where it just stopped.
            received: False when surely nothing of this call has reached a server.

        Returns:
            Milliseconds to wait before another call is opened, if anything is left to send.
        """
        flying, self._flying = self._flying, 0
        self._failures += 1
        self._last_error = error
        again = may_repeat(error) or isinstance(error, OutcomeUnknownError)
        if flying:
            self._call_failed(error, again=again, flying=flying if received else 0)
        elif not again:
            self._fail_all(error)
        return self._backoff.wait_ms(self._failures, error, self._chance)

    # -- inside -------------------------------------------------------------------------------

    def _flush_gathered(self, now_ms: int) -> None:
        for operation in self._gatherers:
            if operation.gathering.records:
                self._flush(operation, now_ms, seal=False)

    def _flush(self, operation: Operation, now_ms: int, *, seal: bool) -> None:
        batch = self._join(operation.gathering.take())
        self.submit(operation, batch, now_ms, seal=seal)

    def _stop_gathering(self, operation: Operation) -> None:
        if operation in self._gatherers:
            self._gatherers.remove(operation)

    def _drop_unsent(self, operation: Operation) -> None:
        kept = [
            one
            for place, one in enumerate(self._queue)
            if one.operation is not operation or one.in_doubt or place < self._flying
        ]
        self._queue = deque(kept)

    def _call_failed(self, error: GoutubeError, *, again: bool, flying: int) -> None:
        """Judge the batches that were on the call: an error of the server is the first one's."""
        head, life = self._queue[0], self._life
        was_in_doubt = head.in_doubt
        if not _is_refusal(error):
            for place in range(flying):
                self._queue[place].in_doubt = True
        if isinstance(error, OutOfSequenceError) and not was_in_doubt:
            # Idle for so long that the server has forgotten what this producer sent before.
            self._start_anew()
        elif not again or isinstance(error, OutOfSequenceError):
            self._fail_head(error, was_in_doubt=was_in_doubt)
        if life == self._life:
            received = [one for one in self._queue if one.in_doubt]
            last = received[-1] if received else None
            self._next_sequence = last.sequence + last.record_count if last else head.sequence

    def _fail_head(self, error: GoutubeError, *, was_in_doubt: bool) -> None:
        """End the operation at the head; whoever is in doubt behind it can never be resolved."""
        head = self._queue.popleft()
        # An error that is no refusal tells nothing of the very batch that met it.
        settled = isinstance(error, _PROOFS) or (not was_in_doubt and _is_refusal(error))
        self._resolve(head.operation, error if settled else _unknown(self.stream, error))
        doubtful = [one for one in self._queue if one.in_doubt]
        for parcel in doubtful:
            self._resolve(parcel.operation, _unknown(self.stream, error))
        self._queue = deque(one for one in self._queue if one.operation.error is None)
        known = settled and _is_refusal(error) and not isinstance(error, ProducerFencedError)
        if doubtful or not known:
            self._start_anew()

    def _fail_all(self, error: GoutubeError) -> None:
        for parcel in self._queue:
            self._resolve(parcel.operation, error)
        for operation in list(self._gatherers):
            self._resolve(operation, error)
        self._queue.clear()
        self._start_anew()

    def _resolve(self, operation: Operation, error: GoutubeError) -> None:
        operation.fail(error)
        self._stop_gathering(operation)
        self._woken.append(operation)

    def _start_anew(self) -> None:
        """Be another producer: nothing is in doubt any more that this one could repeat."""
        self.producer_id = self._new_id()
        self._life += 1
        self._next_sequence = 0
        self._stream_id = StreamId(0)
        self._flying = self._flying_bytes = 0


def _is_refusal(error: GoutubeError) -> bool:
    """Whether an error says that the batch was not appended by the call that it ended."""
    if isinstance(error, UnavailableError):
        return False
    return isinstance(error, (UsageError, ServiceError, StorageError))


def _unknown(stream: str, cause: GoutubeError) -> OutcomeUnknownError:
    error = OutcomeUnknownError(
        f"an append to {stream!r} was sent and its answer lost, and sending it again could not "
        f"settle it ({cause.message}); read the stream's end before appending it again",
        stream=stream,
    )
    error.__cause__ = cause
    return error
