"""``python -m bench.ring``: the ring beside its rivals, hashing included, in one run.

The ways take turns, in another order each round; the best of the rounds counts, because whatever
else the machine does can only add to it. Printed are nanoseconds a key, and how many times the time
of ``lookup_many`` that is. Keys are text of 17 characters, in no order.
"""

from __future__ import annotations

import random
import time
from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from bench.card import machine_card
from goutube import HashRing
from goutube.ring import HASH_FUNCTIONS, hash_function

KEYS, FEW_KEYS, ROUNDS, SIZES, WEIGHT = 100_000, 2_000, 15, (10, 100, 1000), 256
LINE_WORDS = 8
MANY, LINE = "lookup_many, list", "one random cache line"
UHASHRING, UHASHRING_SAME = "uhashring", "uhashring, hash of the ring"
Way = Callable[[], object]


def make_nodes(count: int) -> dict[str, int]:
    """So many nodes of 256 tokens."""
    return {f"node-{number}": WEIGHT for number in range(count)}


def make_keys(count: int) -> list[str]:
    """Random names; the same each time."""
    source = random.Random(4)
    return [f"videos/{source.getrandbits(40):010x}" for _ in range(count)]


def ways(ring: HashRing, keys: list[str]) -> dict[str, Way]:
    """Every way to find the owners of all keys: ours, by bisect, by numpy; and bare memory."""
    tokens, owners = ring.tokens.tolist(), ring.owners.tolist()
    position, count = hash_function(str(ring.hash_function)), len(tokens)
    packed = np.array([key.encode() for key in keys])
    ready = [position(key.encode()) for key in keys]
    lines = np.zeros(count * LINE_WORDS, np.uint64)
    picked = np.random.default_rng(4).integers(0, count, len(keys)) * LINE_WORDS

    def by_bisect() -> list[int]:
        return [owners[bisect_left(tokens, position(key.encode())) % count] for key in keys]

    def by_numpy() -> list[int]:
        positions = np.fromiter((position(key.encode()) for key in keys), np.uint64, len(keys))
        return ring.owners[np.searchsorted(ring.tokens, positions) % count].tolist()

    return {
        MANY: lambda: ring.lookup_many(keys),
        "lookup_many, array of S": lambda: ring.lookup_many(packed),
        "lookup": lambda: [ring.lookup(key) for key in keys],
        "hash and bisect": by_bisect,
        "bisect alone": lambda: [bisect_left(tokens, place) for place in ready],
        "hash and numpy.searchsorted": by_numpy,
        LINE: lambda: np.take(lines, picked),
    }


def uhashring_ways(ring: HashRing, keys: list[str]) -> dict[str, Way]:
    """The same by uhashring: as it comes, and with the hash of this ring, so that both are one."""
    from uhashring import HashRing as Uhashring  # noqa: PLC0415 - only the bench group has it

    position = hash_function(str(ring.hash_function))
    nodes = {name: {"vnodes": weight, "weight": 1} for name, weight in ring.weights.items()}
    plain = Uhashring(nodes=nodes)
    same = Uhashring(nodes=nodes, hash_fn=lambda key: position(key.encode()))
    return {
        UHASHRING: lambda: [plain.get_node(key) for key in keys],
        UHASHRING_SAME: lambda: [same.get_node(key) for key in keys],
    }


def best_seconds(candidates: dict[str, Way]) -> dict[str, float]:
    """The best of some rounds of each, in turns."""
    best = dict.fromkeys(candidates, float("inf"))
    order = list(candidates)
    for _ in range(ROUNDS):
        random.shuffle(order)
        for name in order:
            began = time.perf_counter()
            candidates[name]()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def print_lookups(ring: HashRing, keys: list[str]) -> None:
    """Nanoseconds a key by every way: many keys in no order, then a few, warm."""
    few = keys[:FEW_KEYS]
    nanoseconds = {
        name: seconds / len(keys) * 1e9 for name, seconds in best_seconds(ways(ring, keys)).items()
    }
    warm = best_seconds({**ways(ring, few), **uhashring_ways(ring, few)})
    print(f"{ring}: {len(keys)} keys, and {len(few)} again and again")
    for name, seconds in warm.items():
        cold = nanoseconds.get(name)
        told = f"{cold:9.1f} {cold / nanoseconds[MANY]:7.2f}" if cold else " " * 17
        print(f"  {name:28} {told} {seconds / len(few) * 1e9:9.1f} {seconds / warm[MANY]:7.2f}")


def print_changes(nodes: dict[str, int], function: str) -> None:
    """Milliseconds to make a ring, to add a node, to compare."""
    ring = HashRing(nodes, function)
    joined = ring.with_node("joiner")
    best = best_seconds(
        {
            "build": lambda: HashRing(nodes, function),
            "with_node": lambda: ring.with_node("joiner"),
            "difference": lambda: ring.difference(joined),
        }
    )
    told = ", ".join(f"{name} {seconds * 1e3:.2f} ms" for name, seconds in best.items())
    print(f"  {function}: {told}")


def main() -> None:
    """Print everything at every size."""
    print(machine_card())
    keys = make_keys(KEYS)
    for count in SIZES:
        for function in HASH_FUNCTIONS:
            print_lookups(HashRing(make_nodes(count), function), keys)
        for function in HASH_FUNCTIONS:
            print_changes(make_nodes(count), function)


if __name__ == "__main__":
    main()
