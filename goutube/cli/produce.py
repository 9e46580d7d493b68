"""``goutube produce``: put a file or a live pipe into a stream."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

import click

from goutube.cli.options import examples, json_option
from goutube.cli.output import Advance, print_json, progress_bar, tell
from goutube.cli.session import DATA_TIMEOUT_S, meet, with_client
from goutube.cli.values import BYTES, STREAM
from goutube.client import Client
from goutube.errors import RecordTooLargeError
from goutube.limits import CHUNK_BYTES_DEFAULT, KIB, RECORD_BYTES_MAX

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
        meet(client, stream)
        size = _file_bytes(source)
        with progress_bar(stream, size, wanted=size is not None) as advance:
            counted = _Counted(_cut(source, records, chunk_bytes), advance)
            sent = client.append(stream, records=counted, seal=seal, timeout_s=DATA_TIMEOUT_S)
    if as_json:
        print_json(
            {
                "stream": stream,
                "offset": sent.offset,
                "next_offset": sent.next_offset,
                "bytes": counted.byte_count,
                "records": counted.record_count,
                "sealed": seal,
            }
        )
        return
    what = f"appended {counted.byte_count} bytes in {counted.record_count} records"
    tell(f"{stream}: {what} at offset {sent.offset}{' and sealed it' if seal else ''}.")


class _Counted:
    """The records on their way, counted as they are taken."""

    def __init__(self, values: Iterator[bytes], advance: Advance) -> None:
        self.byte_count = 0
        self.record_count = 0
        self._values = values
        self._advance = advance

    def __iter__(self) -> Iterator[bytes]:
        for value in self._values:
            self.byte_count += len(value)
            self.record_count += 1
            self._advance(len(value))
            yield value


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
