"""``goutube consume``: a stream's bytes to standard output or into a file."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

import click

from goutube.cli.options import examples
from goutube.cli.output import Advance, print_json, progress_bar, write_all
from goutube.cli.session import DATA_TIMEOUT_S, with_client
from goutube.cli.values import BYTES, START, STREAM
from goutube.client import Client
from goutube.model import Record, StreamInfo
from goutube.routing import Start


@click.command(
    epilog=examples(
        "goutube consume videos/a -o a.mp4",
        "goutube consume videos/a --offset 1000003 --limit 3000008 | sha256sum",
        "goutube consume live/cam1 --offset latest --follow | ffplay -",
        "goutube consume logs/app --tail 10 --follow",
        "goutube consume logs/app --offset @2026-11-23T16:00:00Z --json",
    )
)
@click.argument("stream", type=STREAM)
@click.option(
    "--offset",
    "start",
    type=START,
    metavar="PLACE",
    help="Where to begin: N (a byte offset), -N (the last N bytes), earliest, latest, or @TIME in"
    " Unix seconds, Unix milliseconds or ISO 8601, UTC if it names no zone.  [default: earliest]",
)
@click.option(
    "--tail", type=click.IntRange(min=0), metavar="N", help="Begin N records before the end."
)
@click.option("--limit", type=BYTES, metavar="END", help="Stop before this byte offset.")
@click.option(
    "--follow", "-f", is_flag=True, help="Wait at the end for more, until the stream is sealed."
)
@click.option(
    "--output",
    "-o",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write into FILE, in place, instead of standard output.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help='Print each record as a line {"offset", "timestamp_ms", "value"}, value in base64.',
)
@with_client
def consume(  # noqa: PLR0913 - one parameter per option
    client: Client,
    *,
    stream: str,
    start: Start | None,
    tail: int | None,
    limit: int | None,
    follow: bool,
    target: Path | None,
    as_json: bool,
) -> None:
    """Write the bytes of STREAM to standard output.

    It ends where the stream ended when the command began, or at --limit; with --follow it goes on
    until the stream is sealed. Numbers may end in KiB, MiB or GiB.
    """
    if as_json and target is not None:
        raise click.UsageError("--json prints to standard output; redirect it instead of -o")
    start = _start(start, tail, limit)
    info = client.stat(stream)
    wish = {"limit": limit, "follow": follow, "timeout_s": DATA_TIMEOUT_S, **_place(start)}
    if as_json:
        _print_records(client.records(stream, **wish), follow=follow)
        return
    chunks = client.read(stream, **wish)
    shown = not follow and (target is not None or not sys.stdout.isatty())
    with progress_bar(stream, _bytes_ahead(info, start, limit), wanted=shown) as advance:
        _copy(chunks, target, advance)


def _start(start: Start | None, tail: int | None, limit: int | None) -> Start:
    if start is not None and tail is not None:
        raise click.UsageError("--offset and --tail both say where to begin; give one of them")
    if tail is not None:
        return Start("last_records", tail)
    if start is None:
        return Start("earliest")
    if start.kind == "offset" and limit is not None and limit < start.value:
        raise click.UsageError(f"--limit {limit} lies before --offset {start.value}")
    return start


def _place(start: Start) -> dict[str, Any]:
    """Where to begin, as an argument of the client's ``read`` and ``records``."""
    if start.kind in ("earliest", "latest"):
        return {"offset": start.kind}
    return {start.kind: start.value}


def _copy(chunks: Iterator[bytes], target: Path | None, advance: Advance) -> None:
    if target is None:
        _write(chunks, sys.stdout.buffer, advance)
        return
    first = next(chunks, b"")  # before the file is touched: a read that is refused empties none
    with target.open("wb", buffering=0) as file:
        _write(chain([first], chunks), file, advance)


def _write(chunks: Iterable[bytes], file: IO[bytes], advance: Advance) -> None:
    for chunk in chunks:
        write_all(file, chunk)
        advance(len(chunk))


def _print_records(records: Iterator[Record], *, follow: bool) -> None:
    for record in records:
        print_json(
            {
                "offset": record.offset,
                "timestamp_ms": record.timestamp_ms,
                "value": base64.b64encode(record.value).decode(),
            },
            flush=follow,
        )


def _bytes_ahead(info: StreamInfo, start: Start, limit: int | None) -> int | None:
    """How much the progress bar has before it; None where only the server knows."""
    end = info.end_offset if limit is None else min(limit, info.end_offset)
    match start.kind:
        case "offset":
            return max(0, end - start.value)
        case "earliest":
            return max(0, end - info.start_offset)
        case "last_bytes":
            return max(0, end - max(info.start_offset, info.end_offset - start.value))
        case _:
            return None
