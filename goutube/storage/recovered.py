"""What recovery has found of one shard: its log, and what its catalogue is made of."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from goutube._native import BATCH_DELTAS, ENTRY_HEADER_BYTES, EntryHeader, last_delta
from goutube.storage.checkpoint import Checkpoint
from goutube.storage.damage import Damage, Mended
from goutube.storage.heads import Heads
from goutube.storage.scanning import read_entry_header
from goutube.storage.shard_log import ShardLog


class RecoveredEntry(Struct, frozen=True):
    """One entry for the catalogue: its header, control section, and its last record's time."""

    header: EntryHeader
    control: bytes
    last_stamp: int


class RecoveredShard(Struct):
    """A log as it was found, and what its catalogue is made of.

    Attributes:
        marked_index: up to here everything was certainly durable.
        gaps: the damage that took entries away, in the order of their indexes.
        torn_bytes: how much was cut off behind the last whole entry: never acknowledged.
        mended: the files that were damaged or missing, and what they held is known all the same.
        forgot_damage: the list of what is gone is damaged, so that sealed segments are read, too.
        renew_checkpoint: the catalogue should be written anew, for one checkpoint is damaged.
    """

    log: ShardLog
    marked_index: int = 0
    checkpoint: Checkpoint | None = None
    gaps: list[Damage] = []
    torn_bytes: int = 0
    mended: list[Mended] = []
    forgot_damage: bool = False
    renew_checkpoint: bool = False
    _known: dict[int, Damage] = {}
    _scanned: set[str] = set()
    _scans: list[tuple[memoryview | Heads, list[EntryHeader]]] = []

    def entries(self) -> Iterator[RecoveredEntry]:
        """Every entry behind the checkpoint, in order; to be gone through once.

        Where entries are gone also those that were read although the checkpoint covers them.
        """
        after = self.checkpoint.index if self.checkpoint and not self.gaps else 0
        for content, headers in self._scans:
            for header in headers:
                if header.index > after:
                    yield _recovered(content, header)
        self._scans.clear()

    def forget_covered(self) -> None:
        """Keep nothing of entries that the checkpoint covers, once no gap can need them."""
        if self.checkpoint is not None and not self.gaps:
            after = self.checkpoint.index
            self._scans = [
                (content, [header for header in headers if header.index > after])
                for content, headers in self._scans
                if headers and headers[-1].index > after
            ]

    def forget_state(self) -> None:
        """Keep of the checkpoint only what it covers, once the catalogue is made of it."""
        if self.checkpoint is not None:
            self.checkpoint = replace(self.checkpoint, state=b"")

    def remember(self, damages: list[Damage] | None, path: str) -> None:
        """Take in what an earlier life knew and wrote down at ``path``; None: it is damaged."""
        if damages is None:
            self.forgot_damage = True
            self.mended.append(Mended(path, f"{path} does not match its checksum"))
        self._known = {damage.first_index: damage for damage in damages or ()}

    def settle_known(self) -> None:
        """What was not looked at this time, for it lies in sealed segments, is as it was."""
        for damage in self._known.values():
            self.log.note_damage(damage)

    def note_gap(self, path: str, position: int, byte_count: int, first: int, last: int) -> None:
        """Note that the entries from ``first`` to ``last`` are gone with a range of bytes."""
        known = self._known.pop(first, None)
        if known is None or known.last_index != last:
            known = Damage(path, position, byte_count, first, last)
        self.gaps.append(known)

    def end_before_scans(self, stream_id: int) -> int:
        """Where the batches of a stream end in the segments that were not read; 0: none there."""
        for segment in reversed(self.log.segments):
            rows = segment.index.rows_of(stream_id)
            if segment.path in self._scanned or rows is None or segment.file is None:
                continue
            row = rows.row(len(rows) - 1)
            header = read_entry_header(segment.file.map(), row.position, segment.header.salt)
            if header is not None:
                return row.offset + header.data_bytes
            return row.offset + row.entry_bytes - ENTRY_HEADER_BYTES
        return 0

    def add_scan(self, path: str, content: memoryview | Heads, headers: list[EntryHeader]) -> None:
        """Keep what was found in one segment, or is known of it, until it is folded."""
        self._scanned.add(path)
        self._scans.append((content, headers))


def _recovered(content: memoryview | Heads, header: EntryHeader) -> RecoveredEntry:
    if isinstance(content, Heads):
        control = content.controls.get(header.index, b"")
        return RecoveredEntry(header, control, header.last_stamp)
    start = header.position + ENTRY_HEADER_BYTES
    tables = start + header.control_bytes
    stamp = header.stamp
    if header.flags & BATCH_DELTAS:
        table = content[tables : tables + header.tables_bytes]
        stamp += last_delta(header.record_count, header.flags, table)
    return RecoveredEntry(header, bytes(content[start:tables]), stamp)
