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
        allocate_bytes_max: a segment's space is reserved in steps that double up to this.
        checkpoint_ms: how long durable entries may rest on the journal alone.
        free_bytes_min: below this much free space appends are refused.
    """

    journal_bytes: int = 64 * MIB
    segment_bytes: int = 64 * MIB
    bulk_bytes: int = MIB
    group_bytes_max: int = 8 * MIB
    allocate_bytes_max: int = 8 * MIB
    checkpoint_ms: int = 5_000
    free_bytes_min: int = 256 * MIB

    def __post_init__(self) -> None:
        """Check the relations that the log rests on."""
        assert self.journal_bytes >= 256 * KIB
        assert self.bulk_bytes * 2 <= self.group_bytes_max <= self.journal_bytes // 4
        assert 64 * KIB <= self.segment_bytes < 1 << 31


def small_storage(journal_bytes: int, segment_bytes: int) -> StorageConfig:
    """A configuration for small rings and segments, whose other sizes follow from these."""
    group_bytes_max = min(8 * MIB, journal_bytes // 4)
    return StorageConfig(
        journal_bytes=journal_bytes,
        segment_bytes=segment_bytes,
        bulk_bytes=min(MIB, group_bytes_max // 2),
        group_bytes_max=group_bytes_max,
        allocate_bytes_max=min(8 * MIB, max(64 * KIB, segment_bytes // 8)),
    )
