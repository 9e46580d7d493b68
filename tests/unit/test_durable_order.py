"""What is in front holds up what follows; a mark covers no more than what will be durable with it."""

from goutube.storage.durable_order import DurableOrder


def test_bulk_is_durable_with_its_sync_and_marked_by_the_next_group():
    """No mark is waited for."""
    order = DurableOrder()
    order.queue_order(3, bulk=True)
    assert order.synced(1, 3)
    assert (order.durable_index, order.marked_index) == (3, 0)
    assert order.begin_mark() == 3
    order.end_mark()
    assert (order.durable_index, order.marked_index) == (3, 3)


def test_bulk_waits_for_the_group_in_front_of_it_and_what_follows_waits_for_the_bulk():
    """Whichever of them is durable first."""
    order = DurableOrder()
    order.queue_order(1, bulk=False)
    assert order.begin_mark() == 1
    order.queue_order(2, bulk=True)
    order.synced(2, 2)
    assert order.durable_index == 0
    order.end_mark()
    assert (order.durable_index, order.marked_index) == (2, 1)

    order.queue_order(3, bulk=True)
    order.queue_order(4, bulk=False)
    assert order.begin_mark() == 2
    order.end_mark()
    assert order.durable_index == 2
    order.synced(3, 3)
    assert (order.durable_index, order.marked_index) == (4, 2)


def test_a_record_that_is_staged_holds_up_bulk_until_its_own_group_ends():
    """Not until that of the group which was begun before it was staged."""
    order = DurableOrder()
    order.queue_order(1, bulk=False)
    order.begin_mark()
    order.await_record()
    order.queue_order(2, bulk=True)
    order.synced(2, 2)
    order.end_mark()
    assert (order.durable_index, order.marked_index) == (1, 1)
    assert order.begin_mark() == 1  # a mark that another shard's group carries along
    order.end_mark()
    assert order.durable_index == 1
    order.queue_record()
    assert order.begin_mark() == 2
    order.end_mark()
    assert (order.durable_index, order.marked_index) == (2, 2)


def test_a_cut_lowers_what_is_durable_and_what_is_on_its_way():
    """What was cut off is waited for no more, and proves nothing."""
    order = DurableOrder()
    order.queue_order(5, bulk=False)
    order.begin_mark()
    order.queue_order(9, bulk=True)
    order.cut_order(3)
    assert order.queued_index == 3
    order.end_mark()
    assert (order.durable_index, order.marked_index) == (3, 3)
    order.queue_order(4, bulk=True)
    order.synced(4, 4)
    assert order.durable_index == 4
