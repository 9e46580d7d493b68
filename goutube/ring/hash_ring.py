"""The consistent-hash ring (Karger et al., "Consistent Hashing and Random Trees", STOC 1997)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from operator import index
from typing import Final

import numpy as np
from numpy import int32, uint32, uint64
from numpy.typing import NDArray
from typing_extensions import override

from goutube._native import TokenTable
from goutube.errors import InvalidArgumentError
from goutube.limits import VIRTUAL_NODE_COUNT_DEFAULT
from goutube.ring.difference import RingDifference, compare
from goutube.ring.hashes import HASH_FUNCTIONS, KERNEL_HASHES, KeyHash, hash_function
from goutube.ring.tokens import (
    POSITIONS,
    Tokens,
    add_tokens,
    check_node,
    check_weights,
    drop_tokens,
    make_tokens,
)

_SHOWN_NODES: Final = 8


class HashRing(TokenTable):
    """A circle of 2^64 positions on which nodes own tokens.

    A node with weight v owns the positions hash("{node}-{i}") for i from 0 to v - 1. A key belongs
    to the node of the first token clockwise at or after hash(key); of two equal tokens the lower
    name's counts. So a node that comes takes keys from others and moves none between them, and one
    that goes gives up its own only. A ring never changes: threads may share it.

    Args:
        nodes: names and weights (tokens); or names alone, each with 256 tokens.
        hash_function: ``xxh64``, ``murmur3``, ``md5`` (its first 8 bytes, little-endian, as the Go
            ring takes them), or any function from bytes to an unsigned 64-bit number. A function's
            rings are looked up in at Python's speed.

    Raises:
        InvalidArgumentError: no node, a name twice or empty, a weight below 1 or above 65,536, no
            such hash function, or a function that returned something else.
    """

    __slots__ = ("_hash", "_hash_given", "_tokens", "_weights", "nodes")

    nodes: tuple[str, ...]
    """The names in order; what ``lookup_many`` and ``owners`` count."""

    def __init__(
        self,
        nodes: Mapping[str, int] | Iterable[str],
        hash_function: str | KeyHash = "xxh64",
    ) -> None:
        function = _checked_function(hash_function)
        weights = check_weights(nodes)
        self._assemble(weights, make_tokens(weights, function), hash_function)

    def _assemble(
        self, weights: dict[str, int], tokens: Tokens, hash_function: str | KeyHash
    ) -> None:
        nodes, function = tuple(weights), _checked_function(hash_function)
        kernel_function = KERNEL_HASHES[function] if isinstance(function, str) else function
        for array in tokens:
            array.flags.writeable = False
        # About as many buckets as tokens: most lookups compare one or two.
        buckets: NDArray[uint32] = np.empty(
            (1 << len(tokens.positions).bit_length()) + 1, np.uint32
        )
        super().__init__(nodes, *tokens, buckets, kernel_function)
        self._hash_given = hash_function
        self._hash = function
        self._weights = weights
        self._tokens = tokens
        self.nodes = nodes

    @property
    def hash_function(self) -> str | KeyHash:
        """As it was given."""
        return self._hash_given

    @property
    def weights(self) -> dict[str, int]:
        """The number of tokens of each node, in order of the names."""
        return dict(self._weights)

    @property
    def tokens(self) -> NDArray[uint64]:
        """All tokens, rising; read-only."""
        return self._tokens.positions

    @property
    def owners(self) -> NDArray[int32]:
        """For each of ``tokens`` the number of its node in ``nodes``; read-only."""
        return self._tokens.owners

    @property
    def shares(self) -> dict[str, float]:
        """The part of the circle that each node owns; together they are 1."""
        widths = self.tokens - np.roll(self.tokens, 1)
        owned = np.zeros(len(self.nodes), np.uint64)
        np.add.at(owned, self.owners, widths)
        if not owned.any():  # one node owns all 2^64 positions, a number that wraps to none
            return {name: float(name == self.nodes[self.owners[0]]) for name in self.nodes}
        return {
            name: width / POSITIONS for name, width in zip(self.nodes, owned.tolist(), strict=True)
        }

    def lookup_many(self, keys: Iterable[str | bytes] | NDArray[np.bytes_]) -> NDArray[int32]:
        """The nodes that own many keys, as numbers into ``nodes``, in the order of the keys.

        Args:
            keys: any iterable of str (hashed as UTF-8) and bytes; or a one-dimensional numpy array
                of dtype ``S`` (fastest; zero bytes at an item's end are not part of it, as in
                numpy) or ``U``.

        Raises:
            InvalidArgumentError: one key alone, or an array of another kind.
            TypeError: a key that is neither str nor bytes.
        """
        if isinstance(keys, str | bytes):
            raise InvalidArgumentError(f"keys is {keys!r}; use lookup for one key, or give a list")
        if isinstance(keys, np.ndarray):
            if keys.ndim != 1 or keys.dtype.kind not in "SUO":
                raise InvalidArgumentError(
                    f"keys is an array of {keys.ndim} dimensions and dtype {keys.dtype}; "
                    "it must have one dimension and dtype S or U"
                )
            if keys.dtype.kind == "S" and keys.itemsize and isinstance(self._hash, str):
                return self._lookup_packed(keys)
            keys = keys.tolist()
        held = keys if isinstance(keys, list | tuple) else list(keys)
        out: NDArray[int32] = np.empty(len(held), np.int32)
        if isinstance(self._hash, str):
            self._find_keys(held, np.empty(len(held), np.uint64), out)
        else:
            self._find_positions(np.array([self._position(key) for key in held], np.uint64), out)
        return out

    def _lookup_packed(self, keys: NDArray[np.bytes_]) -> NDArray[int32]:
        rows = np.ascontiguousarray(keys).view(np.uint8).reshape(len(keys), keys.itemsize)
        out = np.empty(len(keys), np.int32)
        self._find_packed(rows, out)
        return out

    def _position(self, key: str | bytes) -> int:
        if not isinstance(key, str | bytes):
            raise TypeError(f"a key must be str or bytes, and {key!r} is {type(key).__name__}")
        function = hash_function(self._hash) if isinstance(self._hash, str) else self._hash
        return function(key.encode() if isinstance(key, str) else key)

    def preference_list(self, key: str | bytes, n: int) -> list[str]:
        """The first ``n`` distinct nodes clockwise from a key: its owner, then who comes next.

        There are fewer where the ring has fewer nodes.

        Raises:
            InvalidArgumentError: ``n`` is negative.
            TypeError: the key is neither str nor bytes.
        """
        positions = np.array([self._position(key)], np.uint64)
        return [self.nodes[number] for number in self._walk_from(positions, "n", n)[0].tolist()]

    def placement(self, shard_count: int, replicas: int) -> NDArray[int32]:
        """The nodes of each shard: the first distinct ones clockwise from the end of its arc.

        Shard s is the arc of the hashes h with floor(h * shard_count / 2^64) = s; its end is where
        the next one begins, and the last one's is 0.

        Returns:
            Numbers into ``nodes``: a row for each shard, with as many columns as there are
            replicas, or nodes if there are fewer. The first of a row is the preferred leader.

        Raises:
            InvalidArgumentError: ``shard_count`` is below 1, or ``replicas`` is negative.
        """
        count = index(shard_count)
        if count < 1:
            raise InvalidArgumentError(f"shard_count is {shard_count}; it must be 1 or more")
        ends = [-(-(shard * POSITIONS) // count) % POSITIONS for shard in range(1, count + 1)]
        return self._walk_from(np.array(ends, np.uint64), "replicas", replicas)

    def _walk_from(self, positions: NDArray[uint64], name: str, wanted: int) -> NDArray[int32]:
        if index(wanted) < 0:
            raise InvalidArgumentError(f"{name} is {wanted}; it must be 0 or more")
        out = np.empty((len(positions), min(wanted, len(self.nodes))), np.int32)
        self._walk(positions, np.zeros(len(self.nodes), np.int32), out)
        return out

    def difference(self, other: HashRing) -> RingDifference:
        """What moves if ``other`` takes this ring's place.

        Raises:
            InvalidArgumentError: the rings have different hash functions.
        """
        if self.hash_function != other.hash_function:
            raise InvalidArgumentError(
                f"a ring of {self.hash_function!r} and one of {other.hash_function!r} "
                "have no position in common; make both with one hash function"
            )
        room = len(self.tokens) + len(other.tokens)
        return compare(self, other, self.nodes, other.nodes, room)

    def with_node(self, name: str, weight: int = VIRTUAL_NODE_COUNT_DEFAULT) -> HashRing:
        """This ring and one node more, at a fraction of the cost of a new ring.

        Raises:
            InvalidArgumentError: the node is there already, or name or weight cannot be.
        """
        check_node(name, weight)
        if name in self._weights:
            raise InvalidArgumentError(f"the node {name!r} is on the ring already", name=name)
        place = bisect_left(self.nodes, name)
        tokens = add_tokens(self._tokens, name, weight, place, self._hash)
        weights = dict(sorted([*self._weights.items(), (name, int(weight))]))
        return self._successor(weights, tokens)

    def without_node(self, name: str) -> HashRing:
        """This ring without one of its nodes.

        Raises:
            InvalidArgumentError: there is no such node, or it is the only one.
        """
        if name not in self._weights:
            raise InvalidArgumentError(f"there is no node {name!r} on the ring", name=str(name))
        if len(self.nodes) == 1:
            raise InvalidArgumentError(f"{name!r} is the only node; a ring needs one", name=name)
        weights = {node: weight for node, weight in self._weights.items() if node != name}
        return self._successor(weights, drop_tokens(self._tokens, self.nodes.index(name)))

    def _successor(self, weights: dict[str, int], tokens: Tokens) -> HashRing:
        ring = HashRing.__new__(HashRing)
        ring._assemble(weights, tokens, self._hash_given)  # noqa: SLF001 - its own kind
        return ring

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HashRing):
            return NotImplemented
        return self._weights == other._weights and self._hash_given == other._hash_given

    __hash__ = None  # type: ignore[assignment] # as of a dict of weights

    @override
    def __reduce__(self) -> tuple[type[HashRing], tuple[dict[str, int], str | KeyHash]]:
        return HashRing, (self._weights, self._hash_given)

    @override
    def __repr__(self) -> str:
        shown: object = self._weights
        if len(self.nodes) > _SHOWN_NODES:
            shown = f"<{len(self.nodes)} nodes, {len(self.tokens)} tokens>"
        return f"HashRing({shown}, hash_function={self.hash_function!r})"


def _checked_function(function: str | KeyHash) -> str | KeyHash:
    """The name of a function that the kernel has, or a function whose numbers are looked at."""
    if isinstance(function, str):
        if function not in HASH_FUNCTIONS:
            known = ", ".join(HASH_FUNCTIONS)
            raise InvalidArgumentError(
                f"no hash function {function!r}; there are {known}, or give a function"
            )
        return function
    if not callable(function):
        raise InvalidArgumentError(f"hash_function is {function!r}; give a name or a function")

    def position(key: bytes) -> int:
        found: object = function(key)
        if not isinstance(found, int | np.integer) or not 0 <= found < POSITIONS:
            raise InvalidArgumentError(
                f"the hash function returned {found!r} for {key!r}; "
                "it must return a whole number from 0 to 2**64 - 1"
            )
        return int(found)

    return position
