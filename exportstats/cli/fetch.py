"""The command `fetch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import lazy_loader

import exportstats as xs
from exportstats.cli.failing import say
from exportstats.cli.options import TABLES, new_file_option
from exportstats.cli.source import live_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exportstats.cli import output
    from exportstats.cli.source import Loaded
else:  # pandas and rich are for a command that runs, not for its --help
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)


@click.command()
@live_options
@new_file_option(
    "-o",
    "--output",
    "file",
    endings=TABLES,
    required=True,
    help="Where to: .parquet, .csv, .jsonl or .json; text also .gz or .zst.",
)
@click.option("--next-token", metavar="TOKEN", help="Go on from where an earlier fetch stopped.")
def fetch(load: Callable[[], Loaded], file: Path) -> None:
    """Fetch every export task of an account and region into a file.

    Needs the permission logs:DescribeExportTasks on "*". What arrived before a failure or Ctrl-C
    is written too, and the exit code is 3 then. All tasks are asked for, since AWS can select by
    state or identifier alone; --since and --until are looked at afterwards.

    \b
    exportstats fetch --region eu-west-1 -o tasks.parquet
    """
    tasks, code = load()
    xs.write_tasks(tasks, file)
    say(f"{file}: {output.title_of(tasks)}")
    click.get_current_context().exit(code)
