"""The named places at which a process may be made to end, between two facts that outlive it.

``Disk.reached`` is told of each. Tests end the process there: a restart must put up with what it
finds, whichever place it was, also where the restart itself was one that ended so.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Self

from goutube.errors import ConfigError

CRASH_VARIABLE = "GOUTUBE_CRASH_AT"
"""Of the environment: the place, ``NAME`` or ``NAME:N``, at which an agent is to kill itself."""


class CrashPoint(StrEnum):
    """One place; ``meaning`` says what has happened there, and what has not."""

    meaning: str

    def __new__(cls, name: str, meaning: str = "") -> Self:
        """A member of this name and meaning."""
        point = str.__new__(cls, name)
        point._value_ = name
        point.meaning = meaning
        return point

    # Founding and opening

    LOCK_HELD = "lock-held", "The directory is locked; nothing in it was looked at."
    REGISTRY_WRITTEN = "registry-written", "The new registry is a temporary file, not synced."
    REGISTRY_SYNCED = "registry-synced", "The new registry is whole under its temporary name."
    REGISTRY_RENAMED = "registry-renamed", "The registry has its name, which may not last."
    REGISTRY_DURABLE = "registry-durable", "The registry is durable; there is no journal."
    JOURNAL_CREATED = "journal-created", "The journal has a name and no bytes."
    JOURNAL_WRITTEN = "journal-written", "All bytes of the journal are written, none is synced."
    JOURNAL_SYNCED = "journal-synced", "The journal is whole; its name may not last."
    JOURNAL_DURABLE = "journal-durable", "All is there but the format file."
    FORMAT_WRITTEN = "format-written", "The format file is a temporary file, not synced."
    FORMAT_SYNCED = "format-synced", "The format file is whole under its temporary name."
    FORMAT_RENAMED = "format-renamed", "The directory is founded, which may not last."
    FORMAT_DURABLE = "format-durable", "The directory is founded, and was never opened."
    COPY_WRITTEN = "copy-written", "The copy of the format file is a temporary file, not synced."
    COPY_SYNCED = "copy-synced", "The copy of the format file is whole under its temporary name."
    COPY_RENAMED = "copy-renamed", "The copy of the format file has its name, which may not last."
    COPY_DURABLE = "copy-durable", "The copy of the format file is durable; no opening is counted."
    BOOT_WRITTEN = "boot-written", "The new count of openings is a temporary file, not synced."
    BOOT_SYNCED = "boot-synced", "The new count of openings is whole under its temporary name."
    BOOT_RENAMED = "boot-renamed", "The new count of openings has its name, which may not last."
    BOOT_DURABLE = (
        "boot-durable",
        "This opening is counted; nothing of the journal is replayed.",
    )

    # Recovery

    REPLAY_SEGMENT_CREATED = (
        "replay-segment-created",
        "A segment that the journal knows of has a name again and no bytes.",
    )
    REPLAY_SEGMENT_DURABLE = (
        "replay-segment-durable",
        "A segment that the journal knows of is there again, and empty.",
    )
    REPLAY_ENTRIES_WRITTEN = (
        "replay-entries-written",
        "Entries of one record of the journal are in their segment's page cache; others follow.",
    )
    REPLAY_WRITTEN = "replay-written", "All of the journal is in page caches, none of it synced."
    REPLAY_SYNCED = "replay-synced", "All of the journal is in segments, and durable."
    LEAVING_REMOVED = (
        "leaving-removed",
        "One of the files that an earlier end left half made is removed; others may follow.",
    )
    TAIL_MENDED = (
        "tail-mended",
        "A wrong byte of an entry behind the marks is put right in the page cache.",
    )
    TAIL_CUT = "tail-cut", "The torn end of a segment is cut off, which may not last."
    TAIL_DURABLE = (
        "tail-durable",
        "What is whole behind the marks is durable without them, and the rest is gone.",
    )
    INDEX_DROPPED = (
        "index-dropped",
        "The index of a segment that lost its undurable end is removed, which may not last.",
    )
    HEADS_DROPPED = (
        "heads-dropped",
        "The heads of a segment that lost its undurable end are removed, which may not last.",
    )
    SHARDS_RECOVERED = "shards-recovered", "The shards were read; the journal still leads back."
    JOURNAL_EMPTIED = (
        "journal-emptied",
        "Replay begins behind everything; segments that the log no longer names are still there.",
    )
    DAMAGE_WRITTEN = "damage-written", "The list of lost entries is a temporary file, not synced."
    DAMAGE_SYNCED = "damage-synced", "The list of lost entries is whole under its temporary name."
    DAMAGE_RENAMED = "damage-renamed", "The list of lost entries has its name, which may not last."
    DAMAGE_DURABLE = "damage-durable", "The list of lost entries is durable."

    # Appends

    GROUP_GIVEN = "group-given", "A journal group is formed; none of it is written."
    GROUP_DURABLE = "group-durable", "A journal group is synced; nobody was told of it."
    ENTRIES_GIVEN = "entries-given", "Entries are to be written to their segment; none is."
    ENTRIES_WRITTEN = "entries-written", "Entries are in their segment's page cache."
    BULK_DURABLE = "bulk-durable", "Bulk entries are synced in their segment; no mark covers them."
    HARD_STATE_WRITTEN = "hard-state-written", "A term and vote are written, not synced."
    HARD_STATE_SYNCED = "hard-state-synced", "A term and vote are synced; the name may not last."
    HARD_STATE_DURABLE = "hard-state-durable", "A term and vote are durable outside the journal."

    # Segments

    SEGMENT_CREATED = "segment-created", "A segment has a name and no bytes."
    SEGMENT_ALLOCATED = "segment-allocated", "A segment has space and no header."
    SEGMENT_WRITTEN = "segment-written", "A segment has a header, which is not synced."
    SEGMENT_SYNCED = "segment-synced", "A segment's header is synced; its name may not last."
    SEGMENT_DURABLE = "segment-durable", "An empty segment is durable."
    SEGMENT_EXTENDED = "segment-extended", "Space is reserved ahead of a segment's next entries."
    SEGMENT_CUT = "segment-cut", "A full segment gave back the space that it did not need."
    SEGMENT_WHOLE = "segment-whole", "A full segment is synced and has no index."
    INDEX_WRITTEN = "index-written", "An index is a temporary file, not synced."
    INDEX_SYNCED = "index-synced", "An index is whole under its temporary name."
    INDEX_RENAMED = "index-renamed", "An index has its name, which may not last."
    INDEX_DURABLE = "index-durable", "An index is durable; nobody has read it."
    HEADS_CREATED = "heads-created", "The file of an open segment's heads has a name and no bytes."
    HEADS_WRITTEN = "heads-written", "A block of heads is written, and will not be synced."
    HEADS_REMOVED = "heads-removed", "A sealed segment's heads are removed, which may not last."
    SEGMENT_UNLINKED = "segment-unlinked", "A segment has no name any more, which may not last."
    SEGMENT_REMOVED = "segment-removed", "A segment is gone for good; its index is there."
    INDEX_UNLINKED = "index-unlinked", "The index of a removed segment has no name any more."

    # Checkpoints

    SEGMENT_FLUSHED = "segment-flushed", "A segment was synced for a checkpoint of the journal."
    JOURNAL_FLUSHED = (
        "journal-flushed",
        "What a checkpoint of the journal covers is in synced segments; replay repeats it.",
    )
    SUPERBLOCK_WRITTEN = "superblock-written", "A superblock is written, not synced."
    SUPERBLOCK_SYNCED = "superblock-synced", "A superblock is durable; nobody was told of it."
    CHECKPOINT_WRITTEN = "checkpoint-written", "A catalogue is a temporary file, not synced."
    CHECKPOINT_SYNCED = "checkpoint-synced", "A catalogue is whole under its temporary name."
    CHECKPOINT_RENAMED = "checkpoint-renamed", "A catalogue has its name, which may not last."
    CHECKPOINT_DURABLE = "checkpoint-durable", "A catalogue is durable; nobody was told of it."

    # Giving back space

    REWRITE_CREATED = "rewrite-created", "A segment's next revision has a temporary name."
    REWRITE_COPIED = "rewrite-copied", "A slice of a segment is copied, not synced."
    REWRITE_FLUSHED = "rewrite-flushed", "A slice of a segment is copied and synced."
    REWRITE_WRITTEN = "rewrite-written", "A segment's next revision is complete, not synced."
    REWRITE_SYNCED = "rewrite-synced", "A segment's next revision is whole and has no index."
    REWRITE_INDEXED = (
        "rewrite-indexed",
        "The index of a segment's next revision is durable; the revision has a temporary name.",
    )
    REWRITE_RENAMED = "rewrite-renamed", "Two revisions have their names; the newer may not last."
    REWRITE_DURABLE = "rewrite-durable", "Two revisions of a segment are durable."
    REWRITE_ABANDONED = (
        "rewrite-abandoned",
        "A next revision that came to nothing is removed; its index may be there.",
    )
    REVISION_REPLACED = "revision-replaced", "The log uses the newer revision; the older is there."
    FREED_REMOVED = "freed-removed", "One of the freed segments at a log's front is removed."
    RESERVE_CREATED = "reserve-created", "The reserve has a name and takes no space."
    RESERVE_HELD = "reserve-held", "The reserve takes its space; nobody was told of it."
    RESERVE_RELEASED = "reserve-released", "The reserve is given back; nothing has used it."

    # A clean end

    DRAIN_BEGUN = "drain-begun", "The node is asked for a clean end; nothing was done for it."
    DRAINED = "drained", "All is in its place; the directory is still locked."


class DocumentPoints(NamedTuple):
    """The places in the replacement of one kind of file, in their order."""

    written: CrashPoint
    synced: CrashPoint
    renamed: CrashPoint
    durable: CrashPoint


REGISTRY_POINTS = DocumentPoints(
    CrashPoint.REGISTRY_WRITTEN,
    CrashPoint.REGISTRY_SYNCED,
    CrashPoint.REGISTRY_RENAMED,
    CrashPoint.REGISTRY_DURABLE,
)
FORMAT_POINTS = DocumentPoints(
    CrashPoint.FORMAT_WRITTEN,
    CrashPoint.FORMAT_SYNCED,
    CrashPoint.FORMAT_RENAMED,
    CrashPoint.FORMAT_DURABLE,
)
COPY_POINTS = DocumentPoints(
    CrashPoint.COPY_WRITTEN,
    CrashPoint.COPY_SYNCED,
    CrashPoint.COPY_RENAMED,
    CrashPoint.COPY_DURABLE,
)
BOOT_POINTS = DocumentPoints(
    CrashPoint.BOOT_WRITTEN,
    CrashPoint.BOOT_SYNCED,
    CrashPoint.BOOT_RENAMED,
    CrashPoint.BOOT_DURABLE,
)
DAMAGE_POINTS = DocumentPoints(
    CrashPoint.DAMAGE_WRITTEN,
    CrashPoint.DAMAGE_SYNCED,
    CrashPoint.DAMAGE_RENAMED,
    CrashPoint.DAMAGE_DURABLE,
)
INDEX_POINTS = DocumentPoints(
    CrashPoint.INDEX_WRITTEN,
    CrashPoint.INDEX_SYNCED,
    CrashPoint.INDEX_RENAMED,
    CrashPoint.INDEX_DURABLE,
)
CHECKPOINT_POINTS = DocumentPoints(
    CrashPoint.CHECKPOINT_WRITTEN,
    CrashPoint.CHECKPOINT_SYNCED,
    CrashPoint.CHECKPOINT_RENAMED,
    CrashPoint.CHECKPOINT_DURABLE,
)


class CrashAt(NamedTuple):
    """Where a process is to end: the ``nth`` time, from 1, that it comes to a place."""

    point: CrashPoint
    nth: int = 1

    @classmethod
    def parse(cls, text: str) -> CrashAt:
        """What ``NAME`` or ``NAME:N`` asks for.

        Raises:
            ConfigError: there is no such place, or the number is none from 1 on.
        """
        name, colon, number = text.partition(":")
        try:
            point = CrashPoint(name)
        except ValueError:
            raise ConfigError(
                f"{CRASH_VARIABLE} = {text!r} names no crash point: there is no {name!r}; "
                "docs/CRASH_POINTS.md lists them",
                setting=CRASH_VARIABLE,
            ) from None
        if not colon:
            return cls(point)
        if not (number.isascii() and number.isdecimal() and int(number)):
            raise ConfigError(
                f"{CRASH_VARIABLE} = {text!r} says how often with {number!r}; "
                f"write {name}:N with a number from 1 on",
                setting=CRASH_VARIABLE,
            )
        return cls(point, int(number))
