"""``goutube completion``: the script that lets a shell complete words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from goutube.cli.options import COMPLETE_VARIABLE, examples


@click.command(
    epilog=examples(
        'eval "$(goutube completion bash)"',
        "goutube completion zsh > ~/.zfunc/_goutube",
        "goutube completion fish > ~/.config/fish/completions/goutube.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, /, *, shell: str) -> None:
    """Print the script that makes SHELL complete goutube's commands and options."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "goutube", COMPLETE_VARIABLE).source())
