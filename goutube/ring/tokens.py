"""The arrays of a ring: who owns which tokens, sorted, and how they change with a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy import int32, uint64
from numpy.typing import NDArray

from goutube._native import fill_tokens
from goutube.errors import InvalidArgumentError
from goutube.limits import VIRTUAL_NODE_COUNT_DEFAULT, VIRTUAL_NODE_COUNT_MAX
from goutube.ring.hashes import KERNEL_HASHES, KeyHash

POSITIONS = 1 << 64
TOKENS_MAX = (1 << 31) - 1


class Tokens(NamedTuple):
    """Rising positions, and whose each is: a number into the sorted names."""

    positions: NDArray[uint64]
    owners: NDArray[int32]


def check_weights(nodes: Mapping[str, int] | Iterable[str]) -> dict[str, int]:
    """The nodes in order of their names, each with its number of tokens.

    Raises:
        InvalidArgumentError: no node, a name twice, a name or weight that cannot be.
    """
    if isinstance(nodes, str | bytes):
        raise InvalidArgumentError(
            f"nodes is {nodes!r}; give a list of names, or names and weights"
        )
    if isinstance(nodes, Mapping):
        given = [(name, nodes[name]) for name in nodes]
    else:
        given = [(name, VIRTUAL_NODE_COUNT_DEFAULT) for name in nodes]
    weights: dict[str, int] = {}
    for name, weight in given:
        check_node(name, weight)
        if name in weights:
            raise InvalidArgumentError(
                f"the node {name!r} is named twice; leave one out", name=name
            )
        weights[name] = int(weight)
    if not weights:
        raise InvalidArgumentError(f"there is no node in {nodes!r}; a ring needs one at least")
    if sum(weights.values()) > TOKENS_MAX:
        total = sum(weights.values())
        raise InvalidArgumentError(f"{total} tokens are too many; a ring has up to {TOKENS_MAX}")
    return dict(sorted(weights.items()))


def check_node(name: object, weight: Any) -> None:  # noqa: ANN401 - that is what it finds out
    """Refuse what cannot be a node.

    Raises:
        InvalidArgumentError: naming the value.
    """
    if not isinstance(name, str) or not name:
        raise InvalidArgumentError(f"a node is called {name!r}; a name is a str, and not empty")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"the node {name!a} is not valid Unicode") from error
    whole = isinstance(weight, int | np.integer)
    if not whole or isinstance(weight, bool) or not 1 <= weight <= VIRTUAL_NODE_COUNT_MAX:
        raise InvalidArgumentError(
            f"the weight of node {name!r} is {weight!r}; "
            f"it must be a number of tokens from 1 to {VIRTUAL_NODE_COUNT_MAX}",
            name=name,
        )


def make_tokens(weights: Mapping[str, int], function: str | KeyHash) -> Tokens:
    """The tokens of all nodes. ``weights`` are in order of the names."""
    positions: NDArray[uint64] = np.empty(sum(weights.values()), np.uint64)
    start = 0
    for name, weight in weights.items():
        _fill(name, positions[start : start + weight], function)
        start += weight
    numbers = np.arange(len(weights), dtype=np.int32)
    return _sort(positions, np.repeat(numbers, list(weights.values())))


def add_tokens(
    tokens: Tokens, name: str, weight: int, place: int, function: str | KeyHash
) -> Tokens:
    """The tokens with those of a new node, whose name is at ``place`` of the names."""
    positions: NDArray[uint64] = np.empty(weight, np.uint64)
    _fill(name, positions, function)
    positions.sort()
    owners = tokens.owners + (tokens.owners >= place)
    at = np.searchsorted(tokens.positions, positions)
    joined = np.insert(tokens.positions, at, positions)
    owned = np.insert(owners, at, np.full(weight, place, np.int32))
    return _order_equals(joined, owned)


def drop_tokens(tokens: Tokens, place: int) -> Tokens:
    """The tokens without those of the node whose name is at ``place`` of the names."""
    kept = tokens.owners != place
    owners = tokens.owners[kept]
    return Tokens(tokens.positions[kept], owners - (owners > place))


def _fill(name: str, out: NDArray[uint64], function: str | KeyHash) -> None:
    if isinstance(function, str):
        fill_tokens(KERNEL_HASHES[function], name.encode(), out)
    else:
        out[:] = [function(f"{name}-{number}".encode()) for number in range(len(out))]


def _sort(positions: NDArray[uint64], owners: NDArray[int32]) -> Tokens:
    order = np.argsort(positions)
    return _order_equals(positions[order], owners[order])


def _order_equals(positions: NDArray[uint64], owners: NDArray[int32]) -> Tokens:
    """Of two equal tokens the lower name's comes first, so that lookups find it."""
    if (positions[1:] == positions[:-1]).any():
        order = np.lexsort((owners, positions))
        positions, owners = positions[order], owners[order]
    return Tokens(positions, owners)
