"""Where output goes: data to stdout, sentences and progress to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, Protocol

from goutube.limits import KIB

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
EXIT_PIPE_CLOSED: Final = 141
"""What a shell reports for a program that ends by SIGPIPE, as other filters do."""
_STEP_BYTES: Final = 256 * KIB


class Advance(Protocol):
    """Counts bytes that are done."""

    def __call__(self, byte_count: int) -> None:
        """Add ``byte_count`` to what is done."""


def print_json(value: object, *, flush: bool = True) -> None:
    """Write one JSON document as one line to stdout; ``flush`` hands it on at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    if flush:
        sys.stdout.flush()


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Write a table to stdout: aligned on a terminal, bare tab-separated lines in a pipe."""
    if not sys.stdout.isatty():
        sys.stdout.write("".join("\t".join(row) + "\n" for row in rows))
        sys.stdout.flush()
        return
    from rich.console import Console  # noqa: PLC0415 - only terminals show what it draws
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = bool(rows) and all(row[len(table.columns)].isdecimal() for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)


def print_fields(fields: dict[str, str]) -> None:
    """Write ``name: value`` lines to stdout."""
    width = max(map(len, fields), default=0) + 1
    sys.stdout.write("".join(f"{name + ':':{width}} {text}\n" for name, text in fields.items()))
    sys.stdout.flush()


def tell(sentence: str) -> None:
    """Write a message to stderr, always as one line ``goutube: <sentence>``."""
    sys.stderr.write(f"goutube: {' '.join(sentence.split())}\n")
    sys.stderr.flush()


def write_all(target: IO[bytes], data: bytes) -> None:
    """Write bytes and hand them on at once, so that the next program in a pipe has them.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    rest = memoryview(data)
    while rest:  # an unbuffered file may take a part only
        rest = rest[target.write(rest) :]
    target.flush()


def drop_stdout() -> None:
    """Point stdout nowhere, so that the interpreter's last flush of a closed pipe stays quiet."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@contextmanager
def progress_bar(label: str, total_bytes: int | None, *, wanted: bool) -> Iterator[Advance]:
    """Show a progress bar on stderr while the block runs, if stderr is a terminal.

    Args:
        label: what is moving; plain text.
        total_bytes: how much there is to move, or None where nobody knows.
        wanted: false shows nothing.

    Yields:
        A function to call with each number of bytes that is done.
    """
    if not (wanted and sys.stderr.isatty()):
        yield _ignore
        return
    from rich import progress as bars  # noqa: PLC0415 - only terminals show what it draws
    from rich.console import Console  # noqa: PLC0415 - as above

    with bars.Progress(
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.DownloadColumn(binary_units=True),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task(label, total=total_bytes)
        counted = 0

        def advance(byte_count: int) -> None:
            nonlocal counted
            counted += byte_count
            if counted >= _STEP_BYTES:  # a bar that moves for each short line would be the brake
                progress.advance(task, counted)
                counted = 0

        yield advance
        progress.advance(task, counted)


def _ignore(byte_count: int) -> None:
    """Count nothing: no progress is shown."""
