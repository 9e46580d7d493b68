"""The order in which a log's entries become durable: by journal groups, and by segments' syncs."""

from __future__ import annotations

from collections import deque

from msgspec import Struct


class _Span(Struct):
    """What becomes durable together, up to ``last_index``; spans follow one another.

    Attributes:
        bulk: it is durable with a sync of its segment; else with a journal group.
        begun: that group is being written, or was.
    """

    last_index: int
    bulk: bool
    begun: bool = True
    durable: bool = False


class DurableOrder:
    """Nothing counts as durable before everything in front of it is.

    Attributes:
        durable_index: entries up to here are durable.
        marked_index: entries up to here are under a durable mark. Never above ``durable_index``.
        queued_index: entries up to here were handed to the journal or to their segment.
    """

    def __init__(self) -> None:
        self.durable_index = 0
        self.marked_index = 0
        self.queued_index = 0
        self._spans: deque[_Span] = deque()
        self._mark = 0

    def queue_order(self, last_index: int, *, bulk: bool) -> None:
        """Entries up to an index are on their way: bulk, or in the group that is being formed."""
        self._spans.append(_Span(last_index, bulk))
        self.queued_index = last_index

    def await_record(self) -> None:
        """Let nothing that is queued from now on be durable before the record that is staged."""
        self._spans.append(_Span(self.queued_index, bulk=False, begun=False))

    def queue_record(self) -> None:
        """The record is in the group that is being formed."""
        self.await_record()
        for span in self._spans:
            span.begun = True

    def synced(self, first: int, last: int) -> bool:
        """Bulk entries between two indexes are synced in their segment; whether there were any."""
        synced = [
            span
            for span in self._spans
            if span.bulk and first <= span.last_index <= last and not span.durable
        ]
        for span in synced:
            span.durable = True
        self._take_durable()
        return bool(synced)

    def begin_mark(self) -> int:
        """The index up to which everything will be durable once the group being formed is."""
        self._mark = self.durable_index
        for span in self._spans:
            if not span.durable and (span.bulk or not span.begun):
                break
            self._mark = span.last_index
        return self._mark

    def end_mark(self) -> None:
        """The group that carries the mark is synced; a cut meanwhile has lowered it."""
        for span in self._spans:
            span.durable |= span.begun and not span.bulk  # there is no other group under way
        self._take_durable()
        self.marked_index = self._mark

    def cut_order(self, after: int) -> None:
        """What is durable or on its way proves no entry behind ``after`` any more."""
        begin = self.durable_index = min(self.durable_index, after)
        self.marked_index = min(self.marked_index, after)
        self.queued_index = min(self.queued_index, after)
        self._mark = min(self._mark, after)
        for span in self._spans:
            span.durable |= begin >= after  # behind the cut: nothing to wait for
            begin, span.last_index = span.last_index, min(span.last_index, after)

    def _take_durable(self) -> None:
        while self._spans and self._spans[0].durable:
            self.durable_index = self._spans.popleft().last_index
