"""What a caller gives to append, as batches or as records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO

from goutube.client import requests
from goutube.errors import InvalidArgumentError
from goutube.model import Batch, Buffer
from goutube.routing import RECORD_BYTES, check_record, cut_bytes

Content = Buffer | BinaryIO
"""Bytes, or a binary file that is read to its end."""


def batches_of(content: Buffer) -> Iterable[tuple[Batch | None, bool]]:
    """Batches of plain bytes, each with whether it is the last; no bytes are one empty batch."""
    if isinstance(content, bytes) and 0 < len(content) <= RECORD_BYTES:
        return ((requests.batch_of(content, (len(content),)), True),)  # what most appends are
    return _cut_batches(content)


def _cut_batches(content: Buffer) -> Iterator[tuple[Batch | None, bool]]:
    pieces = cut_bytes(content)
    piece = next(pieces, None)
    if piece is None:
        yield None, True
        return
    while piece is not None:
        following = next(pieces, None)
        yield requests.batch_of(*piece), following is None
        piece = following


class FileRecords:
    """Pieces of a binary file as its reads give them: a pipe's bytes go on as soon as they come."""

    def __init__(self, file: BinaryIO) -> None:
        self.read: Callable[[int], bytes] = getattr(file, "read1", file.read)

    def __iter__(self) -> Iterator[bytes]:
        return iter(partial(self.read, RECORD_BYTES), b"")


def checked(records: Iterable[bytes]) -> Iterator[bytes]:
    """The user's own records, each one judged before it is sent.

    Raises:
        InvalidArgumentError: a record is empty, too long or no bytes.
    """
    if isinstance(records, (bytes, bytearray, memoryview, str)):
        raise InvalidArgumentError("records must be an iterable of bytes; give a list")
    return map(check_record, records)


async def checked_async(
    records: Iterable[bytes] | AsyncIterable[bytes],
) -> AsyncGenerator[bytes, None]:
    """``checked`` for asyncio: the iterable may be an asynchronous one.

    Raises:
        InvalidArgumentError: a record is empty, too long or no bytes.
    """
    if isinstance(records, AsyncIterable):
        async for record in records:
            yield check_record(record)
        return
    for record in checked(records):
        yield record


async def read_async(file: FileRecords) -> AsyncGenerator[bytes, None]:
    """The pieces of a binary file, read on a thread."""
    while piece := await asyncio.to_thread(file.read, RECORD_BYTES):
        yield piece


def content_of(content: Content | None) -> Buffer | FileRecords:
    """What was given to append: bytes as they are, or the pieces of a binary file.

    Raises:
        InvalidArgumentError: it is neither.
    """
    if isinstance(content, (bytes, bytearray, memoryview)):
        return content
    if isinstance(content, str):
        raise InvalidArgumentError("text must be encoded before it is appended: text.encode()")
    if content is None or not callable(getattr(content, "read", None)):
        raise InvalidArgumentError(
            f"{type(content).__name__} cannot be appended; give bytes, a binary file or records="
        )
    return FileRecords(content)
