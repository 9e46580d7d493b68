"""The control sections of entries: what the leader says beside the records (docs/FORMATS.md)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from goutube.errors import InvalidArgumentError
from goutube.limits import CONTENT_TYPE_BYTES_MAX, METADATA_BYTES_MAX, RETENTION_MAX
from goutube.model import StreamProperties

_LENGTH: Final = struct.Struct("<H")
_OFFSET: Final = struct.Struct("<Q")


def check_properties(properties: StreamProperties) -> None:
    """Refuse properties that are too long.

    Raises:
        InvalidArgumentError: naming the field, its size and the limit.
    """
    size = len(properties.content_type.encode())
    if size > CONTENT_TYPE_BYTES_MAX:
        raise InvalidArgumentError(
            f"content_type has {size} bytes; the limit is {CONTENT_TYPE_BYTES_MAX}"
        )
    size = _metadata_bytes(properties.metadata)
    if size > METADATA_BYTES_MAX:
        raise InvalidArgumentError(f"metadata has {size} bytes; the limit is {METADATA_BYTES_MAX}")
    if "" in properties.metadata:
        raise InvalidArgumentError("metadata has an empty key")
    for name in ("retention_bytes", "retention_ms"):
        bound = getattr(properties, name)
        if bound is not None and not 0 <= bound <= RETENTION_MAX:
            raise InvalidArgumentError(f"{name} is {bound}; it is 0 to {RETENTION_MAX}")


def _metadata_bytes(metadata: Mapping[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())


def _text(value: str) -> bytes:
    content = value.encode()
    return _LENGTH.pack(len(content)) + content


def encode_properties(properties: StreamProperties) -> bytes:
    """Content type, number of pairs, then keys and values, each text with its length before it.

    Behind them, where there are any, the bounds of retention: which ones, and their values.
    """
    pairs = sorted(properties.metadata.items())
    bounds = (properties.retention_bytes, properties.retention_ms)
    given = [bound for bound in bounds if bound is not None]
    flags = sum(1 << place for place, bound in enumerate(bounds) if bound is not None)
    return (
        _text(properties.content_type)
        + _LENGTH.pack(len(pairs))
        + b"".join(_text(key) + _text(value) for key, value in pairs)
        + (bytes((flags,)) + b"".join(map(_OFFSET.pack, given)) if flags else b"")
    )


def decode_properties(content: bytes) -> StreamProperties:
    """What ``encode_properties`` made."""
    content_type, place = _read_text(content, 0)
    (count,) = _LENGTH.unpack_from(content, place)
    place += _LENGTH.size
    metadata: dict[str, str] = {}
    for _ in range(count):
        key, place = _read_text(content, place)
        metadata[key], place = _read_text(content, place)
    return StreamProperties(content_type, metadata, *_read_bounds(content, place))


def retention_of(content: bytes) -> tuple[int | None, int | None]:
    """The bounds in encoded properties, in bytes and in milliseconds; None: the node's default."""
    if content == NO_PROPERTIES:  # nearly all streams
        return None, None
    (length,) = _LENGTH.unpack_from(content)
    place = _LENGTH.size + length
    (count,) = _LENGTH.unpack_from(content, place)
    place += _LENGTH.size
    for _ in range(2 * count):
        (length,) = _LENGTH.unpack_from(content, place)
        place += _LENGTH.size + length
    return _read_bounds(content, place)


def _read_bounds(content: bytes, place: int) -> tuple[int | None, int | None]:
    flags = content[place] if place < len(content) else 0
    place += 1
    bounds: list[int | None] = [None, None]
    for bit in range(2):
        if flags >> bit & 1:
            (bounds[bit],) = _OFFSET.unpack_from(content, place)
            place += _OFFSET.size
    return bounds[0], bounds[1]


def _read_text(content: bytes, place: int) -> tuple[str, int]:
    (length,) = _LENGTH.unpack_from(content, place)
    start = place + _LENGTH.size
    return content[start : start + length].decode(), start + length


def encode_create(name: str, properties: bytes) -> bytes:
    """The control section of an entry that creates a stream: its name, then its properties."""
    return _text(name) + properties


def split_create(content: bytes) -> tuple[str, bytes]:
    """The name and the encoded properties that ``encode_create`` was given."""
    name, place = _read_text(content, 0)
    return name, content[place:]


def encode_trim(before: int) -> bytes:
    """The control section of a trim: the first offset to keep."""
    return _OFFSET.pack(before)


def trim_target(content: bytes) -> int:
    """What ``encode_trim`` was given."""
    (before,) = _OFFSET.unpack(content)
    return int(before)


NO_PROPERTIES: Final = encode_properties(StreamProperties())
