"""Which ends of jobs bring a round of the node while a journal group is under way."""

from goutube.ports import WriteGroup, WriteSegment
from goutube.sim import APART, World
from tests.support.commands import append


def place_of(world, kind):
    return [type(job) for job in world.pending].index(kind)


def test_a_segment_write_brings_a_round_only_when_it_commits_something():
    """It mostly ends before the sync of its group, whose end brings the round for both."""
    world = World(storage=APART)
    world.call(append("a", b"x"))
    first = world.submit(append("a", b"y"))
    world.round()
    world.run_one(place_of(world, WriteSegment))
    assert world.node.can_wait
    world.run_one(place_of(world, WriteGroup))
    assert not world.node.can_wait
    world.round()
    assert world.replies[first].result.offset == 1

    second = world.submit(append("a", b"z"))
    world.round()
    world.submit(append("b", b"another group"))
    world.run_one(place_of(world, WriteGroup))
    world.round()
    assert second not in world.replies
    assert world.node.can_wait  # the other group is under way
    world.run_one(place_of(world, WriteSegment))
    assert not world.node.can_wait
    world.round()
    assert world.replies[second].result.offset == 2
