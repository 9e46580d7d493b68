"""What a store counts."""

from __future__ import annotations

from msgspec import Struct


class StoreStats(Struct):
    """What the store has done in this process; plain counters."""

    groups: int = 0
    group_bytes: int = 0
    bulk_bytes: int = 0
    checkpoints: int = 0
    segments_created: int = 0
    segments_sealed: int = 0
    segments_compacted: int = 0
    segments_freed: int = 0
    compaction_bytes: int = 0
    freed_bytes: int = 0
