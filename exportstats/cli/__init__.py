"""The command `exportstats`: parse, call, print.

A subcommand's module is imported when it is run, so that `--help` answers at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click

from exportstats import __version__
from exportstats.cli.failing import in_one_line
from exportstats.text import did_you_mean

if TYPE_CHECKING:
    from typing import Any

# Each is a function of its name in a module of this folder.
COMMANDS = {
    "fetch": ("fetch", "Fetch every export task from AWS, and add them to a file."),
    "tasks": ("listing", "List tasks, the newest first."),
    "status": ("tables", "Count tasks by state."),
    "durations": ("tables", "Summarise how long tasks took."),
    "failures": ("tables", "Count failed tasks by reason."),
    "curve": ("tables", "Show by when tasks are done, counting active ones."),
    "compare": ("change", "Compare two periods."),
    "slow": ("change", "List unusually slow tasks, or log groups that became slower."),
    "slots": ("tables", "Show how busy each account and region is."),
    "coverage": ("coverage", "Show how much of a range is in S3."),
    "gaps": ("coverage", "List the parts of a range that are not in S3."),
    "backfill": ("backfill", "Print the commands that would close the gaps."),
    "deliveries": ("deliveries", "List what tasks delivered to S3."),
    "eta": ("waiting", "Estimate when the active tasks will be done."),
    "wait": ("waiting", "Wait until a task has ended."),
    "watch": ("watching", "Watch the active tasks of all accounts and regions."),
    "report": ("report", "Report on a week: what needs doing and by when, the worst first."),
    "demo": ("demo", "Run everything on a synthetic sample, without AWS."),
    "emulate": ("emulate", "Emulate AWS's endpoint on this machine."),
    "completion": ("completion", "Print a script that lets a shell complete commands."),
}


class Commands(click.Group):
    """A group that knows its commands' names and purposes without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands, in the order of the list."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), cmd_name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:  # noqa: ANN401 - click's
        """Find a command, or suggest those with a similar name."""
        if args and args[0] not in COMMANDS and (near := did_you_mean(args[0], COMMANDS)):
            ctx.fail(f"No such command {args[0]!r}{near}")
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:  # noqa: ANN401 - click's
        """Parse the command line, and print what --help and --version ask for."""
        with in_one_line({}):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command."""
        with in_one_line(ctx.meta):
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in COMMANDS.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    epilog="Exit codes: 0 success, 1 failure, 2 wrong usage, 3 partial result (some data did not "
    "arrive or could not be read), 4 something was found (gaps --check, report --fail-on), 130 "
    "stopped by Ctrl-C before anything arrived (128 plus the number of any other signal).",
)
@click.version_option(__version__, message="exportstats %(version)s")
def main() -> None:
    """Analyse CloudWatch Logs export tasks.

    All commands but `demo` and `emulate` read tasks from files (written by `fetch`, or the
    output of `aws logs describe-export-tasks`) or, without a file, fetch them from AWS.
    """
