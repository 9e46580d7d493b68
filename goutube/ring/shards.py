"""Which shard a stream belongs to: for ever, since the number of shards never changes."""

from __future__ import annotations

from functools import lru_cache

from goutube.model import ShardId
from goutube.ring.hashes import hash_function


class ShardMap:
    """The ring cut into ``shard_count`` equal arcs.

    Args:
        shard_count: 1 or more; fixed when a cluster is founded.
        function: a name in ``HASH_FUNCTIONS``.
    """

    __slots__ = ("_hash", "shard_count", "shard_of")

    def __init__(self, shard_count: int, function: str) -> None:
        self.shard_count = shard_count
        self._hash = hash_function(function)
        # Each command names its stream, mostly one of a few.
        self.shard_of = lru_cache(maxsize=4096)(self._shard_of)

    def _shard_of(self, name: str) -> ShardId:
        """The shard whose arc the name's hash falls in: floor(hash * shard_count / 2^64)."""
        return ShardId(self._hash(name.encode()) * self.shard_count >> 64)
