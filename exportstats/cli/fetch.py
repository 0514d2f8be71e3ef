"""The command `fetch`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import click
import lazy_loader

import exportstats as xs
from exportstats.cli.failing import knows_a_part, say
from exportstats.cli.options import TABLES, new_file_option
from exportstats.cli.source import live_options
from exportstats.errors import ArgumentError, UnusedWarning
from exportstats.io.whole import one_at_a_time

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from exportstats.cli import output
    from exportstats.cli.source import Origin
    from exportstats.cli.wanted import Wanted
    from exportstats.core import schema
else:  # pandas and rich are for a command that runs, not for its --help
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)
    schema = lazy_loader.load("exportstats.core.schema", suppress_warning=True)


@click.command()
@live_options
@new_file_option(
    "-o",
    "--output",
    "file",
    kinds=TABLES,
    required=True,
    help="Where to: .parquet, .csv, .jsonl or .json; text also .gz or .zst.",
)
@click.option("--replace", is_flag=True, help="Replace a file that is there by what was fetched.")
@click.option("--next-token", metavar="TOKEN", help="Go on from where an earlier fetch stopped.")
def fetch(origin: Origin, wanted: Wanted, file: Path, *, replace: bool) -> None:
    """Fetch every export task of an account and region into a file, or what is new.

    Tasks that the file has already stay in it, each task once in its latest state: AWS forgets old
    tasks. Needs the permission logs:DescribeExportTasks on "*". What arrived before a failure or
    Ctrl-C is written too, and the exit code is 3 then; it never replaces a file, only adds to it.
    All tasks are asked for, since AWS can select by state or identifier alone; the other options
    are looked at afterwards.

    \b
    exportstats fetch --region eu-west-1 -o tasks.parquet
    """
    _read(file)  # what is there and is no table of tasks is refused before AWS is asked
    tasks = origin.load(wanted)
    with one_at_a_time(file):
        before = _read(file)  # another fetch may have written it meanwhile
        if replace and knows_a_part():
            say(f"{file} is not replaced, since not all tasks arrived: they are added to it")
        if before is None or (replace and not knows_a_part()):
            written, what = tasks, ""
        else:
            written = _merged(before, tasks)
            what = f"; {_compared(_placed(before, tasks), written)}"
        xs.write_tasks(written, file)
    say(f"{file}: {output.title_of(written)}{what}")


def _read(file: Path) -> pd.DataFrame | None:
    """Read the tasks that are in a file already, all of them with all that is known of them.

    Raises
    ------
    ArgumentError
        Something in it would be lost when it is written again.
    """
    if not file.exists() or not file.stat().st_size:
        return None
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UnusedWarning)
            tasks = xs.read_tasks(file, strict=True)
        lost = [one.message for one in said if isinstance(one.message, UnusedWarning)]
        lost = [one for one in lost if one.dropped or one.partial]
        if lost:
            raise ArgumentError(str(lost[0]))
    except xs.ExportStatsError as error:
        raise ArgumentError(
            f"{file} is there, and something in it would be lost: {error}; name another file"
        ) from error
    return tasks


def _merged(before: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """Put together tasks of a file and those that were fetched; own columns stay with a task."""
    before, tasks = _placed(before, tasks), _placed(tasks, before)
    own = [str(name) for name in before if name not in tasks]
    for name in own:
        if before[name].dtype.kind in "iub":  # of those that are new it is missing
            before = before.assign(**{name: before[name].convert_dtypes()})
    key = list(schema.KEY)
    added = before.drop_duplicates(key)[[*key, *own]]
    return xs.concat([before, tasks.merge(added, how="left", on=key) if own else tasks])


def _placed(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Fill in an account or region that only another table knows of the same task."""
    known = other.drop_duplicates("task_id", keep=False).set_index("task_id")
    for name in schema.SLOT:
        if table[name].isna().any():
            there = table["task_id"].map(known[name].astype("str"))
            table = table.assign(**{name: table[name].astype("str").fillna(there)})
    return table


def _compared(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Say how many tasks are new, changed, and as they were."""
    key = list(schema.KEY)
    fields = [column.name for column in schema.TASKS.base if column.name != "observed_at"]
    same = len(after[fields].merge(before[fields].drop_duplicates(), on=fields))
    keys = after[key].merge(before[key].drop_duplicates(), how="left", indicator=True)
    new = int((keys["_merge"] == "left_only").sum())
    return f"{new:,} new, {len(after) - new - same:,} changed, {same:,} as before"
