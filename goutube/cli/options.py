"""What commands have in common, whether or not they talk to a server."""

from __future__ import annotations

from typing import Final

import click

COMPLETE_VARIABLE: Final = "_GOUTUBE_COMPLETE"
"""Set by the completion script: the command is asked for words, and runs nothing."""

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def examples(*lines: str) -> str:
    """Make a command's epilog: what a newcomer may type, one line each, as it stands."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
