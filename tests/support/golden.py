"""Makes the data directories that every later release must open: ``python -m tests.support.golden``.

Run once for a release that changes what is written, never again for an old one: what it once wrote
is what is kept.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

from goutube.limits import KIB
from goutube.model import ProducerStamp, StreamProperties
from goutube.node import CreateStream, DeleteStream, TrimStream
from goutube.sim import MemoryDisk, World
from goutube.storage import small_storage
from tests.support.commands import append, read_all

FOLDER = Path(__file__).parents[1] / "data" / "golden"
FORMAT = "format-1-heads"
"""Format 1 with heads beside open segments; what is named ``format-1`` was written before them."""
PIECE = bytes(range(250)) * 8
STAMP = ProducerStamp(bytes(range(16)), 3, 0)
BIG = 100 * KIB


def world_on(disk: MemoryDisk | None) -> World:
    """A node with the sizes that the directories were made with."""
    return World(disk, shard_count=2, storage=small_storage(256 * KIB, 64 * KIB))


def pass_time(world: World, ms: int = 20_000) -> None:
    """Let the node do what it does now and then."""
    for _ in range(ms // 500):
        world.clock.now_ms += 500
        world.settle()


def lived() -> World:
    """A node that has met everything that leaves a trace on the disk."""
    world = world_on(None)
    world.call(CreateStream("empty", StreamProperties("video/mp4", {"k": "v"}, 1 << 40, 0)))
    for number in range(200):
        world.call(
            append(
                ("kept", "away", "gone", "away", "trimmed")[number % 5], b"%08d" % number + PIECE
            )
        )
    world.call(append("big", bytes(range(256)) * (BIG // 256)))
    world.call(append("exactly", b"one", b"two", producer=STAMP))
    world.call(append("sealed", b"the end", seal=True))
    for name in ("gone", "away"):
        world.call(DeleteStream(name, 0))
    world.call(TrimStream("trimmed", 0, 20 * (len(PIECE) + 8) + 5))
    pass_time(world)
    return world


def contents(world: World) -> dict[str, list[object]]:
    """Of each stream its bounds, whether it is sealed, and a digest of its bytes."""
    found = {}
    for info in world.streams():
        digest = hashlib.sha256(b"" if info.start_offset else read_all(world, info.name))
        found[info.name] = [info.start_offset, info.end_offset, info.record_count, info.sealed,
                            info.properties.content_type, digest.hexdigest()]  # fmt: skip
    return found


def write(name: str, disk: MemoryDisk, told: dict[str, list[object]]) -> None:
    """Keep a disk, and what must be found on it."""
    packed = {"compress_type": zipfile.ZIP_DEFLATED, "compresslevel": 9}
    with zipfile.ZipFile(FOLDER / f"{name}.zip", "w") as archive:
        for path in sorted(disk.names):
            file = disk.open(path, write=False)
            archive.writestr(zipfile.ZipInfo(path), file.read(0, file.size()), **packed)
        archive.writestr(zipfile.ZipInfo("told.json"), json.dumps(told, indent=1), **packed)


def load(name: str) -> tuple[MemoryDisk, dict[str, list[object]]]:
    """A kept disk as after a restart of the machine, and what must be found on it."""
    disk = MemoryDisk()
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
        for path in archive.namelist():
            if path == "told.json":
                continue
            parents = path.split("/")[:-1]
            for depth in range(len(parents)):
                disk.make_directory("/".join(parents[: depth + 1]))
            file = disk.open(path, create=True)
            file.write(0, archive.read(path))
            file.sync()
            disk.sync_directory("/".join(parents))
        return disk, json.loads(archive.read("told.json"))


def main() -> None:
    """One directory of a process that was killed, and one of a process that ended well."""
    FOLDER.mkdir(exist_ok=True)
    world = lived()
    for number in range(200, 208):
        world.call(append("kept", b"%08d" % number + PIECE))
    pass_time(world)
    for number in range(10):
        world.call(append("kept", b"late %d" % number))
    told = contents(world)
    write(f"{FORMAT}-killed", world.disk.crash(), told)
    world.node.drain()
    pass_time(world)
    assert world.node.drained
    write(f"{FORMAT}-drained", world.disk.crash(), told)


if __name__ == "__main__":
    main()
