"""Which ends of jobs bring a round of the node while a journal group is under way."""

from goutube.errors import OutcomeUnknownError
from goutube.node import DescribeStream
from goutube.ports import WriteGroup, WriteSegment
from goutube.sim import APART, World
from tests.support.commands import append, read_all


def place_of(world, kind):
    return [type(job) for job in world.pending].index(kind)


def chores_of(world, monkeypatch):
    """The times at which chores are done from now on."""
    done = []
    chores = world.node._do_chores
    monkeypatch.setattr(
        world.node, "_do_chores", lambda: done.append(world.clock.now_ms) or chores()
    )
    return done


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


def test_rounds_of_reads_leave_the_chores_out_until_they_are_due(monkeypatch):
    """An append brings them, a read does not, and the time that they named does."""
    world = World()
    done = chores_of(world, monkeypatch)
    world.call(append("a", b"bytes"))
    assert done

    done.clear()
    due_ms = world.node._due_ms
    assert due_ms is not None
    assert read_all(world, "a") == b"bytes"
    world.call(DescribeStream("a"))
    assert not done
    assert world.node.ready().deadline_ms == due_ms

    world.clock.now_ms = due_ms - 1
    assert read_all(world, "a") == b"bytes"
    assert not done
    world.clock.now_ms = due_ms
    world.call(DescribeStream("a"))
    assert done[0] == due_ms

    done.clear()
    world.node.drain()
    world.round()
    assert done


def test_rounds_under_load_leave_the_chores_out_for_some_milliseconds(monkeypatch):
    """While one journal group follows another; the end of the last one brings them."""
    world = World()
    done = chores_of(world, monkeypatch)
    world.call(append("a", b"before"))
    done.clear()
    started_ms = world.clock.now_ms
    world.submit(append("a", b"x"))
    world.round()
    for _ in range(30):
        world.clock.now_ms += 1
        world.submit(append("a", b"x"))
        world.run_one(place_of(world, WriteGroup))
        world.round()
        if world.clock.now_ms not in done:  # should no group come to an end
            assert world.node._due_ms <= world.clock.now_ms + 10
    assert [now_ms - started_ms for now_ms in done] == [10, 20, 30]
    done.clear()
    world.settle()
    assert done


def test_a_failure_under_load_is_told_at_once():
    """Not with the next chores: nothing would bring them."""
    world = World()
    world.call(append("a", b"before"))
    world.disk.fail["sync journal"] = OSError(5, "Input/output error")
    first = world.submit(append("a", b"x"))
    world.round()
    second = world.submit(append("a", b"y"))
    world.run_one(place_of(world, WriteGroup))
    world.round()
    assert isinstance(world.replies[first].error, OutcomeUnknownError)
    assert isinstance(world.replies[second].error, OutcomeUnknownError)


def test_the_journal_is_checkpointed_while_nothing_but_reads_goes_on():
    """Five seconds later at the latest: reads do not put chores off."""
    world = World()
    world.call(append("a", b"bytes"))
    assert world.node.store.journal_dirty
    for _ in range(70):
        world.clock.now_ms += 100
        assert read_all(world, "a") == b"bytes"
    assert not world.node.store.journal_dirty
