"""Addresses in turn, tries within a budget, bytes cut into batches."""

from __future__ import annotations

import pytest

from goutube.errors import (
    DeadlineExceededError,
    DiskFullError,
    InvalidArgumentError,
    OverloadedError,
    RecordTooLargeError,
    StreamNotFoundError,
    UnavailableError,
)
from goutube.limits import RECORD_BYTES_MAX
from goutube.routing import (
    BATCH_BYTES,
    RECORD_BYTES,
    AddressBook,
    Attempts,
    check_record,
    cut_bytes,
    parse_addresses,
)

DOWN = UnavailableError("down")


@pytest.mark.parametrize(
    ("given", "addresses"),
    [
        ((), ("127.0.0.1:7373",)),
        (("a:1",), ("a:1",)),
        (("a:1, b:2",), ("a:1", "b:2")),
        ((["a:1", "b:2"],), ("a:1", "b:2")),
        (("a:1", "b:2", "a:1"), ("a:1", "b:2")),
        (("[::1]:7373",), ("[::1]:7373",)),
    ],
)
def test_addresses_as_users_write_them(given, addresses):
    """Texts, lists and commas name the same servers, each once."""
    assert parse_addresses(given) == addresses


@pytest.mark.parametrize("given", [":1", "a", "a:", "a:0", "a:65536", "::1:7373", "", ",", "a:1,b"])
def test_what_is_no_address(given):
    """The refusal comes before any connection."""
    with pytest.raises(InvalidArgumentError):
        parse_addresses([given])


def test_an_address_fails_once():
    """Two calls that fail at the same server turn to the next one, not past it."""
    book = AddressBook(("a:1", "b:2", "c:3"))
    book.failed("a:1")
    book.failed("a:1")
    assert book.current == "b:2"
    book.failed("b:2")
    book.failed("c:3")
    assert book.current == "a:1"


def test_waits_double_within_the_budget():
    """20 to 500 ms, then the last error itself."""
    tries, now, waits = Attempts(2000, 0, lambda: 0.0), 0, []
    for _ in range(7):
        waits.append(tries.failed(DOWN, now))
        now += waits[-1]
    assert waits == [20, 40, 80, 160, 320, 500, 500]
    with pytest.raises(UnavailableError):
        tries.failed(DOWN, now)


def test_chance_shortens_by_up_to_half():
    """Clients that failed together do not come back together."""
    assert Attempts(2000, 0, lambda: 0.5).failed(DOWN, 0) == 15


def test_the_server_says_when():
    """retry_after_ms is honoured, and given up on where it lies beyond the deadline."""
    tries = Attempts(2000, 0, lambda: 0.0)
    assert tries.failed(OverloadedError("busy", retry_after_ms=900), 0) == 900
    with pytest.raises(OverloadedError):
        tries.failed(OverloadedError("busy", retry_after_ms=5000), 900)


@pytest.mark.parametrize("error", [StreamNotFoundError("x"), DiskFullError("x")])
def test_some_news_do_not_wait(error):
    """An error that another try would only meet again is raised at once."""
    with pytest.raises(type(error)):
        Attempts(2000, 0, lambda: 0.0).failed(error, 0)


def test_progress_renews_the_budget():
    """The budget is time without progress; a try that timed out after it is made again."""
    tries = Attempts(1000, 0, lambda: 0.0)
    tries.progressed(990)
    assert tries.failed(DeadlineExceededError("slow"), 1000) == 20


def test_one_silent_server_leaves_time_for_another():
    """With several addresses a try gets half of what is left, at least a second."""
    assert Attempts(30_000, 0, lambda: 0.0).timeout_ms(0) == 30_000
    assert Attempts(30_000, 0, lambda: 0.0, 2).timeout_ms(0) == 15_000
    assert Attempts(30_000, 0, lambda: 0.0, 2).timeout_ms(29_000) == 1000
    assert Attempts(30_000, 0, lambda: 0.0, 2).timeout_ms(29_900) == 100


@pytest.mark.parametrize(
    "length",
    [0, 1, RECORD_BYTES, RECORD_BYTES + 1, BATCH_BYTES, BATCH_BYTES + 1, 3 * BATCH_BYTES + 77],
)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_cut_bytes_are_all_there(length, kind):
    """Whatever the length, the pieces are the whole, and none is above its size."""
    whole = bytes(number % 251 for number in range(length))
    pieces = list(cut_bytes(kind(whole)))
    assert b"".join(bytes(piece) for piece, _ in pieces) == whole
    for piece, lengths in pieces:
        assert sum(lengths) == len(piece) <= BATCH_BYTES
        assert 0 < min(lengths) <= max(lengths) <= RECORD_BYTES


def test_what_the_user_may_change_is_copied():
    """A bytearray that changes after the cut leaves the batch as it was."""
    changing = bytearray(b"before")
    [(piece, _)] = list(cut_bytes(changing))
    changing[:] = b"after!"
    assert bytes(piece) == b"before"


def test_records_are_judged_one_by_one():
    """No empty one, none too long, nothing but bytes."""
    assert check_record(memoryview(b"ab")) == b"ab"
    with pytest.raises(InvalidArgumentError):
        check_record(b"")
    with pytest.raises(InvalidArgumentError):
        check_record("text")
    with pytest.raises(RecordTooLargeError):
        check_record(bytes(RECORD_BYTES_MAX + 1))
