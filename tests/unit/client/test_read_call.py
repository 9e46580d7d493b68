"""The messages of a read's call: in order, one fetched ahead, and nothing goes on when it is left."""

import threading
from itertools import count

import pytest

from goutube.client.read_call import AHEAD_BYTES, read_call

LONG = AHEAD_BYTES
PATIENCE_S = 30


class Call:
    """Stands for gRPC's: gives its messages, then an error or its end; ``cancel`` ends it."""

    def __init__(self, messages, error=None):
        self._messages = iter(messages)
        self._error = error
        self.cancelled = threading.Event()
        self.asked = threading.Semaphore(0)
        """Released whenever a message is asked for."""
        self.threads = set()

    def __iter__(self):
        return self

    def __next__(self):
        self.threads.add(threading.current_thread())
        self.asked.release()
        if self.cancelled.is_set():
            raise InterruptedError
        for message in self._messages:
            return message
        raise self._error or StopIteration

    def cancel(self):
        self.cancelled.set()

    def workers_end(self):
        """Whether every thread of its own has ended."""
        for thread in self.threads - {threading.current_thread()}:
            thread.join(PATIENCE_S)
        return not any(t.is_alive() for t in self.threads - {threading.current_thread()})


class Channel:
    def __init__(self, call):
        self._call = call
        self.requests = []

    def unary_stream(self, _path):
        def start(request, timeout):
            self.requests.append((request, timeout))
            return self._call

        return start


def opened(call):
    return read_call(Channel(call), b"request", 5)


@pytest.mark.parametrize(
    "lengths",
    [[], [1], [1, 2, 3], [LONG], [LONG] * 9, [1, LONG - 1, LONG, 1, LONG + 1, 2]],
    ids=str,
)
def test_messages_come_in_order_and_once(lengths):
    """Long ones, short ones, and none at all."""
    messages = [bytes([number]) * length for number, length in enumerate(lengths)]
    call = Call(messages)
    with opened(call) as coming:
        assert list(coming) == messages
    assert call.cancelled.is_set()
    assert call.workers_end()


def test_short_messages_need_no_thread():
    """They are fetched where they are used."""
    call = Call([b"short"] * 20)
    with opened(call) as coming:
        assert len(list(coming)) == 20
    assert call.threads == {threading.current_thread()}


@pytest.mark.parametrize("before", range(4))
def test_an_error_comes_after_what_came_before_it(before):
    """Nothing that was received is lost to it."""
    call = Call([bytes(LONG)] * before, ConnectionError("broken"))
    came = []
    with pytest.raises(ConnectionError, match="broken"), opened(call) as coming:
        came.extend(coming)
    assert came == [bytes(LONG)] * before
    assert call.workers_end()


def test_the_next_one_is_fetched_while_one_is_used_and_no_more():
    """The call is asked for the third message while the second is in use, not for the fourth."""
    call = Call(bytes([n % 256]) * LONG for n in count())
    with opened(call) as coming:
        next(coming)
        next(coming)
        for _ in range(3):
            assert call.asked.acquire(timeout=PATIENCE_S)
        assert not call.asked.acquire(blocking=False)


@pytest.mark.parametrize("taken", range(4))
def test_who_leaves_early_leaves_nothing_behind(taken):
    """The call is cancelled, and the thread ends, whether it waits for a message or for room."""
    call = Call(bytes(LONG) for _ in count())
    with opened(call) as coming:
        for _ in range(taken):
            next(coming)
    assert call.cancelled.is_set()
    assert call.workers_end()
    assert list(coming) == []


def test_a_user_s_error_ends_the_call():
    """What is raised where messages are used comes out as it is."""
    call = Call(bytes(LONG) for _ in count())
    with pytest.raises(KeyError), opened(call) as coming:  # noqa: PT012 - raised where it is used
        next(coming)
        next(coming)
        raise KeyError
    assert call.cancelled.is_set()
    assert call.workers_end()
