"""One append as its caller sees it: batches in order, and what has become of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from goutube.errors import GoutubeError
from goutube.limits import PRODUCER_WINDOW_BATCHES
from goutube.model import AppendResult, Batch
from goutube.routing.cutting import Gathering


class Operation:
    """One append: one batch or several, which are committed in order; the first refusal ends it.

    Args:
        expected_offset: the stream must end here before the first batch; each further batch then
            expects the end of the one before, so nothing of another writer comes between.
        stream_id: only a stream with this id is meant; 0: any.
        budget_ms: how long its caller waits without progress.
    """

    __slots__ = (
        "budget_ms",
        "committed_bytes",
        "complete",
        "error",
        "expected_offset",
        "gathering",
        "open_parcels",
        "since_ms",
        "stream_id",
        "total",
    )

    def __init__(
        self, expected_offset: int | None = None, stream_id: int = 0, budget_ms: int = 30_000
    ) -> None:
        self.budget_ms = budget_ms
        self.expected_offset = expected_offset
        self.stream_id = stream_id
        self.gathering = Gathering()
        self.complete = False
        self.open_parcels = 0
        self.committed_bytes = 0
        self.total: AppendResult | None = None
        self.error: GoutubeError | None = None
        self.since_ms = 0

    @property
    def done(self) -> bool:
        """Whether the outcome is known: a result or an error."""
        if self.error is not None:
            return True
        return self.complete and not self.open_parcels and not self.gathering.records

    @property
    def crowded(self) -> bool:
        """Whether it has so much under way that it should wait before it adds more."""
        return self.open_parcels >= 2 * PRODUCER_WINDOW_BATCHES

    @property
    def known_stream_id(self) -> int:
        """The id that was asked for, else that of the stream that took the first batch, else 0."""
        if self.stream_id or self.total is None:
            return self.stream_id
        return self.total.stream_id

    def left_ms(self, now_ms: int) -> int:
        """How long its caller still waits for progress; the whole budget while nothing is due."""
        if not self.open_parcels and not self.gathering.records:
            return self.budget_ms
        return self.since_ms + self.budget_ms - now_ms

    def result(self) -> AppendResult:
        """Where the bytes lie, all batches together.

        Raises:
            GoutubeError: the append was refused or given up.
        """
        if self.error is not None:
            raise self.error
        assert self.total is not None, "a done append has a result"
        return self.total

    def committed(self, result: AppendResult, now_ms: int) -> None:
        """One more batch is durable."""
        self.since_ms = now_ms
        self.committed_bytes += result.next_offset - result.offset
        first = self.total
        if first is None:
            self.total = result
        else:
            duplicate = first.duplicate or result.duplicate
            self.total = AppendResult(first.offset, result.next_offset, result.stream_id, duplicate)
        self.open_parcels -= 1

    def fail(self, error: GoutubeError) -> None:
        """Give the append up; an error after committed batches tells how far it came."""
        if self.error is None:
            self.error = self._with_progress(error)
        self.gathering = Gathering()

    def _with_progress(self, error: GoutubeError) -> GoutubeError:
        if self.total is None:
            return error
        told = type(error)(
            f"{error.message}; the append's first {self.committed_bytes} bytes are committed, "
            f"up to offset {self.total.next_offset}"
        )
        told.fields = error.fields | {"committed_next_offset": str(self.total.next_offset)}
        told.__cause__ = error
        return told


@dataclass(slots=True, eq=False)
class Parcel:
    """One batch on its way.

    Attributes:
        batch: None carries no record: the stream is made if need be, and sealed if asked.
        expected_offset: as of the whole append; None takes any end.
        sequence: number of its first record; fixed from the moment it may have been received.
        request: its number in this session; never used again.
        stream_id: only the stream with this id is meant; 0: any.
        record_count: sequence numbers that it takes.
        byte_count: record bytes that it carries.
        tries: how often it was sent.
        in_doubt: it was sent, and the call broke before an answer came.
    """

    operation: Operation
    batch: Batch | None
    expected_offset: int | None
    seal: bool
    request: int
    stream_id: int
    sequence: int = 0
    tries: int = 0
    in_doubt: bool = False
    record_count: int = field(init=False, default=0)
    byte_count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Count once what is asked for again and again."""
        if self.batch is not None:
            self.record_count, self.byte_count = self.batch.record_count, len(self.batch.data)
