"""The command `completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a shell script that enables command completion.

    For bash, add this line to ~/.bashrc:

    \b
    eval "$(exportstats completion bash)"
    """
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - click has all three
    main = ctx.find_root().command
    click.echo(made(main, {}, "exportstats", "_EXPORTSTATS_COMPLETE").source())
