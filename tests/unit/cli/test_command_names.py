"""The root command knows its commands by name, and loads one of them only when it is run."""

import subprocess
import sys

import click
import pytest

from goutube.cli.root import root

NAMES = root.list_commands(click.Context(root))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_leads_to_its_command(name):
    """Under each name that the help lists there is a command of this name, with a help of its own."""
    with click.Context(root) as context:
        found, command, rest = root.resolve_command(context, [name, "--help"])
    assert (found, command.name, rest) == (name, name, ["--help"])
    assert command.help


@pytest.mark.parametrize("words", [["--help"], ["strea"]])
def test_help_and_refusals_load_nothing_that_a_command_needs(words):
    """They are there at once."""
    program = (
        "import sys; from goutube.cli.root import main; main(sys.argv[1:]); "
        "print([name for name in ('grpc', 'numpy', 'pydantic', 'asyncio', 'rich') if name in sys.modules])"
    )
    told = subprocess.check_output([sys.executable, "-c", program, *words], text=True)
    assert told.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", ["consume", "download", "produce", "streams"])
def test_commands_load_no_more_than_a_client_needs(name):
    """Neither what checks an agent's settings nor what the ring stands on."""
    program = (
        f"import sys; from goutube.cli.{name} import {name}; import goutube.cli.root; "
        "print([name for name in ('numpy', 'pydantic', 'rich', 'structlog') if name in sys.modules])"
    )
    told = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert told == "[]\n"
