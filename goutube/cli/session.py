"""The options that every command for a running server has, and the client that they describe."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Concatenate, Final

import click

from goutube.cli.values import ADDRESSES
from goutube.client import Client, connect
from goutube.errors import StreamNotFoundError

CONNECT_TIMEOUT_S: Final = 3.0
DATA_TIMEOUT_S: Final = 30.0
"""How long bytes under way may stand still: a server that was met may be busy, or starting anew."""


def with_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--server`` and ``--timeout``, as ``server`` and ``timeout_s``."""
    server = click.option(
        "--server",
        type=ADDRESSES,
        metavar="HOST:PORT[,...]",
        envvar="GOUTUBE_SERVER",
        default="127.0.0.1:7373",
        help="Any node; several by commas.  [default: $GOUTUBE_SERVER, else 127.0.0.1:7373]",
    )
    timeout = click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        default=CONNECT_TIMEOUT_S,
        show_default=True,
        help="How long to try to meet a server.",
    )
    return server(timeout(command))


def with_client(
    command: Callable[Concatenate[Client, ...], None],
) -> Callable[..., None]:
    """Give a command ``--server`` and ``--timeout``, and a client of it as its first argument.

    The client is made when the command begins, and meets the server with the command's first call.
    """

    @with_server
    @wraps(command)
    def connected(*, server: tuple[str, ...], timeout_s: float, **options: object) -> None:
        with connect(*server, timeout_s=timeout_s) as client:
            command(client, **options)

    return connected


def meet(client: Client, stream: str) -> None:
    """Ask for a stream before bytes move, so that a server that is not there is told soon."""
    with suppress(StreamNotFoundError):
        client.stat(stream)
