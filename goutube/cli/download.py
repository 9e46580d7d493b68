"""``goutube download``: a stream into a file, by several calls at once, and on after a break."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from goutube.cli.options import examples, json_option
from goutube.cli.output import Advance, print_json, progress_bar, tell
from goutube.cli.session import DATA_TIMEOUT_S, with_client
from goutube.cli.values import BYTES, STREAM
from goutube.client import Client


@click.command(
    epilog=examples(
        "goutube download videos/a -o a.mp4",
        "goutube download videos/a -o a.mp4 --streams 8",
        "goutube download logs/app -o tail.log --offset 64MiB --limit 128MiB",
    )
)
@click.argument("stream", type=STREAM)
@click.option(
    "--output",
    "-o",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="The file to make; one that is there is replaced once the new one is whole.",
)
@click.option(
    "--streams",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    metavar="N",
    help="How many ranges to fetch at once.",
)
@click.option(
    "--offset", type=BYTES, metavar="N", help="Begin at this byte offset.  [default: earliest]"
)
@click.option("--limit", type=BYTES, metavar="END", help="Stop before this byte offset.")
@json_option
@with_client
def download(
    client: Client,
    *,
    stream: str,
    target: Path,
    streams: int,
    offset: int | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Copy STREAM, up to its end as it is now, into a file.

    The bytes collect in FILE.part, and FILE.resume tells which of them are there. However the
    command ends, the same command goes on where it was; what had come is not fetched again. When it
    ends with 0, FILE holds every byte, verified and synced.
    """
    if offset is not None and limit is not None and limit < offset:
        raise click.UsageError(f"--limit {limit} lies before --offset {offset}")
    info = client.stat(stream)
    begin = info.start_offset if offset is None else offset
    end = info.end_offset if limit is None else min(limit, info.end_offset)
    with progress_bar(stream, max(0, end - begin), wanted=True) as advance:
        result = client.download(
            stream,
            target,
            "earliest" if offset is None else offset,
            limit=limit,
            streams=streams,
            progress=_Bar(advance),
            timeout_s=DATA_TIMEOUT_S,
        )
    if as_json:
        print_json({"stream": stream, "file": str(target), **asdict(result)})
        return
    count = result.next_offset - result.offset
    before = f", {result.resumed_bytes} of them by an earlier run" if result.resumed_bytes else ""
    tell(f"{stream}: {count} bytes from offset {result.offset} are in {target}{before}.")


class _Bar:
    """Tells the progress bar the steps between what the client counts."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._done = 0

    def __call__(self, done_bytes: int, _total_bytes: int) -> None:
        """So many bytes are there."""
        self._advance(done_bytes - self._done)
        self._done = done_bytes
