"""The log of every shard on one disk: a shared journal, segments, dense indexes, recovery.

The door of the floor. The log is synchronous and deterministic: entries in, disk jobs out; what the
jobs did comes back as outcomes. An entry is durable before anybody hears of it.
"""

from goutube.storage.checkpoint import Checkpoint, write_checkpoint
from goutube.storage.checkpointer import Checkpointer
from goutube.storage.config import StorageConfig, small_storage
from goutube.storage.entries import FLAG_CREATES, FLAG_SEALS, EntryKind, NewEntry
from goutube.storage.freeing import drop_freed, free_segment
from goutube.storage.hard_state import HardState
from goutube.storage.identity import Identity
from goutube.storage.index import Row, StreamRows
from goutube.storage.inspect import DirectoryReport, inspect_directory
from goutube.storage.recovery import DirectoryOptions, OpenedStore, open_store
from goutube.storage.segment import Segment, shard_directory
from goutube.storage.shard_log import ShardLog
from goutube.storage.shard_recovery import Damage, RecoveredEntry, RecoveredShard
from goutube.storage.store import Store

__all__ = [
    "FLAG_CREATES",
    "FLAG_SEALS",
    "Checkpoint",
    "Checkpointer",
    "Damage",
    "DirectoryOptions",
    "DirectoryReport",
    "EntryKind",
    "HardState",
    "Identity",
    "NewEntry",
    "OpenedStore",
    "RecoveredEntry",
    "RecoveredShard",
    "Row",
    "Segment",
    "ShardLog",
    "StorageConfig",
    "Store",
    "StreamRows",
    "drop_freed",
    "free_segment",
    "inspect_directory",
    "open_store",
    "shard_directory",
    "small_storage",
    "write_checkpoint",
]
