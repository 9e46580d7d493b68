"""A shard's catalogue as bytes, for its checkpoint (docs/FORMATS.md)."""

from __future__ import annotations

import struct
from typing import Final

from goutube._native import Producer
from goutube.errors import CorruptionError
from goutube.node.streams import Catalogue, Stream, shared_properties

_HEAD: Final = struct.Struct("<QII")
_STREAM: Final = struct.Struct("<QQQQQQBHHI")
_PRODUCER: Final = struct.Struct("<16sIQQI")
_ORDER: Final = struct.Struct("<Q16s")


def encode_catalogue(catalogue: Catalogue) -> bytes:
    """Every stream with its producers, then the producers in the order of their last use."""
    order = list(catalogue.producer_order())
    parts = [_HEAD.pack(catalogue.last_stamp, len(catalogue.by_id), len(order))]
    for stream in catalogue.by_id.values():
        name = stream.name.encode()
        producers = stream.producers or {}
        parts += (
            _STREAM.pack(
                stream.stream_id,
                stream.start,
                stream.end,
                stream.record_count,
                stream.created_ms,
                stream.last_stamp,
                stream.sealed,
                len(name),
                len(stream.properties),
                len(producers),
            ),
            name,
            stream.properties,
        )
        for producer_id, producer in producers.items():
            parts += (
                _PRODUCER.pack(
                    producer_id,
                    producer.epoch,
                    producer.next_sequence,
                    producer.last_stamp,
                    len(producer.window),
                ),
                producer.window,
            )
    parts += [_ORDER.pack(*key) for key in order]
    return b"".join(parts)


def decode_catalogue(content: bytes, applied_index: int, path: str) -> Catalogue:
    """What ``encode_catalogue`` made; ``path`` is the checkpoint's, for the error.

    Raises:
        CorruptionError: it made no such bytes.
    """
    try:
        catalogue, end = _decode(content, applied_index)
    except (struct.error, KeyError, ValueError) as error:
        raise CorruptionError(
            f"{path} holds no catalogue of streams although its checksum is right: {error}",
            path=path,
        ) from error
    if end != len(content):
        raise CorruptionError(
            f"{path} holds a catalogue of {end} bytes in {len(content)}", path=path, position=end
        )
    return catalogue


def _decode(content: bytes, applied_index: int) -> tuple[Catalogue, int]:
    """The catalogue, and where it ends; what is cut off at the end makes it end behind that."""
    catalogue = Catalogue()
    catalogue.applied_index = applied_index
    catalogue.last_stamp, stream_count, order_count = _HEAD.unpack_from(content)
    place = _HEAD.size
    catalogue.reserve(min(stream_count, len(content) // _STREAM.size))
    for _ in range(stream_count):
        place = _decode_stream(catalogue, content, place)
    for _ in range(order_count):
        stream_id, producer_id = _ORDER.unpack_from(content, place)
        place += _ORDER.size
        producer: Producer | None = catalogue.by_id[stream_id].producer(producer_id)
        catalogue.restore_order(stream_id, producer_id, producer.last_stamp if producer else 0)
    return catalogue, place


def _decode_stream(catalogue: Catalogue, content: bytes, place: int) -> int:
    fields = _STREAM.unpack_from(content, place)
    stream_id, start, end, count, created, last, sealed, name_bytes, property_bytes, heard = fields
    place += _STREAM.size
    name = content[place : place + name_bytes].decode()
    place += name_bytes
    properties = shared_properties(content[place : place + property_bytes])
    place += property_bytes
    stream = Stream(
        name, stream_id, created, properties, start, end, count, bool(sealed), last_stamp=last
    )
    for _ in range(heard):
        producer_id, epoch, sequence, stamp, window = _PRODUCER.unpack_from(content, place)
        place += _PRODUCER.size
        if stream.producers is None:
            stream.producers = {}
        stream.producers[producer_id] = Producer(
            epoch, sequence, stamp, content[place : place + window]
        )
        place += window
    catalogue.add(stream)
    return place
