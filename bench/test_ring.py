"""The ring: lookups beside uhashring, bisect, numpy and bare memory; building and comparing.

``python -m bench.ring`` prints the ratios of one interleaved run.
"""

from __future__ import annotations

import pytest

from bench import ring as bench
from goutube import HashRing
from goutube.ring import HASH_FUNCTIONS

SMALL_KEYS = 500
WAYS = (*bench.ways(HashRing(["a"]), ["k"]), bench.UHASHRING, bench.UHASHRING_SAME)
NO_OWNERS = ("bisect alone", bench.LINE, bench.UHASHRING)


@pytest.fixture(params=bench.SIZES, ids="{} nodes".format)
def ring(request, benchmark) -> HashRing:
    """A ring of each size; without timing only the smallest, so that a test run stays quick."""
    if not benchmark.enabled and request.param > bench.SIZES[0]:
        pytest.skip("larger rings are for timing")
    return HashRing(bench.make_nodes(request.param), "md5")


@pytest.mark.parametrize("way", WAYS)
def test_lookups(benchmark, ring, way):
    """The owners of many keys; every way that tells owners tells the same ones."""
    keys = bench.make_keys(bench.FEW_KEYS if benchmark.enabled else SMALL_KEYS)
    if way in (bench.UHASHRING, bench.UHASHRING_SAME):
        pytest.importorskip("uhashring")
        call = bench.uhashring_ways(ring, keys)[way]
    else:
        call = bench.ways(ring, keys)[way]
    found = list(benchmark(call))
    benchmark.extra_info["keys"] = len(keys)
    if way not in NO_OWNERS:
        named = found if isinstance(found[0], str) else [ring.nodes[number] for number in found]
        assert named == [ring.nodes[number] for number in ring.lookup_many(keys)]


@pytest.mark.parametrize("function", HASH_FUNCTIONS)
def test_build(benchmark, ring, function):
    """A new ring: names hashed, tokens sorted."""
    made = benchmark(HashRing, ring.weights, function)
    assert len(made.tokens) == len(ring.tokens)


def test_a_join(benchmark, ring):
    """A ring with one node more, from the one before."""
    joined = benchmark(ring.with_node, "joiner")
    assert joined == HashRing({**ring.weights, "joiner": 256}, "md5")


def test_difference(benchmark, ring):
    """What a join moves: about one part in n + 1, all of it to the joiner."""
    moved = benchmark(ring.difference, ring.with_node("joiner"))
    assert {target for _, target in moved.moves} == {"joiner"}
    assert moved.share == pytest.approx(1 / (len(ring.nodes) + 1), rel=0.5)
