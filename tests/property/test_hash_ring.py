"""The ring agrees with its slow twin, and moves nothing but what it must."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube import HashRing
from tests.reference.rings import FUNCTIONS, SlowRing

NAMES = st.text(min_size=1, max_size=70).filter(lambda text: text.isprintable())
WEIGHTS = st.dictionaries(NAMES, st.integers(1, 40), min_size=1, max_size=6)
FUNCTION = st.sampled_from(sorted(FUNCTIONS))
KEYS = st.lists(st.one_of(NAMES, st.binary(max_size=200), st.just("")), max_size=60)


def crowded(key: bytes) -> int:
    """A hash with hardly any value, at the ends of the circle too: tokens and keys collide."""
    return (FUNCTIONS["xxh64"](key) % 13 * ((1 << 64) - 1)) // 12


@given(WEIGHTS, FUNCTION, KEYS)
def test_lookups(weights, function, keys):
    """One key and many find the node that a bisect over the named tokens finds."""
    ring, slow = HashRing(weights, hash_function=function), SlowRing(weights, FUNCTIONS[function])
    expected = [slow.lookup(key) for key in keys]
    assert [ring.lookup(key) for key in keys] == expected
    assert [ring.nodes[number] for number in ring.lookup_many(keys)] == expected
    assert [ring.nodes[number] for number in ring.lookup_many(iter(keys))] == expected
    assert ring.tokens.tolist() == slow.positions
    assert [ring.nodes[number] for number in ring.owners] == [name for _, name in slow.tokens]


@given(WEIGHTS, KEYS)
def test_colliding_tokens(weights, keys):
    """Of equal tokens the lower name counts, whatever order the nodes came in or left in."""
    slow = SlowRing(weights, crowded)
    names = list(weights)
    shuffled = HashRing({name: weights[name] for name in names[::-1]}, hash_function=crowded)
    grown = HashRing({names[-1]: weights[names[-1]]}, hash_function=crowded)
    for name in names[:-1]:
        grown = grown.with_node(name, weights[name])
    shrunk = shuffled.with_node("zz gone" * 12, 9).without_node("zz gone" * 12)
    for ring in (shuffled, grown, shrunk):
        assert [ring.lookup(key) for key in keys] == [slow.lookup(key) for key in keys]
        assert [ring.nodes[number] for number in ring.lookup_many(keys)] == [
            slow.lookup(key) for key in keys
        ]
        assert [
            (int(token), ring.nodes[owner])
            for token, owner in zip(ring.tokens, ring.owners, strict=True)
        ] == slow.tokens
        assert sum(ring.shares.values()) == pytest.approx(1)


@given(WEIGHTS, FUNCTION, st.integers(1, 40), st.integers(0, 8))
def test_walks(weights, function, shard_count, wanted):
    """Preference lists and placements are the distinct nodes clockwise, as many as there are."""
    ring, slow = HashRing(weights, hash_function=function), SlowRing(weights, FUNCTIONS[function])
    for key in ("", "a", b"\xff"):
        raw = key.encode() if isinstance(key, str) else key
        assert ring.preference_list(key, wanted) == slow.walk(FUNCTIONS[function](raw), wanted)
    rows = ring.placement(shard_count, wanted)
    assert rows.shape == (shard_count, min(wanted, len(weights)))
    named = [[ring.nodes[number] for number in row] for row in rows]
    assert named == slow.placement(shard_count, wanted)


@given(WEIGHTS, WEIGHTS, st.one_of(FUNCTION, st.just(crowded)))
def test_difference(old, new, function):
    """The arcs are exactly the positions whose owner differs, and they tell both owners."""
    before, after = HashRing(old, hash_function=function), HashRing(new, hash_function=function)
    slow = [SlowRing(weights, FUNCTIONS.get(function, crowded)) for weights in (old, new)]
    moved = before.difference(after)
    bounds = sorted({*map(int, before.tokens), *map(int, after.tokens)})
    expected = {}
    for start, end in zip([bounds[-1], *bounds[:-1]], bounds, strict=True):
        pair = slow[0].owner(end), slow[1].owner(end)
        if pair[0] != pair[1]:
            width = (end - start) % (1 << 64) or 1 << 64
            expected[pair] = expected.get(pair, 0) + width / 2**64
    assert moved.moves == pytest.approx(expected)
    assert moved.share == pytest.approx(sum(expected.values()))
    for start, end, source, target in zip(
        moved.starts, moved.ends, moved.sources, moved.targets, strict=True
    ):
        for position in (int(end), (int(start) + 1) % (1 << 64)):
            assert slow[0].owner(position) == moved.before[source]
            assert slow[1].owner(position) == moved.after[target]
    for here, there in pairwise(range(len(moved))):
        assert moved.ends[here] <= moved.starts[there]


@given(WEIGHTS, NAMES, st.integers(1, 40), FUNCTION)
def test_a_join_takes_and_a_leave_gives(weights, joiner, weight, function):
    """Whoever joins takes from others and nothing moves between them; a leave is the reverse."""
    weights.pop(joiner, None)
    if not weights:
        return
    before = HashRing(weights, hash_function=function)
    after = before.with_node(joiner, weight)
    join, leave = before.difference(after), after.difference(before)
    assert {target for _, target in join.moves} == {joiner}
    assert {source for source, _ in leave.moves} == {joiner}
    assert join.share == pytest.approx(after.shares[joiner])
    assert leave.share == pytest.approx(join.share)
    assert after == HashRing({**weights, joiner: weight}, hash_function=function)
    assert after.without_node(joiner) == before
    assert len(before.difference(before)) == 0


def test_shares_follow_weights():
    """With 256 tokens a node's share is even to some percent, and twice the tokens are twice as much."""
    shares = HashRing({f"node{number}": 256 for number in range(20)}).shares
    assert np.std([share * 20 for share in shares.values()]) < 0.1
    assert HashRing(["alone"]).shares == {"alone": 1.0}
    shares = HashRing({"a": 2000, "b": 1000, "c": 1000}).shares
    assert shares["a"] == pytest.approx(0.5, rel=0.1)


def agree(nodes: int, key_count: int, function: str) -> None:
    weights = {f"node-{number}": 256 for number in range(nodes)}
    ring, slow = HashRing(weights, hash_function=function), SlowRing(weights, FUNCTIONS[function])
    source = random.Random(7)
    keys = [f"videos/{source.getrandbits(64):x}" for _ in range(key_count)]
    expected = [slow.lookup(key) for key in keys]
    assert [ring.nodes[number] for number in ring.lookup_many(keys)] == expected
    packed = np.array([key.encode() for key in keys])
    assert [ring.nodes[number] for number in ring.lookup_many(packed)] == expected
    assert [ring.lookup(key) for key in keys] == expected


@pytest.mark.parametrize("function", FUNCTIONS)
def test_many_keys(function):
    """A ring of 100 nodes, and so many keys that other threads run meanwhile."""
    agree(100, 5000, function)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("count", [1, 15, 16, 17, 40])
def test_keys_of_every_length(function, count):
    """Keys that are hashed together in lanes do not meet, whatever their lengths and number."""
    ring = HashRing([f"node-{number}" for number in range(9)], hash_function=function)
    slow = SlowRing(ring.weights, FUNCTIONS[function])
    for length in range(70):
        keys = [bytes([seed]) * (length + seed % 3) for seed in range(count)]
        expected = [slow.lookup(key) for key in keys]
        assert [ring.nodes[number] for number in ring.lookup_many(keys)] == expected


LOOK = """
from goutube import HashRing
ring = HashRing([f"node{number}" for number in range(40)], hash_function="md5")
print(ring.lookup_many([f"key{number}" for number in range(200)]).tolist())
"""


@pytest.mark.parametrize("path", ["portable", "pclmul", None])
def test_every_processor(path):
    """Whatever vectors the processor has, md5 puts tokens and keys in the same places."""
    environment = {key: value for key, value in os.environ.items() if key != "GOUTUBE_CPU_PATH"}
    environment |= {"GOUTUBE_CPU_PATH": path} if path else {}
    printed = subprocess.check_output([sys.executable, "-c", LOOK], env=environment, text=True)
    slow = SlowRing({f"node{number}": 256 for number in range(40)}, FUNCTIONS["md5"])
    names = sorted(f"node{number}" for number in range(40))
    assert [names[number] for number in eval(printed)] == [
        slow.lookup(f"key{number}") for number in range(200)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_large_ring(function):
    """100,000 keys over 1,000 nodes of 256 tokens."""
    agree(1000, 100_000, function)
