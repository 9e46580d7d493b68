"""LZW as memberlist has it: 8-bit literals, codes of 9 to 12 bits, least significant bit first.

Only reading: what we send is short, and a receiver must not need time for it.
"""

from __future__ import annotations

from typing import Final

from goutube.errors import WireFormatError

_CLEAR: Final = 256
_END: Final = 257
_WIDTH_MIN: Final = 9
_WIDTH_MAX: Final = 12
_LITERALS: Final = tuple(bytes((value,)) for value in range(256))


def decompress(data: bytes, bytes_max: int) -> bytes:
    """Decompress to at most ``bytes_max`` bytes.

    Raises:
        WireFormatError: not LZW, cut off, or longer than that.
    """
    reader = _Reader(data)
    parts: list[bytes] = []
    size = 0
    while (entry := reader.next_entry()) is not None:
        size += len(entry)
        if size > bytes_max:
            raise WireFormatError(f"LZW grows beyond {bytes_max} bytes")
        parts.append(entry)
    return b"".join(parts)


class _Reader:
    """The table that both sides build from what was sent, and the place in the bits."""

    __slots__ = ("_bit_count", "_bits", "_data", "_last", "_next", "_position", "_table", "_width")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = self._bits = self._bit_count = 0
        self._clear()

    def _clear(self) -> None:
        self._table: dict[int, bytes] = {}
        self._next, self._width, self._last = _END, _WIDTH_MIN, b""

    def next_entry(self) -> bytes | None:
        """The bytes of the next code that stands for some; None at the end."""
        while (code := self._next_code()) == _CLEAR:
            self._clear()
        if code == _END:
            return None
        last, number = self._last, self._next
        entry = self._entry(code)
        if last:
            self._table[number] = last + entry[:1]
        self._last = entry
        self._next = number + 1
        if self._next >= 1 << self._width:
            if self._width < _WIDTH_MAX:
                self._width += 1
            else:  # the table is full and stays as it is until it is cleared
                self._next, self._last = number, b""
        return entry

    def _next_code(self) -> int:
        while self._bit_count < self._width:
            if self._position == len(self._data):
                raise WireFormatError(f"LZW of {len(self._data)} bytes is cut off")
            self._bits |= self._data[self._position] << self._bit_count
            self._position += 1
            self._bit_count += 8
        code = self._bits & ((1 << self._width) - 1)
        self._bits >>= self._width
        self._bit_count -= self._width
        return code

    def _entry(self, code: int) -> bytes:
        if code < _CLEAR:
            return _LITERALS[code]
        if code == self._next and self._last:
            return self._last + self._last[:1]
        try:
            return self._table[code]
        except KeyError:
            raise WireFormatError(f"LZW names code {code}, which has no entry") from None
