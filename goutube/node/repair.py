"""Giving up what is lost, so that a directory opens again and all its shards take writes.

What a start would find is found out by starting a node over the directory, on an overlay: nothing
is changed by that. To give up is to write into each shard's list of damage that its lost entries
are accepted, and where its streams go on; a journal that cannot be used is replaced.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from goutube.errors import DataDirError
from goutube.limits import BATCH_DATA_BYTES_MAX, MIB
from goutube.node.machine import NodeOptions, open_node
from goutube.node.shard import Shard
from goutube.node.streams import Stream
from goutube.ports import Clock, Disk, Entropy
from goutube.storage import (
    Damage,
    DurableMark,
    KeptAside,
    LostRange,
    OverlayDisk,
    check_versions,
    is_founded,
    journal_fault,
    keep_aside,
    marks_of_segments,
    read_identity,
    read_replicas,
    shard_directory,
    small_storage,
    write_damages,
    write_new_journal,
)

JOURNAL: Final = "journal"
_SEGMENT_BYTES: Final = 64 * MIB


class LostBytes(Struct, frozen=True):
    """Bytes of a stream that are given up: the offsets from ``first`` to before ``after``.

    Attributes:
        certain: they were there. Else nobody knows: the stream may have ended at ``first``; what
            is appended next begins at ``after``, so that no offset is given twice.
    """

    stream: str
    stream_id: int
    first: int
    after: int
    certain: bool


class GivenUp(Struct, frozen=True):
    """Entries of a shard that are given up, and the bytes that they stood in, as far as known."""

    shard: int
    path: str
    position: int
    byte_count: int
    first_index: int
    last_index: int
    streams: list[LostBytes]


class RepairPlan(Struct):
    """What must be given up so that everything goes on.

    Attributes:
        journal: what is wrong with the journal, if it must be replaced.
        marks: of the new journal.
        damages: shard -> what its list of damage will say.
    """

    journal: str
    given_up: list[GivenUp]
    marks: list[DurableMark] = []
    damages: dict[int, list[Damage]] = {}

    @property
    def needed(self) -> bool:
        """Whether there is anything to be given up."""
        return bool(self.journal or self.given_up)


def plan_repair(disk: Disk, clock: Clock, entropy: Entropy) -> RepairPlan:
    """Find out what must be given up; nothing is changed.

    Raises:
        DataDirError: this is no data directory, or one of a version that is not known.
        CorruptionError: nobody can tell whose directory it is.
    """
    if not is_founded(disk):
        raise DataDirError("there is no format file: this is no data directory")
    check_versions(disk)
    identity = read_identity(disk)
    overlay = OverlayDisk(disk)
    plan = RepairPlan(journal_fault(overlay, identity), [])
    if plan.journal:
        plan.marks, gone = marks_of_segments(
            overlay, entropy, identity, read_replicas(overlay, identity)
        )
        for number, damages in gone.items():
            write_damages(overlay, shard_directory(number), damages)
        write_new_journal(overlay, entropy, identity, plan.marks)
    options = NodeOptions(
        node_name=identity.node_name,
        shard_count=identity.shard_count,
        hash_function=identity.hash_function,
        storage=small_storage(identity.journal_bytes, _SEGMENT_BYTES),
    )
    for shard in open_node(overlay, clock, entropy, options).shards:
        if shard.log.fault:
            _accept(plan, shard)
    return plan


def accept_loss(disk: Disk, entropy: Entropy, plan: RepairPlan) -> str:
    """Give up what a plan says; the folder where the bytes are kept.

    An end at any point leaves a directory of which a plan can be made, and carried out, again.
    """
    ranges = [
        KeptAside(given.path, given.position, given.byte_count)
        for given in plan.given_up
        if given.byte_count and given.path != JOURNAL
    ]
    identity = read_identity(disk)
    if plan.journal:
        ranges.append(KeptAside(JOURNAL, 0, 1 << 62))
    about = {"journal": plan.journal, "given_up": to_builtins(plan.given_up)}
    folder = keep_aside(disk, ranges, about)
    for shard, damages in plan.damages.items():
        write_damages(disk, shard_directory(shard), damages)
    if plan.journal:
        write_new_journal(disk, entropy, identity, plan.marks)
    return folder


def _accept(plan: RepairPlan, shard: Shard) -> None:
    """Plan to give up all lost entries of a shard that it takes no writes for."""
    log = shard.log
    doubtful = [
        damage
        for damage in log.damages
        if damage.last_index > log.checkpoint_index and not damage.accepted
    ]
    most = sum(_bytes_at_most(shard, damage) for damage in doubtful)
    open_ended = [
        LostRange(stream.stream_id, stream.end, stream.end + most)
        for stream in shard.catalogue.by_id.values()
        if shard.in_doubt(stream)
    ]
    newest = max(doubtful, key=lambda damage: damage.last_index)
    damages = []
    for damage in log.damages:
        if damage not in doubtful:
            damages.append(damage)
            continue
        ranges = open_ended if damage is newest else []
        lost = tuple(dict.fromkeys([*damage.lost, *ranges]))
        damages.append(replace(damage, lost=lost, accepted=True))
        streams = _named(shard, damage.lost, certain=True) + _named(shard, ranges, certain=False)
        plan.given_up.append(
            GivenUp(
                log.shard,
                damage.path,
                damage.position,
                damage.byte_count,
                damage.first_index,
                damage.last_index,
                streams,
            )
        )
    plan.damages[log.shard] = damages


def _named(
    shard: Shard, ranges: list[LostRange] | tuple[LostRange, ...], *, certain: bool
) -> list[LostBytes]:
    found = []
    for lost in ranges:
        stream: Stream | None = shard.catalogue.by_id.get(lost.stream_id)
        name = stream.name if stream is not None else ""
        found.append(LostBytes(name, lost.stream_id, lost.first, lost.after, certain))
    return found


def _bytes_at_most(shard: Shard, damage: Damage) -> int:
    """How many bytes of streams the lost entries can have held."""
    if damage.path == JOURNAL:
        return damage.byte_count
    for segment in shard.log.segments:
        if segment.path == damage.path and damage.last_index < segment.last_index:
            return damage.byte_count  # they stood between two entries that are there
    return (damage.last_index + 1 - damage.first_index) * BATCH_DATA_BYTES_MAX
