"""What a start makes of entries that are gone: whose they were, as their neighbours tell.

An entry that is gone shows in the next one of its stream, which begins behind where the stream had
ended. Where every lost entry shows like that, all is known that must be known to go on: no offset
can be given twice. Where one does not, it may have been the newest of any stream that nothing
follows in, or have made a stream or deleted it: then the shard takes no writes, and says so rather
than call a stream missing or ended, until somebody accepts the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec.structs import replace

from goutube.node.control import NO_PROPERTIES
from goutube.node.streams import Catalogue, Change, Stream
from goutube.storage import FLAG_CREATES, Damage, EntryKind, LostRange, RecoveredShard

_INDEX_BITS: Final = 48
"""Of a stream's id: the index of the entry that made it."""


class Losses:
    """The entries that are missing while a recovered log is folded, and what they took.

    Args:
        catalogue: of the checkpoint; it may cover some of the missing entries.
        recovered: the log; its gaps are where entries are missing.
        is_ours: whether a name belongs to this shard.
    """

    def __init__(
        self, catalogue: Catalogue, recovered: RecoveredShard, is_ours: Callable[[str], bool]
    ) -> None:
        self._catalogue = catalogue
        self._recovered = recovered
        self._gaps = gaps = recovered.gaps
        self._ends: dict[int, int] = {}
        """Stream id -> where the entries that are there end so far."""
        self._is_ours = is_ours
        self._applied = catalogue.applied_index
        self._ranges: list[list[LostRange]] = [list(gap.lost) for gap in gaps]
        self._passed = 0
        self._missing = 0
        self._confirmed: set[int] = set()
        self._doubtful: Damage | None = None

    def fold(self, change: Change) -> None:
        """Fold in the next entry that is there."""
        if not self._gaps:
            self._catalogue.apply(change)
            return
        while self._passed < len(self._gaps) and self._gaps[self._passed].last_index < change.index:
            self._pass_gap()
        self._note_lost(change.stream_id, change.offset)
        self._ends[change.stream_id] = change.offset + change.data_bytes
        if change.index > self._applied:
            if self._passed:
                self._compare(change)
            self._catalogue.apply(change)

    def finish(self) -> list[Damage]:
        """The gaps with what they took, once all entries are folded."""
        while self._passed < len(self._gaps):
            self._pass_gap()
        if self._gaps:
            for stream in self._catalogue.by_id.values():
                self._note_lost(stream.stream_id, stream.end)
        return [
            replace(gap, lost=tuple(dict.fromkeys(ranges)))
            for gap, ranges in zip(self._gaps, self._ranges, strict=True)
        ]

    @property
    def doubt(self) -> str:
        """What is not known, in words; empty where all lost entries are accounted for."""
        if self._missing <= 0 or self._doubtful is None:
            return ""
        gap = self._doubtful
        return (
            f"entries {gap.first_index} to {gap.last_index} are damaged ({gap.where}), and not all "
            "can be told from those behind them. Restore the directory from a copy, or stop the "
            "node and give them up with 'goutube log repair --accept-loss'"
        )

    def doubts(self, stream_id: int) -> bool:
        """Whether the end of a stream, or whether it is there at all, is not known."""
        return bool(self.doubt) and stream_id not in self._confirmed

    def _pass_gap(self) -> None:
        gap = self._gaps[self._passed]
        self._passed += 1
        self._catalogue.applied_index = max(self._catalogue.applied_index, gap.last_index)
        if gap.last_index <= self._applied:
            return
        if gap.accepted:
            self._accept(gap)
            return
        self._missing += gap.last_index - max(gap.first_index - 1, self._applied)
        self._doubtful = gap
        self._confirmed.clear()

    def _accept(self, gap: Damage) -> None:
        """Go on behind what was given up: no offset of it is given again."""
        for lost in gap.lost:
            stream = self._catalogue.by_id.get(lost.stream_id)
            if stream is not None:
                stream.end = max(stream.end, lost.after)

    def _note_lost(self, stream_id: int, offset: int) -> None:
        """A stream goes on, or has ended, at an offset: what is not here before it is lost."""
        end = self._ends.get(stream_id)
        if end is None:
            end = self._recovered.end_before_scans(stream_id)
        stream = self._catalogue.by_id.get(stream_id)
        first = max(end, stream.start) if stream is not None else end
        if first < offset and self._passed:
            self._ranges[self._passed - 1].append(LostRange(stream_id, first, offset))

    def _compare(self, change: Change) -> None:
        """Look whether this entry begins behind where its stream has ended."""
        stream = self._catalogue.by_id.get(change.stream_id)
        if stream is None and not change.flags & FLAG_CREATES:
            self._adopt(change)  # the entry that made it stays unaccounted for: it had the name
            return
        if stream is None:
            return
        if change.offset > stream.end:
            stream.end, stream.record_count = change.offset, change.ordinal
            # Only what follows tells that it was a batch that did not end its stream.
            if change.kind in (EntryKind.BATCH, EntryKind.DELETE) and self._missing > 0:
                self._missing -= 1
        if change.kind in (EntryKind.BATCH, EntryKind.DELETE):
            self._confirmed.add(stream.stream_id)

    def _adopt(self, change: Change) -> None:
        """A stream whose making is gone, and its name with it: it gets one that tells so."""
        index = change.stream_id & ((1 << _INDEX_BITS) - 1)
        if not any(gap.first_index <= index <= gap.last_index for gap in self._gaps):
            return
        name = next(filter(self._is_ours, _made_up_names(change.stream_id)))
        stream = Stream(name, change.stream_id, change.stamp, NO_PROPERTIES)
        self._catalogue.add(stream)
        stream.end, stream.record_count = change.offset, change.ordinal
        self._confirmed.add(stream.stream_id)


def _made_up_names(stream_id: int) -> Iterator[str]:
    number = 0
    while True:
        yield f"lost+found/{stream_id:016x}-{number}"
        number += 1
