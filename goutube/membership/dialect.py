"""The msgpack of the Serf world: old-style raw strings for text and bytes, keys in order.

A body is one map. Each class of body lists its keys, in the order of their bytes, with the function
that judges a value; its fields stand in the same order. What is received may hold its keys in any
order, keys that nobody knows, and nil or nothing where a value is zero or empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Self

import msgpack  # type: ignore[import-untyped]
from msgspec import Struct
from typing_extensions import override

from goutube.errors import WireFormatError

ITEMS_MAX: Final = 1 << 16
"""Items of one list or map: a few bytes must not make us reserve room for millions."""

Reader = Callable[[object], Any]


def pack(value: object) -> bytes:
    """The value in the form that every agent reads."""
    return bytes(msgpack.packb(value, use_bin_type=False, unicode_errors="surrogateescape"))


def unpacker(bytes_max: int) -> msgpack.Unpacker:
    """A reader that takes its input piece by piece, and at most ``bytes_max`` of it."""
    return msgpack.Unpacker(
        raw=True,
        strict_map_key=False,
        max_buffer_size=bytes_max,
        max_array_len=ITEMS_MAX,
        max_map_len=ITEMS_MAX,
        read_size=1,
    )


def next_value(source: msgpack.Unpacker) -> object:
    """The next whole value.

    Raises:
        EOFError: more input is needed.
        WireFormatError: no input will make a value of it.
    """
    try:
        return source.unpack()
    except msgpack.OutOfData:
        raise EOFError from None
    except (msgpack.UnpackException, ValueError, TypeError, OverflowError) as error:
        raise WireFormatError(f"not msgpack: {str(error) or type(error).__name__}") from None


def unpack(data: bytes) -> tuple[object, int]:
    """The value at the start of ``data``, and where it ends; what follows is not looked at."""
    source = unpacker(len(data) + 1)
    source.feed(data)
    try:
        return next_value(source), source.tell()
    except EOFError:
        raise WireFormatError(f"msgpack of {len(data)} bytes is cut off") from None


def text(value: object) -> str:
    """Text; bytes that are not UTF-8 survive the way there and back."""
    return blob(value).decode("utf-8", "surrogateescape")


def name(value: object) -> str:
    """Text that says who: not empty, at most 255 bytes."""
    raw = blob(value)
    if not 0 < len(raw) <= 255:
        raise WireFormatError(f"a name has {len(raw)} bytes; 1 to 255 are allowed")
    return raw.decode("utf-8", "surrogateescape")


def blob(value: object) -> bytes:
    """Bytes; nil is none."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    raise WireFormatError(f"{_kind(value)} stands where bytes are due")


def blob_or_none(value: object) -> bytes | None:
    """Bytes or nil, told apart."""
    return None if value is None else blob(value)


def flag(value: object) -> bool:
    """A boolean; 0 and 1 are taken for one."""
    if value is None or value in (0, 1):
        return bool(value)
    raise WireFormatError(f"{_kind(value)} stands where a boolean is due")


def within(low: int, high: int) -> Reader:
    """A reader of integers from ``low`` to ``high``."""

    def integer(value: object) -> int:
        if value is None:
            value = 0
        if not isinstance(value, int) or isinstance(value, bool):
            raise WireFormatError(f"{_kind(value)} stands where an integer is due")
        if not low <= value <= high:
            raise WireFormatError(f"{value} is not within {low} to {high}")
        return value

    return integer


u8: Final = within(0, 2**8 - 1)
u16: Final = within(0, 2**16 - 1)
u32: Final = within(0, 2**32 - 1)
u64: Final = within(0, 2**64 - 1)
i64: Final = within(-(2**63), 2**63 - 1)
count: Final = within(0, 2**31 - 1)


def list_of(read: Reader) -> Reader:
    """A reader of lists, which become tuples."""

    def items(value: object) -> tuple[Any, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            raise WireFormatError(f"{_kind(value)} stands where a list is due")
        return tuple(map(read, value))

    return items


def list_or_none(read: Reader) -> Reader:
    """A reader of lists that tells nil from a list without items."""
    items = list_of(read)
    return lambda value: None if value is None else items(value)


def map_of(read: Reader) -> Reader:
    """A reader of maps from text."""

    def pairs(value: object) -> dict[str, Any]:
        return {text(key): read(item) for key, item in mapping(value).items()}

    return pairs


def mapping(value: object) -> dict[object, object]:
    """A map with its keys as they came; nil is an empty one."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise WireFormatError(f"{_kind(value)} stands where a map is due")


def _kind(value: object) -> str:
    return type(value).__name__


class Body(Struct, frozen=True):
    """Base of the bodies: frozen structs whose fields stand in the order of ``LAYOUT``."""

    LAYOUT: ClassVar[dict[str, Reader]]
    _readers: ClassVar[tuple[tuple[str, bytes, Reader], ...]]

    @override
    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._readers = tuple((key, key.encode(), read) for key, read in cls.LAYOUT.items())

    @classmethod
    def from_value(cls, value: object) -> Self:
        """Judge what msgpack made of a body.

        Raises:
            WireFormatError: not a map, or a value of the wrong kind or outside its range.
        """
        found, values = mapping(value), []
        for key, raw_key, read in cls._readers:
            try:
                values.append(read(found.get(raw_key)))
            except WireFormatError as error:
                raise WireFormatError(f"{cls.__name__}.{key}: {error.message}") from None
        return cls(*values)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a body from the start of ``data``."""
        return cls.from_value(unpack(data)[0])

    def to_value(self) -> dict[str, object]:
        """The map that msgpack is to write."""
        values = (getattr(self, field) for field in self.__struct_fields__)
        return {key: _plain(value) for key, value in zip(self.LAYOUT, values, strict=True)}

    def encode(self) -> bytes:
        """The body on the wire."""
        return pack(self.to_value())


def _plain(value: object) -> object:
    if isinstance(value, Body):
        return value.to_value()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
