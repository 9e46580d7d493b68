"""Pieces that say who wrote them, and a checker that finds what became of each.

Every append under test is one piece: a head that names its writer and number, and a body that can be
made again. The checker reads a stream from front to back, once, and compares it with what writers
were told.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

_HEAD = struct.Struct("<4sIII")
"""A tag, the writer, its number, the length of the body."""
_TAG = b"PIEC"
_POOL = random.Random(7).randbytes(8 << 20)
BODY_BYTES_MAX = 4 << 20


def piece_of(writer, number, size):
    """The bytes of one append; ``size`` is that of its body."""
    start = random.Random(writer << 32 | number).randrange(len(_POOL) - BODY_BYTES_MAX)
    return _HEAD.pack(_TAG, writer, number, size) + _POOL[start : start + size]


class BrokenPromiseError(AssertionError):
    """What a stream holds contradicts what was acknowledged."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind = kind


@dataclass
class Told:
    """What one writer was told about one stream.

    Attributes:
        acknowledged: by number, the offset that was told; None where the API tells none.
        unknown: numbers that may be there, once.
        refused: by number, what was said; they must not be there.
    """

    acknowledged: dict[int, int | None] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)


class StreamChecker:
    """What is known of one stream; ``read`` its bytes as it grows, then ``compare``."""

    def __init__(self, name):
        self.name = name
        self.place = 0
        """Up to here the stream was read."""
        self.found: dict[int, dict[int, int]] = {}
        """By writer and number, the offset where the piece lies."""
        self.trimmed = 0

    def read(self, content):
        """Take in the bytes that follow those that were read."""
        view, at = memoryview(content), 0
        while at < len(view):
            at += self._read_piece(view[at:])
        return self

    def skip_to(self, start):
        """Take in that everything before ``start`` was trimmed."""
        self.trimmed = max(self.trimmed, start)
        self.place = max(self.place, start)

    def _read_piece(self, view):
        place = self.place
        if len(view) < _HEAD.size:
            raise self._broken("torn", f"{len(view)} bytes at {place} are no whole piece")
        tag, writer, number, size = _HEAD.unpack_from(view)
        if not any(view[: _HEAD.size]):
            raise self._broken("gap", f"zeros at {place}")
        if tag != _TAG or size > BODY_BYTES_MAX:
            raise self._broken("nobody wrote", f"{bytes(view[:16])!r} at {place}")
        piece = piece_of(writer, number, size)
        if len(view) < len(piece):
            raise self._broken("torn", f"{len(view)} of {len(piece)} bytes of a piece at {place}")
        if view[: len(piece)] != piece:
            raise self._broken("changed", f"writer {writer}'s {number} at {place}")
        mine = self.found.setdefault(writer, {})
        if number in mine:
            raise self._broken("doubled", f"writer {writer}'s {number}: {mine[number]}, {place}")
        if mine and number < (last := next(reversed(mine))):
            raise self._broken("reordered", f"writer {writer}'s {number} behind {last}")
        mine[number] = place
        self.place = place + len(piece)
        return len(piece)

    def compare(self, told: dict[int, Told], *, final=False):
        """Hold what was read against what writers were told before the reading began.

        ``final``: no writer is at work any more, so that nothing may be there that none knows of.
        """
        for writer, knows in told.items():
            mine = self.found.get(writer, {})
            for number, offset in knows.acknowledged.items():
                if number in mine:
                    if offset not in (None, mine[number]):
                        text = f"writer {writer}'s {number}: told {offset}, is at {mine[number]}"
                        raise self._broken("moved", text)
                elif offset is None or offset >= self.trimmed:
                    raise self._broken(_lost(number, mine), f"writer {writer}'s {number}")
            strangers = mine.keys() - knows.acknowledged.keys() - knows.unknown
            if final and strangers:
                said = {number: knows.refused.get(number) for number in sorted(strangers)}
                text = f"writer {writer}'s pieces are there, but were refused: {said}"
                raise self._broken("nobody wrote", text)
        if final and self.found.keys() - told.keys():
            raise self._broken("nobody wrote", f"writers {sorted(self.found.keys() - told.keys())}")

    def _broken(self, kind, text):
        return BrokenPromiseError(kind, f"{self.name}: {text}")


def _lost(number, found):
    if not found or number > max(found):
        return "lost at the end"
    return "lost at the start" if number < min(found) else "lost in the middle"
