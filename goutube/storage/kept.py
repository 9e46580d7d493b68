"""What a compacted segment still holds: a table at the end of its file, so no hole is damage.

The file tells it by itself: an index file that is lost is made anew from it, and an entry that is
missing although the table names it is damage, as in any other segment.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from goutube._native import crc32c
from goutube.errors import CorruptionError
from goutube.model import Buffer

_MAGIC: Final = b"gtK1"
_HEAD: Final = struct.Struct("<4sIIIQ")
_TERM: Final = struct.Struct("<QQ")
_CHECKSUM: Final = struct.Struct("<I")


def kept_bytes(runs: int, terms: int) -> int:
    """How long the table of so many runs of entries and of terms is."""
    return _HEAD.size + 16 * runs + _TERM.size * terms + _CHECKSUM.size


class KeptEntries(Struct, frozen=True):
    """The indexes of the entries that are here, among those from the first to ``last_index``.

    Attributes:
        firsts, lasts: where each run of them begins and ends, in order.
        terms: (index where it begins, term) of every run of one term, holes included.
    """

    last_index: int
    firsts: Sequence[int]
    lasts: Sequence[int]
    terms: list[tuple[int, int]]

    def runs(self) -> Iterator[tuple[int, int]]:
        """(first, last) index of every run."""
        return zip(self.firsts, self.lasts, strict=True)

    def encode(self) -> bytes:
        """The table's bytes."""
        head = _HEAD.pack(_MAGIC, len(self.firsts), len(self.terms), 0, self.last_index)
        columns = array("Q", self.firsts).tobytes() + array("Q", self.lasts).tobytes()
        body = head + columns + b"".join([_TERM.pack(*run) for run in self.terms])
        return body + _CHECKSUM.pack(crc32c(body))

    @classmethod
    def decode(cls, content: Buffer, path: str, position: int) -> KeptEntries:
        """What ``encode`` made; ``position`` is where it stands in the file.

        Raises:
            CorruptionError: the bytes are not a good table.
        """
        table = bytes(content)
        if len(table) >= kept_bytes(0, 0) and _CHECKSUM.unpack(table[-4:])[0] == crc32c(table[:-4]):
            magic, runs, terms, _, last_index = _HEAD.unpack_from(table)
            if magic == _MAGIC and len(table) == kept_bytes(runs, terms):
                columns = memoryview(table)[_HEAD.size : _HEAD.size + 16 * runs].cast("Q")
                after = _HEAD.size + 16 * runs
                rows = [(i, t) for i, t in _TERM.iter_unpack(table[after:-4])]
                return cls(last_index, columns[:runs], columns[runs:], rows)
        raise CorruptionError(
            f"{path} does not say which entries it has kept", path=path, position=position
        )
