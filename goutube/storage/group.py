"""A journal group while it is being formed: what each shard has staged, as records."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from goutube._native import ENTRY_ALIGN, JOURNAL_RECORD_HEADER_BYTES, encode_record_header
from goutube.model import Buffer
from goutube.storage.entries import StagedEntries
from goutube.storage.shard_log import RecordKind, ShardLog, StagedRecord

GROUP_HEAD_BYTES: Final = 64
GROUP_MARK_BYTES: Final = 40


class Group(Struct):
    """A journal group that is being formed; ``records`` are its bytes behind the marks."""

    records: list[Buffer] = []
    record_count: int = 0
    record_bytes: int = 0
    logs: dict[int, ShardLog] = {}

    def add(self, log: ShardLog, item: StagedEntries | StagedRecord) -> None:
        """Put what one shard has staged into the group."""
        if isinstance(item, StagedEntries):
            name, kind, position = item.name, RecordKind.ENTRIES, item.position
            body, length = item.buffers, item.byte_count
        else:
            name, kind, position = item.name, item.kind, 0
            padding = bytes(-len(item.body) % ENTRY_ALIGN)
            body, length = [item.body + padding], len(item.body) + len(padding)
        self.records.append(
            encode_record_header(
                kind, log.shard, log.replica, name.first_index, name.generation, position, length
            )
        )
        self.records += body
        self.record_count += 1
        self.record_bytes += JOURNAL_RECORD_HEADER_BYTES + length
