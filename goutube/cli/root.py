"""The root command, and the one place where every failure becomes a sentence and a status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click
from click.shell_completion import shell_complete
from typing_extensions import override

from goutube.cli.options import COMPLETE_VARIABLE, examples, json_option
from goutube.cli.output import (
    EXIT_FAILURE,
    EXIT_INTERRUPTED,
    EXIT_PIPE_CLOSED,
    EXIT_USAGE,
    drop_stdout,
    print_json,
    tell,
)
from goutube.errors import ConfigError, GoutubeError, InvariantError

_COMMANDS: Final = {
    "agent": "Run a node in the foreground until SIGTERM or Ctrl-C.",
    "bench": "Measure a running server: rates and latencies.",
    "cluster": "Tell what the cluster is doing.",
    "completion": "Print the script that makes a shell complete words.",
    "consume": "Write the bytes of STREAM to standard output.",
    "download": "Copy STREAM into a file.",
    "log": "Look into a data directory, offline, and repair it.",
    "produce": "Append FILE, or standard input, to STREAM.",
    "streams": "List, describe, make, change, seal, trim and remove streams.",
}
"""What each does; it is found under its name in the module of that name."""


class LazyGroup(click.Group):
    """Imports a command when it is run: ``produce`` need not load what ``agent`` needs.

    Help and completion name all of them, and load none.
    """

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_COMMANDS])

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            return click.Command(cmd_name, short_help=_COMMANDS[cmd_name])
        return super().get_command(ctx, cmd_name)

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name in _COMMANDS:
            command = getattr(import_module(f"goutube.cli.{name}"), name)
            assert isinstance(command, click.Command)
        return name, command, rest


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "goutube agent --data-dir data",
        "echo hello | goutube produce greetings -",
        "goutube consume greetings",
    ),
)
@click.version_option(package_name="goutube", prog_name="goutube", message="%(prog)s %(version)s")
def root() -> None:
    """Store and serve named, append-only streams of bytes."""


@root.command()
@json_option
def version(*, as_json: bool) -> None:
    """Print the version."""
    from importlib.metadata import version as installed  # noqa: PLC0415 - it loads half of email

    number = installed("goutube")
    if as_json:
        print_json({"version": number})
    else:
        click.echo(f"goutube {number}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        The exit status. Nothing is raised: every failure is one line on stderr.
    """
    try:
        asked = os.environ.get(COMPLETE_VARIABLE) if arguments is None else None
        status = _complete(asked) if asked else _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()
        return EXIT_PIPE_CLOSED
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - one of the three supervised places
        tell(_sentence(error))
        return EXIT_FAILURE
    return status


def agent_main() -> int:
    """Run ``goutube agent`` under its own name, ``goutube-agent``."""
    return main(["agent", *sys.argv[1:]])


def _complete(asked: str) -> int:
    return shell_complete(root, {}, "goutube", COMPLETE_VARIABLE, asked)


def _run(arguments: Sequence[str] | None) -> int:
    # Not click's own main(): that answers a closed pipe and Ctrl-C in ways of its own.
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with root.make_context("goutube", words) as context:
            status = root.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return EXIT_USAGE
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "goutube"
        tell(f"{error.format_message().rstrip('.')}. See '{where} --help'.")
        return EXIT_USAGE
    except click.ClickException as error:
        tell(error.format_message())
        return error.exit_code
    except ConfigError as error:
        tell(error.message)
        return EXIT_USAGE
    return status if isinstance(status, int) else 0


def _sentence(error: Exception) -> str:
    match error:
        case GoutubeError():
            return error.message
        case OSError(strerror=str(cause), filename=str(path)):
            return f"{path}: {cause}"
        case OSError(strerror=str(cause)):
            return cause
        case InvariantError():
            return f"Goutube itself is wrong: {error}"
        case _:
            kind = type(error).__name__
    return f"this is a fault of Goutube itself, please report it: {kind}: {error}"
