"""The checker of the crash tests finds every kind of broken promise, and nothing in a whole stream."""

from __future__ import annotations

import pytest

from tests.support.pieces import BrokenPromiseError, StreamChecker, Told, piece_of

SIZES = {1: 40, 2: 0, 3: 7000, 4: 1}
PIECES = {number: piece_of(5, number, size) for number, size in SIZES.items()}
OTHER = piece_of(6, 1, 10)


def check(content, told, **options):
    StreamChecker("s").read(content).compare(told, **options)


def whole(*numbers):
    """A stream of these pieces, and what their writer was told."""
    content, told = b"", Told()
    for number in numbers:
        told.acknowledged[number] = len(content)
        content += PIECES[number]
    return content, told


def test_a_whole_stream_passes():
    """Pieces in order, one that is unknown among them, another writer's in between."""
    content, told = whole(1, 2, 3)
    told.unknown = {4}
    check(content + OTHER, {5: told, 6: Told({1: len(content)})}, final=True)
    check(content + PIECES[4], {5: told}, final=True)
    check(content, {5: Told(dict.fromkeys(told.acknowledged))})


def test_a_stream_is_read_as_it_grows():
    """Parts one behind the other are one stream; a trimmed start is not missed."""
    content, told = whole(1, 2, 3)
    checker = StreamChecker("s").read(PIECES[1])
    checker.read(PIECES[2] + PIECES[3]).compare({5: told}, final=True)
    checker = StreamChecker("s")
    checker.skip_to(len(PIECES[1]))
    checker.read(content[len(PIECES[1]) :]).compare({5: told}, final=True)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("lost at the start", PIECES[2] + PIECES[3]),
        ("lost in the middle", PIECES[1] + PIECES[3]),
        ("lost at the end", PIECES[1] + PIECES[2]),
        ("lost at the end", b""),
        ("doubled", PIECES[1] + PIECES[1] + PIECES[2] + PIECES[3]),
        ("doubled", PIECES[1] + PIECES[2] + PIECES[3] + PIECES[2]),
        ("reordered", PIECES[2] + PIECES[1] + PIECES[3]),
        ("moved", OTHER + PIECES[1] + PIECES[2] + PIECES[3]),
        ("gap", PIECES[1] + bytes(64) + PIECES[2] + PIECES[3]),
        ("torn", PIECES[1] + PIECES[2] + PIECES[3][:-1]),
        ("torn", PIECES[1] + PIECES[2] + PIECES[3] + PIECES[4][:9]),
        ("changed", PIECES[1] + PIECES[2] + PIECES[3][:-1] + b"?"),
        ("nobody wrote", b"what is this, who wrote it?" + PIECES[1]),
        ("nobody wrote", PIECES[1] + PIECES[2] + PIECES[3] + PIECES[4]),
        ("nobody wrote", PIECES[1] + PIECES[2] + PIECES[3] + OTHER),
    ],
)
def test_a_broken_promise_has_its_name(kind, content):
    """Each fault is told by its kind."""
    _, told = whole(1, 2, 3)
    with pytest.raises(BrokenPromiseError) as caught:
        check(content, {5: told}, final=True)
    assert caught.value.kind == kind
