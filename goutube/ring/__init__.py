"""Where a name falls on the ring, and which shard's arc that is.

The door of the floor. Positions are unsigned 64-bit; the ring is cut into equal arcs, one a shard.
"""

from goutube.ring.difference import RingDifference
from goutube.ring.hash_ring import HashRing
from goutube.ring.hashes import HASH_FUNCTIONS, hash_function
from goutube.ring.shards import ShardMap

__all__ = ["HASH_FUNCTIONS", "HashRing", "RingDifference", "ShardMap", "hash_function"]
