"""``goutube produce``: put a file or a live pipe into a stream."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

import click

from goutube.cli.options import examples, json_option
from goutube.cli.output import Advance, print_json, progress_bar, tell
from goutube.cli.session import with_client
from goutube.cli.values import BYTES, STREAM
from goutube.client import Client
from goutube.errors import RecordTooLargeError, StreamExistsError
from goutube.limits import CHUNK_BYTES_DEFAULT, KIB, RECORD_BYTES_MAX

_LINGER_MS: Final = 1
"""Long enough to put the reads of a fast pipe together, short enough for a live one."""
_LONGEST: Final = RECORD_BYTES_MAX


@click.command(
    epilog=examples(
        "goutube produce videos/a a.mp4 --seal",
        "ffmpeg -i rtsp://cam1 -c copy -f mpegts - | goutube produce live/cam1 -",
        "tail -f app.log | goutube produce logs/app --records lines",
    )
)
@click.argument("stream", type=STREAM)
@click.argument("file", default="-", metavar="[FILE|-]")
@click.option(
    "--records",
    type=click.Choice(["lines", "whole", "chunks"]),
    default="chunks",
    show_default=True,
    help="What becomes one record: a line with its newline, the whole input, or a chunk.",
)
@click.option(
    "--chunk-size",
    "chunk_bytes",
    type=BYTES,
    metavar="N",
    default=f"{CHUNK_BYTES_DEFAULT // KIB}KiB",
    show_default=True,
    help="Longest chunk; a pipe's chunks are what one read of it gives.",
)
@click.option("--seal", is_flag=True, help="End the stream afterwards: no byte follows.")
@json_option
@with_client
def produce(
    client: Client,
    *,
    stream: str,
    file: str,
    records: str,
    chunk_bytes: int,
    seal: bool,
    as_json: bool,
) -> None:
    """Append FILE, or standard input, to STREAM.

    The stream is created if it is not there. A pipe's bytes are appended as they come. When the
    command ends with 0, every byte is durable.
    """
    if not 0 < chunk_bytes <= _LONGEST:
        raise click.BadParameter(
            f"{chunk_bytes} is out of range; a chunk has 1 to {_LONGEST} bytes",
            param_hint="'--chunk-size'",
        )
    with _source(file) as source:
        size = _file_bytes(source)
        with progress_bar(stream, size, wanted=size is not None) as advance:
            sent = _send(client, stream, _cut(source, records, chunk_bytes), advance)
    if seal:
        client.seal(stream)
    if as_json:
        print_json({"stream": stream, **asdict(sent), "sealed": seal})
        return
    what = f"appended {sent.bytes} bytes in {sent.records} records at offset {sent.offset}"
    tell(f"{stream}: {what}{', and sealed it' if seal else ''}; it goes on at {sent.next_offset}.")


@dataclass(frozen=True, slots=True)
class _Sent:
    offset: int
    next_offset: int
    bytes: int
    records: int


def _send(client: Client, stream: str, values: Iterator[bytes], advance: Advance) -> _Sent:
    first = last = None
    byte_count = record_count = 0
    with client.producer(stream, linger_ms=_LINGER_MS) as producer:
        for value in values:
            last = producer.send(value)
            first = first or last
            byte_count += len(value)
            record_count += 1
            advance(len(value))
    if first is None or last is None:
        end = _end_of(client, stream)
        return _Sent(end, end, 0, 0)
    return _Sent(first.result().offset, last.result().next_offset, byte_count, record_count)


def _end_of(client: Client, stream: str) -> int:
    """Nothing came: the stream is made all the same, as an empty file is by ``cp``."""
    try:
        return client.create(stream).end_offset
    except StreamExistsError:
        return client.stat(stream).end_offset


def _source(file: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb")


def _file_bytes(source: BinaryIO) -> int | None:
    """How long a regular file is; None for a pipe or terminal."""
    status = os.fstat(source.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _cut(source: BinaryIO, records: str, chunk_bytes: int) -> Iterator[bytes]:
    """Cut the input into records; what a pipe gives is handed on as soon as it comes."""
    match records:
        case "lines":
            for number, line in enumerate(iter(partial(source.readline, _LONGEST + 1), b""), 1):
                yield _bounded(line, f"line {number}")
        case "whole":
            value = source.read(_LONGEST + 1)
            if value:
                yield _bounded(value, "the input")
        case _:
            read = source.read1 if isinstance(source, BufferedReader) else source.read
            yield from iter(partial(read, chunk_bytes), b"")


def _bounded(value: bytes, what: str) -> bytes:
    if len(value) > _LONGEST:
        raise RecordTooLargeError(
            f"{what} is longer than a record may be, {_LONGEST} bytes; use --records chunks"
        )
    return value
