"""A catalogue comes back from its bytes as it was; other bytes are refused by the file's name."""

from __future__ import annotations

import pytest

from goutube.errors import CorruptionError
from goutube.model import ProducerStamp
from goutube.node.state import decode_catalogue, encode_catalogue
from goutube.sim import World
from tests.support.commands import append

PATH = "shards/0000/checkpoint-1"


@pytest.fixture(scope="module")
def catalogue():
    """Streams with and without producers, one sealed."""
    world = World(shard_count=1)
    world.call(append("plain", b"x"))
    world.call(append("exactly", b"one", b"two", producer=ProducerStamp(bytes(range(16)), 3, 0)))
    world.call(append("sealed", b"the end", seal=True))
    return world.node.shards[0].catalogue


def test_it_comes_back(catalogue):
    """Encoded again it is the same bytes."""
    state = encode_catalogue(catalogue)
    again = decode_catalogue(state, 9, PATH)
    assert again.applied_index == 9
    assert list(again.by_name) == list(catalogue.by_name)
    assert encode_catalogue(again) == state


def test_bytes_that_are_missing_or_too_many(catalogue):
    """Wherever it is cut off, and whatever follows it."""
    state = encode_catalogue(catalogue)
    for content in [state[:size] for size in range(len(state))] + [state + b"\0"]:
        with pytest.raises(CorruptionError, match=PATH):
            decode_catalogue(content, 9, PATH)


def test_a_producer_of_no_stream(catalogue):
    """The order of producers names streams that are there."""
    state = encode_catalogue(catalogue)
    with pytest.raises(CorruptionError, match=PATH):
        decode_catalogue(state[:-24] + b"\7" * 24, 9, PATH)
