"""Plain counters of what a node has done."""

from __future__ import annotations

from msgspec import Struct


class NodeStats(Struct):
    """What the node has done in this process; plain counters."""

    appends: int = 0
    append_records: int = 0
    append_bytes: int = 0
    duplicates: int = 0
    reads: int = 0
    read_bytes: int = 0
    retention_trims: int = 0
