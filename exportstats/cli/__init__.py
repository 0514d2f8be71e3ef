"""The command `exportstats`: parse, call, print.

A command's module is imported when the command is used. It imports pandas, boto3 and rich only
inside functions, so that `--help` is fast.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

from exportstats import __version__
from exportstats.cli.failing import in_one_line, remember
from exportstats.text import did_you_mean

# The module of each command; the command is the function of the same name.
COMMANDS = {
    "fetch": "fetch",
    "archive": "archive",
    "tasks": "tables",
    "status": "tables",
    "durations": "tables",
    "failures": "tables",
    "curve": "tables",
    "compare": "change",
    "slow": "change",
    "phases": "tables",
    "slots": "tables",
    "coverage": "coverage",
    "gaps": "coverage",
    "backfill": "backfill",
    "deliveries": "tables",
    "calls": "calls",
    "incoming": "incoming",
    "eta": "waiting",
    "tonight": "tonight",
    "wait": "waiting",
    "watch": "watching",
    "report": "report",
    "demo": "demo",
    "emulate": "emulate",
    "doctor": "doctor",
    "completion": "completion",
}


class Commands(click.Group):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands, in the order in which help lists them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"{__name__}.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:  # noqa: ANN401 - click's
        """Find a command, or suggest those with a similar name."""
        if args and args[0] not in COMMANDS and (near := did_you_mean(args[0], COMMANDS)):
            ctx.fail(f"No such command {args[0]!r}{near}")
        found = super().resolve_command(ctx, args)
        remember(ctx, found[1])
        return found

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:  # noqa: ANN401 - click's
        """Parse the command line, and print what --help and --version ask for."""
        with in_one_line({}):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command."""
        with in_one_line(ctx.meta):
            return super().invoke(ctx)


def _set_color(ctx: click.Context, _: click.Parameter, color: str) -> None:
    """Set whether click and rich use colour."""
    ctx.color = {"always": True, "never": False}.get(color)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    epilog="Exit codes: 0 success, 1 failure, 2 wrong usage, 3 partial result (some data did not "
    "arrive or could not be read), 4 something was found (gaps or tonight --check, report "
    "--fail-on), 130 stopped by Ctrl-C before anything arrived (128 plus the number of any other "
    "signal).",
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    expose_value=False,
    callback=_set_color,
    help="When to use colour; auto means in a terminal, unless NO_COLOR is set.",
)
@click.version_option(__version__, message="exportstats %(version)s")
def main() -> None:
    """Analyse CloudWatch Logs export tasks.

    Most commands read tasks from files or an archive, or fetch them from AWS if none is given. A
    file is either written by `fetch` or the output of `aws logs describe-export-tasks`.
    """
