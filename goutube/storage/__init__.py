"""The log of every shard on one disk: a shared journal, segments, dense indexes, recovery.

The door of the floor. The log is synchronous and deterministic: entries in, disk jobs out; what the
jobs did comes back as outcomes. An entry is durable before anybody hears of it.
"""

from goutube.storage.checkpoint import Checkpoint, checkpoint_path, write_checkpoint
from goutube.storage.checkpointer import Checkpointer
from goutube.storage.compaction import Compaction, CompactionEnd, drop_freed
from goutube.storage.config import StorageConfig, small_storage
from goutube.storage.damage import Damage, LostRange, Mended, damage_in, write_damages
from goutube.storage.entries import FLAG_CREATES, FLAG_SEALS, EntryKind, NewEntry
from goutube.storage.hard_state import HardState
from goutube.storage.identity import Identity
from goutube.storage.index import Row, SealedIndex, StreamRows
from goutube.storage.inspect import DirectoryReport, inspect_directory
from goutube.storage.recovery import DirectoryOptions, OpenedStore, open_store
from goutube.storage.room import hold_reserve, holds_reserve, lacks_room, release_reserve
from goutube.storage.scrubbing import SegmentScrub, remake_index
from goutube.storage.segment import Segment, shard_directory
from goutube.storage.shard_log import ShardLog
from goutube.storage.shard_recovery import RecoveredEntry, RecoveredShard
from goutube.storage.store import Store

__all__ = [
    "FLAG_CREATES",
    "FLAG_SEALS",
    "Checkpoint",
    "Checkpointer",
    "Compaction",
    "CompactionEnd",
    "Damage",
    "DirectoryOptions",
    "DirectoryReport",
    "EntryKind",
    "HardState",
    "Identity",
    "LostRange",
    "Mended",
    "NewEntry",
    "OpenedStore",
    "RecoveredEntry",
    "RecoveredShard",
    "Row",
    "SealedIndex",
    "Segment",
    "SegmentScrub",
    "ShardLog",
    "StorageConfig",
    "Store",
    "StreamRows",
    "checkpoint_path",
    "damage_in",
    "drop_freed",
    "hold_reserve",
    "holds_reserve",
    "inspect_directory",
    "lacks_room",
    "open_store",
    "release_reserve",
    "remake_index",
    "shard_directory",
    "small_storage",
    "write_checkpoint",
    "write_damages",
]
