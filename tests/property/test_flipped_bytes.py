"""Every byte of every kind of file is wrong once: it is noticed, and costs one batch at the most.

The node starts, whichever byte it is. What it returns is what was appended, each byte of it; what it
does not return it names, and that lies within one batch. A quick run takes a sample of the places,
another one each time; the ``slow`` tier takes all of them.
"""

from __future__ import annotations

import random
import struct

import pytest

from goutube.errors import CorruptionError
from goutube.sim import MemoryDisk, World
from goutube.storage import SegmentScrub
from goutube.storage.journal import open_journal
from goutube.storage.segment import SegmentHeader
from tests.support.commands import append
from tests.support.flipping import NAMES, Kept, flip, found_in, lived

SLOT = 4096
MASKS = (0x01, 0x80, 0xFF)
SAMPLE = 12
"""Places of each kind in a quick run."""


def paths(kept: Kept, ending: str) -> list[str]:
    return sorted(path for path in kept.disk.names if path.endswith(ending))


def content(kept: Kept, path: str) -> bytes:
    return bytes(kept.disk.names[path].durable)


def whole(kept: Kept, *endings: str) -> list[tuple[str, int]]:
    """Every byte of some files."""
    found = [path for ending in endings for path in paths(kept, ending)]
    return [(path, place) for path in found for place in range(len(content(kept, path)))]


def heads(kept: Kept) -> list[tuple[str, int]]:
    """Every byte of every segment's header, and of the tables of compacted ones."""
    places = []
    for path in paths(kept, ".seg"):
        header = SegmentHeader.decode(content(kept, path), path)
        kept_table = range(header.kept_position, header.kept_position + header.kept_bytes)
        places += [(path, place) for place in [*range(256), *kept_table]]
    return places


def entries(kept: Kept) -> list[tuple[str, int]]:
    """Headers and tables of the first, a middle and the last entry of every segment."""
    places = []
    for path in paths(kept, ".seg"):
        data = content(kept, path)
        begins = [at for at in range(256, len(data) - 4, 8) if data[at : at + 4] == b"gtE1"]
        for at in {begins[0], begins[len(begins) // 2], begins[-1]}:
            control, tables, _ = struct.unpack_from("<III", data, at + 96)
            places += [(path, place) for place in range(at, at + 128 + control + tables)]
    return places


def payloads(kept: Kept) -> list[tuple[str, int]]:
    """A sample of what the records hold."""
    places = []
    for path in paths(kept, ".seg"):
        data = content(kept, path)
        begins = [at for at in range(256, len(data) - 4, 8) if data[at : at + 4] == b"gtE1"]
        for at in begins:
            control, tables, size = struct.unpack_from("<III", data, at + 96)
            start = at + 128 + control + tables
            places += [(path, place) for place in range(start, start + size, max(97, size // 50))]
    return places


def hard_state(kept: Kept) -> list[tuple[str, int]]:
    """Every byte of both slots that means anything."""
    return [
        (path, at + n) for path in paths(kept, "hard-state") for at in (0, SLOT) for n in range(44)
    ]


def superblocks(kept: Kept) -> list[tuple[str, int]]:
    """Every byte of both, with the mark of the one shard."""
    return [("journal", at + n) for at in (0, SLOT) for n in range(64 + 40)]


def groups(kept: Kept) -> list[tuple[str, int]]:
    """Heads, marks, records' heads of all that is replayed, and some of the rest, to the last one."""
    data, places = content(kept, "journal"), []
    journal = open_journal(kept.disk.crash(), 1, write=False)
    position = journal.head
    for ring, group in journal.replay():
        records = [record.start - 40 for record in group.records]
        if records:  # it may have gone to the ring's begin
            position = records[0] - 40 * len(group.marks) - 64
        exact = [*range(position, position + 64 + 40 * len(group.marks))]
        exact += [place for start in records for place in range(start, start + 40)]
        sampled = range(position, group.next_position, 101)
        places += [("journal", place) for place in [*exact, *sampled]]
        position = group.next_position
        assert ring[:4] == data[:4]
    return places


KINDS = {
    "top files": lambda kept: whole(kept, "format", "format-copy", "boot", "registry"),
    "indexes": lambda kept: whole(kept, ".idx"),
    "checkpoints": lambda kept: whole(kept, "checkpoint-0", "checkpoint-1"),
    "hard states": hard_state,
    "superblocks": superblocks,
    "groups": groups,
    "segments' heads": heads,
    "entries": entries,
    "payloads": payloads,
}
COSTS_NOTHING = (
    "top files",
    "indexes",
    "checkpoints",
    "hard states",
    "superblocks",
    "groups",
    "segments' heads",
)


def healed(kept: Kept, disk: MemoryDisk, path: str, position: int) -> bool:
    """Whether the byte is as it was: what the journal replays puts it right."""
    now = disk.names[path].cached if path in disk.names else b""
    return now[position : position + 1] == kept.disk.names[path].durable[position : position + 1]


def scrubbed(world: World, path: str, position: int) -> bool:
    """Whether the scrubber finds it: nobody else reads the table of a segment that has an index."""
    (segment,) = [one for one in world.node.store.logs[0].segments if one.path == path]
    scrub = SegmentScrub(segment)
    while scrub.left:
        scrub.step(world.disk)
    return any(first <= position < first + count for first, count in scrub.take_bad())


def check(kept: Kept, path: str, position: int, mask: int) -> list[tuple[int, int]]:
    """Start on a disk with one wrong byte, read everything, go on; the ranges that are lost."""
    disk = kept.disk.crash()
    flip(disk, path, position, mask)
    world = World(disk, shard_count=1)
    lost = []
    for name, batches in kept.batches.items():
        gone = found_in(world, name, batches)
        assert set(gone) <= kept.bounds(name)
        lost += gone
    assert len(lost) <= 1
    told = {mended.path for mended in world.node.recovered.mended}
    told |= {damage.path for damage in world.node.damages}
    assert path in told or healed(kept, disk, path, position) or scrubbed(world, path, position)
    for name in NAMES:
        if world.node.store.logs[0].fault:
            assert lost
            with pytest.raises(CorruptionError, match="log repair"):
                world.call(append(name, b"more"))
        else:
            assert world.call(append(name, b"more")).offset == kept.end(name)
    return lost


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample(kind):
    """Of each kind of bytes some."""
    places, chance = KINDS[kind](lived()), random.Random(kind)
    for path, position in chance.sample(places, min(SAMPLE, len(places))):
        lost = check(lived(), path, position, chance.choice(MASKS))
        assert not (lost and kind in COSTS_NOTHING), (path, position)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_every_place(kind):
    """All of them."""
    costly = 0
    for number, (path, position) in enumerate(KINDS[kind](lived())):
        lost = check(lived(), path, position, MASKS[number % len(MASKS)])
        assert not (lost and kind in COSTS_NOTHING), (path, position)
        costly += bool(lost)
    assert (costly > 0) == (kind not in COSTS_NOTHING)
