"""The ring as its user meets it: what it takes, what it refuses, and in which words."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from zlib import crc32

import numpy as np
import pytest

import goutube
from goutube import HashRing
from goutube.errors import ConfigError, InvalidArgumentError
from goutube.ring import HASH_FUNCTIONS, ShardMap


def test_the_go_rings_tokens():
    """md5 tokens are the first 8 bytes of the digest of "node-number", little-endian."""
    digests = ["b604cdebf58b26607674900e0ee66de2", "3f5cd19478043fdb102ef3d7ae8b0c35"]
    expected = [int.from_bytes(bytes.fromhex(digest)[:8], "little") for digest in digests]
    assert HashRing({"n1": 2}, hash_function="md5").tokens.tolist() == sorted(expected)


def test_names_alone_have_the_default_weight():
    """An iterable of names gives each of them 256 tokens; nodes are in order of their names."""
    ring = HashRing(name for name in ("n2", "n1"))
    assert ring.nodes == ("n1", "n2")
    assert ring.weights == {"n1": 256, "n2": 256}
    assert ring == HashRing({"n2": 256, "n1": 256}, hash_function="xxh64")
    assert len(ring.tokens) == len(ring.owners) == 512


def test_text_and_its_bytes_are_one_key():
    """A str is looked up by its UTF-8, alone, in a list, in an array, and by a callable."""
    ring = HashRing(["a", "b", "c"])
    keys = ["plain", "", "späť", "🎬" * 30, "x" * 56, "y" * 1000]
    expected = [ring.lookup(key.encode()) for key in keys]
    assert [ring.lookup(key) for key in keys] == expected
    for many in (keys, tuple(keys), np.array(keys), np.array([key.encode() for key in keys])):
        assert [ring.nodes[number] for number in ring.lookup_many(many)] == expected
    assert ring.lookup_many([]).shape == (0,)
    assert ring.lookup_many(np.array([], "S5")).shape == (0,)
    assert ring.lookup_many(keys).dtype == np.int32


def test_arrays_of_any_stride():
    """Only the items of an array count, not how they lie in memory."""
    ring = HashRing(["a", "b", "c"])
    keys = np.array([f"key{number}".encode() for number in range(100)])
    assert (ring.lookup_many(keys[::3]) == ring.lookup_many(keys.tolist()[::3])).all()


def test_a_hash_function_of_ones_own():
    """Any function from bytes to an unsigned 64-bit number is taken."""
    ring = HashRing({"a": 3, "b": 3}, hash_function=lambda key: crc32(key) << 32)
    assert ring.lookup("k") == ring.nodes[ring.lookup_many(["k", b"k"])[1]]
    assert ring.preference_list("k", 9)[0] == ring.lookup("k")
    assert ring.difference(ring.with_node("c", 4)).share > 0


def test_copies_are_equal():
    """Pickles and copies are rings like the first; another weight or function is another ring."""
    ring = HashRing({"a": 3, "b": 5}, hash_function="murmur3")
    for twin in (pickle.loads(pickle.dumps(ring)), copy.copy(ring), copy.deepcopy(ring)):
        assert twin == ring
        assert twin.tokens.tolist() == ring.tokens.tolist()
    assert ring != HashRing({"a": 3, "b": 4}, hash_function="murmur3")
    assert ring != HashRing({"a": 3, "b": 5}, hash_function="md5")
    assert ring != "ring"


def test_what_is_printed():
    """A small ring prints as the call that makes it, a large one as its size."""
    ring = HashRing({"b": 1, "a": 2}, hash_function="md5")
    assert repr(ring) == "HashRing({'a': 2, 'b': 1}, hash_function='md5')"
    assert eval(repr(ring)) == ring
    large = HashRing([f"n{number}" for number in range(9)])
    assert repr(large) == "HashRing(<9 nodes, 2304 tokens>, hash_function='xxh64')"


def test_it_does_not_change():
    """The arrays are read-only, the weights a copy, and it is made once."""
    ring = HashRing(["a", "b"])
    for array in (ring.tokens, ring.owners):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    ring.weights["c"] = 1
    assert ring.weights == {"a": 256, "b": 256}
    with pytest.raises(ValueError, match="does not change"):
        ring.__init__(["c"])
    assert ring.lookup("k") in ring.nodes


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "no node in []"),
        ({}, "no node in {}"),
        (["a", "b", "a"], "'a' is named twice"),
        ("n1", "nodes is 'n1'"),
        ({"a": 0}, "weight of node 'a' is 0"),
        ({"a": -1}, "weight of node 'a' is -1"),
        ({"a": 1.5}, "weight of node 'a' is 1.5"),
        ({"a": True}, "weight of node 'a' is True"),
        ({"a": 65_537}, "weight of node 'a' is 65537"),
        ([""], "a node is called ''"),
        ([7], "a node is called 7"),
        (["\ud800"], "is not valid Unicode"),
    ],
)
def test_refused_nodes(nodes, message):
    """What cannot be a ring is refused, and the sentence has the value."""
    with pytest.raises(InvalidArgumentError, match=message.replace("[", r"\[")):
        HashRing(nodes)


@pytest.mark.parametrize("function", ["md6", "", None, 3])
def test_refused_functions(function):
    """A hash function is a name that there is, or can be called."""
    with pytest.raises(InvalidArgumentError, match=repr(function)):
        HashRing(["a"], hash_function=function)


@pytest.mark.parametrize("found", [-1, 1 << 64, 0.5, "1", None])
def test_refused_positions(found):
    """A function that returns no position is refused when it does, for tokens and for keys."""
    with pytest.raises(InvalidArgumentError, match=f"returned {found!r} for b'a-0'"):
        HashRing(["a"], hash_function=lambda key: found)
    ring = HashRing(["a"], hash_function=lambda key: crc32(key) if key.startswith(b"a-") else found)
    for look in (
        ring.lookup,
        lambda key: ring.lookup_many([key]),
        lambda key: ring.preference_list(key, 1),
    ):
        with pytest.raises(InvalidArgumentError, match="for b'key'"):
            look("key")


@pytest.mark.parametrize("key", [None, 7, bytearray(b"a"), ["a"]])
@pytest.mark.parametrize("function", [*HASH_FUNCTIONS, crc32])
def test_refused_keys(key, function):
    """A key is str or bytes; the message has the value and its type."""
    ring = HashRing(["a"], hash_function=function)
    for look in (
        ring.lookup,
        lambda key: ring.lookup_many(["b", key]),
        lambda key: ring.preference_list(key, 1),
    ):
        with pytest.raises(TypeError, match="must be str or bytes"):
            look(key)


def test_refused_calls():
    """One key where many belong, wrong arrays, negative numbers, nodes that are or are not there."""
    ring = HashRing(["a", "b"])
    refused = {
        "keys is 'ab'": lambda: ring.lookup_many("ab"),
        "1 dimensions and dtype int64": lambda: ring.lookup_many(np.arange(3)),
        "2 dimensions": lambda: ring.lookup_many(np.array([["a"]])),
        "n is -1": lambda: ring.preference_list("k", -1),
        "replicas is -1": lambda: ring.placement(4, -1),
        "shard_count is 0": lambda: ring.placement(0, 1),
        "'a' is on the ring": lambda: ring.with_node("a"),
        "weight of node 'c' is 0": lambda: ring.with_node("c", 0),
        "no node 'c'": lambda: ring.without_node("c"),
        "'a' is the only node": lambda: HashRing(["a"]).without_node("a"),
        "have no position in common": lambda: ring.difference(HashRing(["a"], hash_function="md5")),
    }
    for message, call in refused.items():
        with pytest.raises(InvalidArgumentError, match=message):
            call()
    with pytest.raises(UnicodeEncodeError):
        ring.lookup("\ud800")


def test_never_made():
    """A ring that skipped its constructor is refused, not read."""
    with pytest.raises(ValueError, match="never made"):
        HashRing.__new__(HashRing).lookup("a")


def test_threads_share_a_ring():
    """Lookups of many keys at once, each without the interpreter's lock, agree."""
    ring = HashRing([f"n{number}" for number in range(50)], hash_function="md5")
    keys = [f"key{number}" for number in range(5000)]
    expected = ring.lookup_many(keys).tolist()
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: ring.lookup_many(keys).tolist(), range(20)):
            assert found == expected


def test_shards_stay_where_they_are():
    """The shard of a name is on disk for ever, for every hash function."""
    shards = {
        function: [ShardMap(64, function).shard_of(name) for name in ("a", "videos/clip", "späť")]
        for function in HASH_FUNCTIONS
    }
    assert shards == {"md5": [42, 12, 4], "murmur3": [33, 8, 52], "xxh64": [52, 33, 8]}


def test_unknown_function_of_a_shard_map():
    """A data directory's hash function is a setting: its error is the setting's."""
    with pytest.raises(ConfigError, match="md6"):
        ShardMap(4, "md6")


def test_the_front_door_has_it():
    """``import goutube`` is enough."""
    assert goutube.HashRing is HashRing
