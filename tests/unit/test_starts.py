"""What a clean end leaves for the next start, and what a start reads and keeps."""

from goutube.sim import World
from goutube.storage import inspect_directory
from goutube.storage import segment as segment_module
from tests.support.commands import append, read_all


def test_a_drain_after_a_crash_ends_only_when_the_catalogues_are_written():
    """The journal is clean after recovery, yet there is work left; afterwards there is none."""
    world = World()
    world.call(append("a", b"x"))
    again = world.restart()
    again.settle()
    again.node.drain()
    assert not again.node.drained
    again.settle()
    assert again.node.drained
    assert again.node.ready().jobs == []
    assert any("/checkpoint-" in name for name in again.disk.names)


def test_a_start_keeps_nothing_of_the_checkpoints_but_what_they_cover():
    """Beside the catalogue its bytes would be there twice, for as long as the process lives."""
    world = World(shard_count=1)
    world.call(append("a", b"x"))
    world.drain()
    again = world.restart()
    checkpoint = again.node.recovered.shards[0].checkpoint
    assert (checkpoint.index, checkpoint.state) == (1, b"")
    assert read_all(again, "a") == b"x"


def test_a_clean_stop_seals_what_is_long(monkeypatch):
    """The next start opens its index; appends go on behind it, and short segments stay open."""
    monkeypatch.setattr(segment_module, "_LONG_BYTES", 4000)
    world = World(shard_count=2)
    shard_of = world.node._map.shard_of
    long, short = "a", next(name for name in "bcdefgh" if shard_of(name) != shard_of("a"))
    for number in range(10):
        world.call(append(long, b"%d" % number * 500))
    world.call(append(short, b"x"))
    world.drain()
    logs = world.node.store.logs
    assert [segment.sealed for segment in logs[shard_of(long)].segments] == [True]
    assert [segment.sealed for segment in logs[shard_of(short)].segments] == [False]
    again = world.restart()
    assert again.call(append(long, b"more")).offset == 5000
    assert read_all(again, long) == b"".join(b"%d" % n * 500 for n in range(10)) + b"more"
    once_more = again.restart()
    assert read_all(once_more, long).endswith(b"9more")
    assert inspect_directory(once_more.disk.crash()).findings == []


def test_a_start_after_a_kill_scans_no_long_segment_that_is_sealed(monkeypatch):
    """A catalogue is written when one is sealed, once there are as many entries behind as streams."""
    monkeypatch.setattr(segment_module, "_LONG_BYTES", 4000)
    world = World(shard_count=1)
    for number in range(100):
        world.call(append("a", b"%02d" % number * 1000))
    log = world.node.store.logs[0]
    sealed = [segment for segment in log.segments if segment.sealed]
    assert len(sealed) > 1
    again = world.restart()
    assert again.node.recovered.shards[0].checkpoint.index >= sealed[-1].last_index
    assert not again.node.recovered.shards[0]._scanned & {segment.path for segment in sealed}
    assert read_all(again, "a") == b"".join(b"%02d" % n * 1000 for n in range(100))
