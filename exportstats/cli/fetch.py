"""The command `fetch`."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.failing import is_partial, say
from exportstats.cli.options import OUTPUT
from exportstats.cli.question import title_of
from exportstats.cli.source import sourced
from exportstats.core import schema
from exportstats.errors import ArgumentError, UnusedWarning
from exportstats.io.whole import one_at_a_time
from exportstats.text import counted

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from exportstats.cli.source import Origin


@sourced(
    OUTPUT,
    click.option(
        "--replace", is_flag=True, help="Replace an existing file instead of adding to it."
    ),
    click.option("--next-token", metavar="TOKEN", help="Continue an earlier fetch at this token."),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Count targets and requests, and fetch nothing. Only accounts and regions are listed.",
    ),
    is_live=True,
)
def fetch(origin: Origin, file: Path, *, replace: bool, dry_run: bool) -> None:
    """Fetch export tasks from AWS and add them to a file.

    Tasks already in the file are kept, because AWS forgets old tasks. Each task is stored once, in
    its latest state. After a failure or Ctrl-C, the tasks that arrived are stored, and the exit
    code is 3. Requires the permission logs:DescribeExportTasks on "*".

    AWS can filter tasks by state or task ID only. Other filters are applied after all tasks are
    fetched.

    With --dry-run, the requests of a target are as many as its tasks in an existing file need, 50
    tasks each, and at least one.

    \b
    exportstats fetch --region eu-west-1 -o tasks.parquet
    exportstats fetch --all-regions -o tasks.parquet --dry-run
    """
    before = read_existing(file)  # fail before AWS is asked
    if dry_run:
        _show_requests(origin, file, before)
        return
    tasks = origin.load()
    with one_at_a_time(file):
        before = read_existing(file)  # another fetch may have written it meanwhile
        if replace and is_partial():
            say(f"not all tasks arrived, so {file} is not replaced; they are added to it")
        if before is None or (replace and not is_partial()):
            written, what = tasks, ""
        else:
            written = _merged(before, tasks)
            what = f"; {_compared(_placed(before, tasks), written)}"
        xs.write_tasks(written, file)
    say(f"{file}: {title_of(written)}{what}")


def _show_requests(origin: Origin, file: Path, before: pd.DataFrame | None) -> None:
    """Print how many requests a fetch would send, by the tasks of an existing file."""
    from exportstats.aws.tasks import PAGE_SIZE

    targets = origin.targets or [xs.Target(origin.account, origin.region)]
    known: dict[Any, int] = {}
    if before is not None:
        if origin.wanted.status:  # the filter that AWS has
            before = before[before["status_code"] == origin.wanted.status]
        known = before.groupby(list(schema.SLOT), observed=True).size().to_dict()
    tasks = [known.get((one.account_id or "", one.region or "")) for one in targets]
    if origin.targets is None and len(known) == 1:  # STS would tell which account it is
        tasks = [*known.values()]
    pages = [1 if count is None else max(1, math.ceil(count / PAGE_SIZE)) for count in tasks]
    many = counted(sum(pages), "request")
    click.echo(counted(len(targets), "target"))
    if any(tasks):
        some = counted(sum(map(bool, tasks)), "target")
        click.echo(f"DescribeExportTasks: about {many}, as {some} had tasks in {file}")
    else:
        click.echo(f"DescribeExportTasks: at least {many}")
    roles = {one.role_arn for one in targets} - {None}
    if roles:
        click.echo(f"AssumeRole: {counted(len(roles), 'request')}")


def read_existing(file: Path, of: str = "tasks") -> pd.DataFrame | None:
    """Read the table of an existing file; refuse it if rewriting it would lose data."""
    if not file.exists() or not file.stat().st_size:
        return None
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UnusedWarning)
            table: pd.DataFrame = getattr(xs, f"read_{of}")(file, strict=True)
        lost = [one.message for one in said if isinstance(one.message, UnusedWarning)]
        lost = [one for one in lost if one.dropped or one.partial]
        if lost:
            raise ArgumentError(str(lost[0]))
    except xs.ExportStatsError as error:
        raise ArgumentError(
            f"{file} exists, and adding to it would lose data: {error}; choose another file"
        ) from error
    return table


def _merged(before: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """Combine the tasks of a file with fetched ones, and keep the user's own columns."""
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
    """Count new, changed and unchanged tasks, in words."""
    key = list(schema.KEY)
    fields = [column.name for column in schema.TASKS.base if column.name != "observed_at"]
    same = len(after[fields].merge(before[fields].drop_duplicates(), on=fields))
    keys = after[key].merge(before[key].drop_duplicates(), how="left", indicator=True)
    new = int((keys["_merge"] == "left_only").sum())
    return f"{new:,} new, {len(after) - new - same:,} changed, {same:,} unchanged"
