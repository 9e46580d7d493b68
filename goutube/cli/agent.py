"""``goutube agent``: run a node. Its options are the settings of ``goutube.config``."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from goutube.cli.options import examples, json_option
from goutube.cli.output import print_json, print_table, tell
from goutube.config import FIELDS, Loaded, effective, load

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _settings(command: _Command) -> _Command:
    """Give the command one option for each setting; they arrive as text, None where not given."""
    for field in reversed(FIELDS):
        default = f"  [default: {field.default}]" if field.default else ""
        command = click.option(
            field.flag,
            *field.aliases,
            field.name,
            type=str,
            flag_value="true" if field.switch else None,
            is_flag=False,
            metavar="" if field.switch else "VALUE",
            hidden=not field.built,
            help=field.help + default,
        )(command)
    return command


@click.command(
    epilog=examples(
        "goutube agent",
        "goutube agent --data-dir /var/lib/goutube --config /etc/goutube.toml",
        "goutube agent --rpc-port 0.0.0.0:7373 --insecure --check",
    )
)
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar="GOUTUBE_CONFIG",
    help="A TOML file of settings.  [default: $GOUTUBE_CONFIG, else none]",
)
@click.option("--check", is_flag=True, help="Print every setting and its source, and end.")
@json_option
@_settings
@click.pass_context
def agent(
    context: click.Context, /, *, file: Path | None, check: bool, as_json: bool, **flags: str | None
) -> None:
    """Run a node in the foreground until SIGTERM or Ctrl-C.

    Each setting may also stand in a TOML file, under its name with _ for -, or in the environment,
    as GOUTUBE_ and its name. Flags win over the environment, and that over the file. Settings for
    clusters, TLS and access control are known, and refused in this release.
    """
    if as_json and not check:
        raise click.UsageError("--json goes with --check")
    loaded = load(flags, file, os.environ)
    if check:
        _print_settings(loaded, as_json=as_json)
        return
    gc.disable()
    from goutube.agent import run  # noqa: PLC0415 - --check need not load the server

    # Modules live as long as the process: to look through them for garbage, now or ever, is idle.
    gc.freeze()
    gc.enable()
    context.exit(run(loaded))


def _print_settings(loaded: Loaded, *, as_json: bool) -> None:
    settings = effective(loaded)
    if as_json:
        print_json({name: {"value": value, "source": source} for name, value, source in settings})
    else:
        print_table(["setting", "value", "source"], [list(setting) for setting in settings])
    for sentence in (*loaded.warnings, *loaded.notes):
        tell(f"{sentence}.")
