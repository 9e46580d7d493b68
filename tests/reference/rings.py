"""Slow twin of the ring: a list of every token by its documented name, and a plain bisect."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from hashlib import md5

import mmh3
import xxhash

FUNCTIONS: dict[str, Callable[[bytes], int]] = {
    "md5": lambda key: int.from_bytes(md5(key).digest()[:8], "little"),
    "murmur3": lambda key: mmh3.hash64(key, 0, x64arch=True, signed=False)[0],
    "xxh64": xxhash.xxh64_intdigest,
}


class SlowRing:
    """What ``goutube.HashRing`` promises, with no thought for speed."""

    def __init__(self, weights: dict[str, int], function: Callable[[bytes], int]) -> None:
        self.function = function
        self.tokens = sorted(
            (function(f"{name}-{number}".encode()), name)
            for name, weight in weights.items()
            for number in range(weight)
        )
        self.positions = [position for position, _ in self.tokens]

    def owner(self, position: int) -> str:
        """The node of the first token clockwise at or after a position."""
        return self.walk(position, 1)[0]

    def lookup(self, key: str | bytes) -> str:
        """The node that owns a key."""
        return self.owner(self.function(key.encode() if isinstance(key, str) else key))

    def walk(self, position: int, wanted: int) -> list[str]:
        """The first distinct nodes clockwise from a position."""
        first = bisect_left(self.positions, position)
        found: list[str] = []
        for place in range(first, first + len(self.tokens)):
            name = self.tokens[place % len(self.tokens)][1]
            if len(found) < wanted and name not in found:
                found.append(name)
            if len(found) == wanted:
                break
        return found

    def placement(self, shard_count: int, replicas: int) -> list[list[str]]:
        """Each shard's nodes: clockwise from the first position that is the next shard's."""
        ends = [-((-(shard + 1) << 64) // shard_count) % (1 << 64) for shard in range(shard_count)]
        return [self.walk(end, replicas) for end in ends]
