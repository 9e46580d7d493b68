"""The log of every shard on one disk: a shared journal, segments, dense indexes, recovery.

The door of the floor. The log is synchronous and deterministic: entries in, disk jobs out; what the
jobs did comes back as outcomes. An entry is durable before anybody hears of it.
"""

from goutube.storage.aside import KeptAside, keep_aside
from goutube.storage.checkpoint import Checkpoint, checkpoint_path, write_checkpoint
from goutube.storage.checkpointer import Checkpointer
from goutube.storage.compaction import Compaction, CompactionEnd, drop_freed
from goutube.storage.config import StorageConfig, small_storage
from goutube.storage.damage import Damage, LostRange, Mended, damage_in, write_damages
from goutube.storage.entries import FLAG_CREATES, FLAG_SEALS, EntryKind, NewEntry
from goutube.storage.hard_state import HardState
from goutube.storage.identity import LOCK_PATH, Identity, is_founded, read_identity
from goutube.storage.index import Row, SealedIndex, StreamRows
from goutube.storage.inspect import DirectoryReport, inspect_directory
from goutube.storage.journal import DurableMark
from goutube.storage.overlay import OverlayDisk
from goutube.storage.recovered import RecoveredEntry, RecoveredShard
from goutube.storage.recovery import DirectoryOptions, OpenedStore, open_store
from goutube.storage.renewal import journal_fault, marks_of_segments, write_new_journal
from goutube.storage.room import hold_reserve, holds_reserve, lacks_room, release_reserve
from goutube.storage.scrubbing import SegmentScrub, remake_index
from goutube.storage.segment import Segment, shard_directory
from goutube.storage.shard_log import ShardLog
from goutube.storage.store import Store
from goutube.storage.top_files import read_replicas
from goutube.storage.versions import check_versions

__all__ = [
    "FLAG_CREATES",
    "FLAG_SEALS",
    "LOCK_PATH",
    "Checkpoint",
    "Checkpointer",
    "Compaction",
    "CompactionEnd",
    "Damage",
    "DirectoryOptions",
    "DirectoryReport",
    "DurableMark",
    "EntryKind",
    "HardState",
    "Identity",
    "KeptAside",
    "LostRange",
    "Mended",
    "NewEntry",
    "OpenedStore",
    "OverlayDisk",
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
    "check_versions",
    "checkpoint_path",
    "damage_in",
    "drop_freed",
    "hold_reserve",
    "holds_reserve",
    "inspect_directory",
    "is_founded",
    "journal_fault",
    "keep_aside",
    "lacks_room",
    "marks_of_segments",
    "open_store",
    "read_identity",
    "read_replicas",
    "release_reserve",
    "remake_index",
    "shard_directory",
    "small_storage",
    "write_checkpoint",
    "write_damages",
    "write_new_journal",
]
