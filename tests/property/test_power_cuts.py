"""Power cuts and kills at any moment, many lives in a row: what was acknowledged is there."""

import os
import random

import pytest

from goutube.errors import GoutubeError
from goutube.model import ProducerStamp
from goutube.node import DeleteStream, SealStream, TrimStream
from goutube.sim import MemoryDisk, MemoryFile, PowerCutError, World
from goutube.storage import inspect_directory
from tests.support.commands import append
from tests.support.stream_model import Model, check, read_back

SEEDS = int(os.environ.get("GOUTUBE_POWER_CUT_SEEDS", "60"))
NAMES = [f"s{n}" for n in range(5)]


def load(world: World, model: Model, chance: random.Random, rounds: int) -> None:
    """Random commands, jobs ending in random order, answers noted as they come."""
    for _ in range(rounds):
        for _ in range(chance.randint(0, 4)):
            send(world, model, chance)
        world.round()
        for _ in range(chance.randint(0, 5)):
            if world.pending:
                world.run_one(chance.randrange(len(world.pending)))
                world.round()
        note_replies(world, model)
        world.clock.now_ms += chance.choice([0, 1, 100, 3000])


def send(world: World, model: Model, chance: random.Random) -> None:
    name = chance.choice(NAMES)
    kind = chance.choices(["append", "trim", "seal", "delete"], [30, 3, 0.3, 0.5])[0]
    data = b""
    if kind == "append":
        data = chance.randbytes(chance.choice([1, 40, 700, 3000, 9000, 30_000, 70_000]))
        command = append(name, data)
    elif kind == "trim":
        before = chance.randint(0, len(model.content.get(name, b"")))
        data = before.to_bytes(8, "big")
        command = TrimStream(name, 0, before)
    elif kind == "seal":
        command = SealStream(name, 0)
    else:
        command = DeleteStream(name, 0)
    model.sent[world.submit(command)] = (kind, name, data)


def note_replies(world: World, model: Model) -> None:
    for token in sorted(world.replies):
        reply = world.replies.pop(token)
        if reply.error is not None:
            assert isinstance(reply.error, GoutubeError)
            del model.sent[token]
        else:
            model.acknowledge(token, getattr(reply.result, "offset", None))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_many_lives(seed):
    """Twelve lives on one disk, each ended by a cut in the middle of an operation or by kill -9."""
    chance = random.Random(seed)
    disk, model = MemoryDisk(), Model()
    for life in range(12):
        disk.cut_at = disk.steps + chance.randint(1, 400) if chance.random() < 0.8 else None
        try:
            world = World(disk, seed=seed * 100 + life)
            check(world, model, NAMES)
            load(world, model, chance, chance.randint(1, 40))
            if chance.random() < 0.3:
                world.drain()
                note_replies(world, model)
        except PowerCutError:
            pass
        model.lose_track()
        disk = disk.power_cut(chance) if chance.random() < 0.7 else disk.crash()
    world = World(disk, seed=seed * 100 + 99)
    check(world, model, NAMES)
    assert [log.fault for log in world.node.store.logs] == [""] * 4
    assert not inspect_directory(world.disk.crash()).damaged


def test_a_retry_after_any_cut_is_appended_once():
    """A producer that repeats its batch after a cut at every step ends with it there once."""
    whole = World()
    stamps = [ProducerStamp(b"p" * 16, 0, number) for number in range(4)]
    before = whole.disk.steps
    for stamp in stamps:
        whole.call(append("a", b"%d" % stamp.sequence * 900, producer=stamp))
    for cut in range(before, whole.disk.steps):
        disk = MemoryDisk()
        world = World(disk)
        disk.cut_at = cut
        try:
            for stamp in stamps:
                world.call(append("a", b"%d" % stamp.sequence * 900, producer=stamp))
        except PowerCutError:
            pass
        again = World(disk.power_cut(random.Random(cut)))
        for stamp in stamps:
            result = again.call(append("a", b"%d" % stamp.sequence * 900, producer=stamp))
            assert result.offset == 900 * stamp.sequence
        assert read_back(again, "a")[0] == b"".join(b"%d" % n * 900 for n in range(4))


def test_an_acknowledgement_before_the_sync_is_caught(monkeypatch):
    """The test of the test: a store that skips its syncs loses acknowledged bytes, and it shows."""
    monkeypatch.setattr(MemoryFile, "sync", lambda self: None)
    with pytest.raises((AssertionError, GoutubeError)):
        list(map(test_many_lives, range(20)))
