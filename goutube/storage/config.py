"""How big the pieces of the log are."""

from __future__ import annotations

from msgspec import Struct

from goutube.limits import KIB, MIB


class StorageConfig(Struct, frozen=True, kw_only=True):
    """Sizes and intervals of a data directory.

    Attributes:
        journal_bytes: the ring that makes small writes durable. Fixed when the directory is made.
            Larger means rarer checkpoints and a longer replay.
        segment_bytes: a segment is sealed when the next entry would make it longer. Larger means
            fewer files; smaller frees space sooner.
        bulk_bytes: what one shard brings at once beyond this goes to its segment and is synced
            there, so that bulk data is written once. The crossing point depends on the disk.
        group_bytes_max: one journal group. Bounds the latency of whoever waits for the next one.
        along_bytes_max: so much of a journal group the thread that syncs it writes to segments,
            too, and that last. More goes there meanwhile, on threads of its own.
        allocate_bytes_max: a segment's space is reserved in steps that double up to this.
        unnoted_bytes: heads of an open segment are written down when it has grown by its share of
            this; about so much of all open segments, and no more, a start reads after a kill.
        heads_percent_max: a segment whose heads would be longer than this share of it gets none:
            its entries are small, and it is read whole. Bounds what is written beside the entries.
        checkpoint_ms: how long durable entries may rest on the journal alone.
        reserve_bytes: held back to be used when nothing else is free: what the journal may hold has
            room in segments then.
        free_bytes_low: with less free space than this the operator is warned.
        free_bytes_min: with less than this nothing is taken that makes the log longer but trims and
            deletions, which free space.
        compaction_dead_percent: a sealed segment is rewritten when so much of it is dead. For each
            byte that this gives back, at most (100 - this) / this are written.
        compaction_bytes_per_s: how fast that may read and write.
        scrub_bytes_per_s: how fast sealed segments are read again to see that they are whole; 0:
            never.
        scrub_interval_ms: a pass over all of them begins so long after the one before it, or when
            that has ended, whichever is later.
    """

    journal_bytes: int = 64 * MIB
    segment_bytes: int = 64 * MIB
    bulk_bytes: int = MIB
    group_bytes_max: int = 8 * MIB
    along_bytes_max: int = 64 * KIB
    allocate_bytes_max: int = 8 * MIB
    unnoted_bytes: int = 128 * MIB
    heads_percent_max: int = 12
    checkpoint_ms: int = 5_000
    reserve_bytes: int = 64 * MIB
    free_bytes_low: int = 1024 * MIB
    free_bytes_min: int = 256 * MIB
    compaction_dead_percent: int = 50
    compaction_bytes_per_s: int = 16 * MIB
    scrub_bytes_per_s: int = 4 * MIB
    scrub_interval_ms: int = 7 * 24 * 3_600_000

    def __post_init__(self) -> None:
        """Check the relations that the log rests on."""
        assert self.journal_bytes >= 256 * KIB
        assert self.bulk_bytes * 2 <= self.group_bytes_max <= self.journal_bytes // 4
        assert 64 * KIB <= self.segment_bytes < 1 << 31
        assert self.reserve_bytes > 0
        assert self.unnoted_bytes > 0
        assert self.heads_percent_max >= 0
        assert 0 < self.compaction_dead_percent <= 100
        assert self.compaction_bytes_per_s > 0
        assert self.scrub_bytes_per_s >= 0
        assert self.scrub_interval_ms > 0

    def note_bytes(self, shard_count: int) -> int:
        """By how much an open segment of one of so many shards grows between two notes."""
        return min(self.unnoted_bytes // shard_count, self.segment_bytes // 8)


def small_storage(journal_bytes: int, segment_bytes: int) -> StorageConfig:
    """A configuration for small rings and segments, whose other sizes follow from these."""
    group_bytes_max = min(8 * MIB, journal_bytes // 4)
    return StorageConfig(
        journal_bytes=journal_bytes,
        segment_bytes=segment_bytes,
        reserve_bytes=journal_bytes,
        bulk_bytes=min(MIB, group_bytes_max // 2),
        unnoted_bytes=min(128 * MIB, 2 * segment_bytes),
        group_bytes_max=group_bytes_max,
        along_bytes_max=min(64 * KIB, group_bytes_max // 32),
        allocate_bytes_max=min(8 * MIB, max(64 * KIB, segment_bytes // 8)),
    )
