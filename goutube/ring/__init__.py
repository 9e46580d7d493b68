"""Where a name falls on the ring, and which shard's arc that is.

The door of the floor. Positions are unsigned 64-bit; the ring is cut into equal arcs, one a shard.
A node needs the arcs alone: what stands on numpy is loaded when it is first named, for numpy would
be an eighth of the time that an agent takes to start.
"""

from typing import TYPE_CHECKING

from goutube.ring.hashes import HASH_FUNCTIONS, hash_function
from goutube.ring.shards import ShardMap

if TYPE_CHECKING:
    from goutube.ring.difference import RingDifference
    from goutube.ring.hash_ring import HashRing

__all__ = ["HASH_FUNCTIONS", "HashRing", "RingDifference", "ShardMap", "hash_function"]


def __getattr__(name: str) -> object:
    from importlib import import_module  # noqa: PLC0415 - only for who asks

    homes = {"HashRing": "hash_ring", "RingDifference": "difference"}
    if name not in homes:
        raise AttributeError(f"module 'goutube.ring' has no attribute {name!r}")
    return getattr(import_module(f"goutube.ring.{homes[name]}"), name)
