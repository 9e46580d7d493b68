"""What moves between two rings: arcs, from which node, to which."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy import float64, int32, uint64
from numpy.typing import NDArray

from goutube._native import TokenTable, find_moves


class RingDifference(Struct, frozen=True, eq=False):
    """The arcs of the circle whose owner differs between two rings.

    Arc i is the positions after ``starts[i]`` up to and with ``ends[i]``; the one that runs over
    the top of the circle has a start beyond its end, and equal ones are the whole circle.
    """

    before: tuple[str, ...]
    """The nodes of the one ring, which ``sources`` counts."""
    after: tuple[str, ...]
    """The nodes of the other, which ``targets`` counts."""
    starts: NDArray[uint64]
    ends: NDArray[uint64]
    sources: NDArray[int32]
    targets: NDArray[int32]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def share(self) -> float:
        """The part of the circle that moves: 0.0 to 1.0."""
        return float(self._widths().sum())

    @property
    def moves(self) -> dict[tuple[str, str], float]:
        """The part of the circle that moves from one node to another, by (from, to)."""
        pairs = self.sources.astype(np.int64) * len(self.after) + self.targets
        kinds, which = np.unique(pairs, return_inverse=True)
        shares = np.bincount(which, weights=self._widths(), minlength=len(kinds))
        return {
            (self.before[pair // len(self.after)], self.after[pair % len(self.after)]): share
            for pair, share in zip(kinds.tolist(), shares.tolist(), strict=True)
        }

    def _widths(self) -> NDArray[float64]:
        """Each arc's part of the circle; equal ends are the whole of it."""
        widths = (self.ends - self.starts).astype(np.float64)
        widths[widths == 0] = 2.0**64
        return widths / 2.0**64


def compare(
    before: TokenTable,
    after: TokenTable,
    before_nodes: tuple[str, ...],
    after_nodes: tuple[str, ...],
    room: int,
) -> RingDifference:
    """The difference of two rings with ``room`` tokens together."""
    numbers = {name: number for number, name in enumerate(after_nodes)}
    same = np.array([numbers.get(name, -1) for name in before_nodes], np.int32)
    starts, ends = np.empty(room, np.uint64), np.empty(room, np.uint64)
    sources, targets = np.empty(room, np.int32), np.empty(room, np.int32)
    count = find_moves(before, after, same, starts, ends, sources, targets)
    return RingDifference(
        before_nodes,
        after_nodes,
        starts[:count].copy(),
        ends[:count].copy(),
        sources[:count].copy(),
        targets[:count].copy(),
    )
