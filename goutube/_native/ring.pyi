from collections.abc import Callable
from typing import Final

from numpy import int32, uint8, uint32, uint64
from numpy.typing import NDArray
from typing_extensions import disjoint_base

HASH_MD5: Final[int]
HASH_MURMUR3: Final[int]
HASH_XXH64: Final[int]

def fill_tokens(function: int, name: bytes, out: NDArray[uint64]) -> None:
    """Hash ``name-0``, ``name-1`` ... into ``out``; ``function`` is a ``HASH_*``."""

@disjoint_base
class TokenTable:
    """Rising tokens, who owns them, and where keys fall.

    Arguments: ``names`` of the owners; ``tokens``, rising; ``owners`` of the tokens, numbers of names;
    ``buckets``, room for an index, a power of two (from 2 on) and one more; ``function``, a ``HASH_*``
    or a callable from bytes to unsigned 64-bit. The arrays must not change afterwards.

    Raises:
        ValueError: no token, lengths that do not agree, an owner without a name.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        tokens: NDArray[uint64],
        owners: NDArray[int32],
        buckets: NDArray[uint32],
        function: int | Callable[[bytes], int],
    ) -> None: ...
    def lookup(self, key: str | bytes) -> str:
        """The node that owns a key: of the first token clockwise at or after the key's hash.

        Raises:
            TypeError: the key is neither str nor bytes.
        """

    def _find_keys(
        self,
        keys: list[str | bytes] | tuple[str | bytes, ...],
        positions: NDArray[uint64],
        out: NDArray[int32],
    ) -> None:
        """The owners of keys, by number; ``positions`` is room to work in. Not for callables."""

    def _find_packed(self, rows: NDArray[uint8], out: NDArray[int32]) -> None:
        """The owners of keys of one width, one a row; zeros at a key's end are not part of it."""

    def _find_positions(self, positions: NDArray[uint64], out: NDArray[int32]) -> None:
        """The owners of positions, by number."""

    def _walk(self, positions: NDArray[uint64], marks: NDArray[int32], out: NDArray[int32]) -> None:
        """The first distinct owners clockwise from each position, one row each, by number.

        ``marks`` has a zero for each name. A row that no more owners are left for stays as it was.
        """

def find_moves(
    before: TokenTable,
    after: TokenTable,
    same: NDArray[int32],
    starts: NDArray[uint64],
    ends: NDArray[uint64],
    sources: NDArray[int32],
    targets: NDArray[int32],
) -> int:
    """The arcs ``(start, end]`` whose owner differs between two rings; returns how many there are.

    ``same`` has, for each owner in ``before``, its number in ``after`` or -1. The four arrays have
    room for as many arcs as both rings have tokens.
    """
