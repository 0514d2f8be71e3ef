"""The command `fetch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import exportstats as xs
from exportstats.cli.source import live_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from exportstats.cli.source import Loaded


@click.command()
@live_options
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Where to: .parquet, .csv, .jsonl or .json; text also .gz or .zst.",
)
@click.option("--next-token", help="Go on from where an earlier fetch stopped.")
def fetch(load: Callable[..., Loaded], output: str, next_token: str | None) -> None:
    """Fetch every export task of an account and region into a file.

    Needs the permission logs:DescribeExportTasks on "*". What arrived before a failure or Ctrl-C
    is written too, and the exit code is 3 then.

    \b
    exportstats fetch --region eu-west-1 -o tasks.parquet
    """
    tasks, code = load(next_token=next_token)
    xs.write_tasks(tasks, output)
    click.echo(f"exportstats: {len(tasks):,} tasks are in {output}", err=True)
    click.get_current_context().exit(code)
