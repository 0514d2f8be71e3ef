"""The command `fetch`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import click

import exportstats as xs
from exportstats.cli.failing import knows_a_part, say
from exportstats.cli.options import TABLES, NewFile
from exportstats.cli.question import title_of
from exportstats.cli.source import sourced
from exportstats.core import schema
from exportstats.errors import ArgumentError, UnusedWarning
from exportstats.io.whole import one_at_a_time

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from exportstats.cli.source import Origin


@sourced(
    click.option(
        "-o",
        "--output",
        "file",
        type=NewFile(TABLES),
        required=True,
        help="The file to write: .parquet, .csv, .jsonl or .json; all but .parquet also .gz or "
        ".zst.",
    ),
    click.option(
        "--replace", is_flag=True, help="Replace an existing file instead of adding to it."
    ),
    click.option("--next-token", metavar="TOKEN", help="Continue where an earlier fetch stopped."),
    is_live=True,
)
def fetch(origin: Origin, file: Path, *, replace: bool) -> None:
    """Fetch every export task from AWS, and add them to a file.

    Tasks that are already in the file stay there, because AWS forgets old tasks; each task is kept
    once, in its latest state. After a failure or Ctrl-C, what arrived is added too, and the exit
    code is 3. Needs the permission logs:DescribeExportTasks on "*".

    AWS can select tasks by state or identifier only, so with other filters all tasks are fetched,
    and the filters are applied afterwards.

    \b
    exportstats fetch --region eu-west-1 -o tasks.parquet
    """
    _read(file)  # refuse a file that is not a table of tasks before AWS is asked
    tasks = origin.load()
    with one_at_a_time(file):
        before = _read(file)  # another fetch may have written it meanwhile
        if replace and knows_a_part():
            say(f"{file} is not replaced, because not all tasks arrived; they are added to it")
        if before is None or (replace and not knows_a_part()):
            written, what = tasks, ""
        else:
            written = _merged(before, tasks)
            what = f"; {_compared(_placed(before, tasks), written)}"
        xs.write_tasks(written, file)
    say(f"{file}: {title_of(written)}{what}")


def _read(file: Path) -> pd.DataFrame | None:
    """Read the tasks of an existing file, or refuse it if writing it again would lose something."""
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
            f"{file} exists, and something in it would be lost: {error}; name another file"
        ) from error
    return tasks


def _merged(before: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """Combine the tasks of a file with those that were fetched; own columns stay with a task."""
    before, tasks = _placed(before, tasks), _placed(tasks, before)
    own = [str(name) for name in before if name not in tasks]
    for name in own:
        if before[name].dtype.kind in "iub":  # new tasks have missing values
            before = before.assign(**{name: before[name].convert_dtypes()})
    key = list(schema.KEY)
    added = before.drop_duplicates(key)[[*key, *own]]
    return xs.concat([before, tasks.merge(added, how="left", on=key) if own else tasks])


def _placed(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Fill in missing accounts and regions from the same tasks in another table."""
    known = other.drop_duplicates("task_id", keep=False).set_index("task_id")
    for name in schema.SLOT:
        if table[name].isna().any():
            there = table["task_id"].map(known[name].astype("str"))
            table = table.assign(**{name: table[name].astype("str").fillna(there)})
    return table


def _compared(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Return how many tasks are new, changed and unchanged."""
    key = list(schema.KEY)
    fields = [column.name for column in schema.TASKS.base if column.name != "observed_at"]
    same = len(after[fields].merge(before[fields].drop_duplicates(), on=fields))
    keys = after[key].merge(before[key].drop_duplicates(), how="left", indicator=True)
    new = int((keys["_merge"] == "left_only").sum())
    return f"{new:,} new, {len(after) - new - same:,} changed, {same:,} unchanged"
