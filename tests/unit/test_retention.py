"""What the node itself drops of a stream, by size and by age, and what it never drops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube.errors import InvalidArgumentError, OffsetOutOfRangeError
from goutube.limits import RETENTION_MAX
from goutube.model import StreamProperties
from goutube.node import (
    AtOffset,
    ChangeStream,
    CreateStream,
    DescribeStream,
    Read,
    RetentionLimits,
    SealStream,
)
from goutube.node.control import (
    NO_PROPERTIES,
    decode_properties,
    encode_properties,
    retention_of,
)
from goutube.sim import World
from tests.support.commands import append

HOUR_MS = 3_600_000
TEN = bytes(10)


def look(world):
    """Let the node look at every stream once."""
    for _ in range(2):
        world.clock.now_ms += 10_000
        world.settle()


def start(world, name="a"):
    return world.call(DescribeStream(name)).start_offset


def made(world, name="a", **properties):
    world.call(CreateStream(name, StreamProperties(**properties)))


def appended(world, *names, apart_ms=0):
    for name in names:
        world.clock.now_ms += apart_ms
        world.settle()
        world.call(append(name, TEN))


def test_the_newest_bytes_are_kept_and_no_batch_is_cut():
    world = World()
    made(world, retention_bytes=25)
    appended(world, *["a"] * 10)
    look(world)
    assert start(world) == 70
    assert world.node.stats.retention_trims == 1
    answer = world.call(Read("a", 0, AtOffset(70), None, 100, False, False))
    assert len(answer.data) == 30
    with pytest.raises(OffsetOutOfRangeError, match="holds 70 to 100"):
        world.call(Read("a", 0, AtOffset(69), None, 100, False, False))
    look(world)
    assert world.node.stats.retention_trims == 1
    appended(world, "a")
    look(world)
    assert start(world) == 80


def test_what_is_older_goes_and_the_batch_that_holds_the_moment_stays():
    world = World()
    made(world, retention_ms=HOUR_MS)
    appended(world, *["a"] * 6, apart_ms=HOUR_MS // 4)
    look(world)
    # The one of an hour ago may have younger records; the one before it has none.
    assert start(world) == 10
    world.clock.now_ms += HOUR_MS // 2
    look(world)
    assert start(world) == 30


def test_all_of_an_idle_stream_goes_in_the_end_and_its_offsets_go_on():
    world = World()
    made(world, retention_ms=HOUR_MS)
    appended(world, "a", "a", "a")
    world.clock.now_ms += HOUR_MS
    look(world)
    info = world.call(DescribeStream("a"))
    assert (info.start_offset, info.end_offset) == (30, 30)
    appended(world, "a")
    look(world)
    info = world.call(DescribeStream("a"))
    assert (info.start_offset, info.end_offset) == (30, 40)


def test_the_nodes_own_bounds_hold_where_a_stream_has_none():
    """And 0 is a bound: none."""
    world = World(retention=RetentionLimits(bytes=20, ms=HOUR_MS))
    made(world, "all", retention_bytes=0, retention_ms=0)
    made(world, "half", retention_bytes=0)
    for name in ("all", "half", "plain"):
        appended(world, *[name] * 5)
    look(world)
    assert [start(world, name) for name in ("all", "half", "plain")] == [0, 0, 30]
    world.clock.now_ms += 2 * HOUR_MS
    look(world)
    assert [start(world, name) for name in ("all", "half", "plain")] == [0, 50, 50]


def test_changed_bounds_and_sealed_streams_and_a_restart():
    world = World()
    appended(world, *["a"] * 5)
    stream_id = world.call(DescribeStream("a")).stream_id
    look(world)
    assert start(world) == 0
    world.call(ChangeStream("a", stream_id, StreamProperties(retention_bytes=10)))
    world.call(SealStream("a", stream_id))
    world = world.restart()
    look(world)
    assert start(world) == 40
    world = world.restart()
    assert start(world) == 40


def test_dropped_bytes_give_their_space_back():
    world = World(shard_count=1, retention=RetentionLimits(bytes=60_000))
    for _ in range(20):
        world.call(append("a", bytes(25_000)))
    look(world)
    for _ in range(20):
        world.clock.now_ms += 500
        world.settle()
    assert start(world) == 425_000
    assert world.node.store.stats.segments_freed > 5


def test_many_streams_are_looked_at_in_rounds_that_stay_short():
    world = World(retention=RetentionLimits(bytes=10))
    for number in range(600):
        world.node.submit(1, append(f"s{number}", TEN))
        world.node.submit(1, append(f"s{number}", TEN))
    world.settle()
    world.round()
    world.clock.now_ms += 10_000
    trims = []
    for _ in range(4):
        world.round()
        trims.append(world.node.stats.retention_trims)
    assert trims[0] == 256
    assert trims[-1] == 600
    world.settle()
    assert 0 not in world.replies


def test_a_draining_node_drops_nothing():
    world = World(retention=RetentionLimits(bytes=10))
    appended(world, "a", "a")
    world.node.drain()
    look(world)
    assert world.node.stats.retention_trims == 0


@pytest.mark.parametrize("bound", [-1, RETENTION_MAX + 1])
@pytest.mark.parametrize("name", ["retention_bytes", "retention_ms"])
def test_a_bound_that_is_none_is_refused(name, bound):
    with pytest.raises(InvalidArgumentError, match=f"{name} is {bound}"):
        made(World(), **{name: bound})


@given(
    st.text(max_size=5),
    st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=3),
    st.none() | st.integers(0, RETENTION_MAX),
    st.none() | st.integers(0, RETENTION_MAX),
)
def test_bounds_are_encoded_behind_what_was_there_before(content_type, metadata, size, age):
    properties = StreamProperties(content_type, metadata, size, age)
    content = encode_properties(properties)
    assert decode_properties(content) == properties
    assert retention_of(content) == (size, age)
    before = encode_properties(StreamProperties(content_type, metadata))
    assert content.startswith(before)
    assert decode_properties(before) == StreamProperties(content_type, metadata)


def test_a_stream_without_properties_needs_no_look_at_them():
    assert retention_of(NO_PROPERTIES) == (None, None)
