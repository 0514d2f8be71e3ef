"""The command `tasks`."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING

import click
import lazy_loader

from exportstats.cli.failing import say
from exportstats.cli.options import format_option
from exportstats.cli.source import source_options

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from exportstats.cli import output
    from exportstats.cli.options import Kind
else:  # pandas and rich are for a command that runs, not for its --help
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)

_SHOWN = 40  # in a terminal
_YEAR, _DAY = dt.timedelta(days=300), len("2026-")


@click.command()
@source_options
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="NUMBER",
    help=f"List at most this many tasks.  [default: all; {_SHOWN} in a terminal's table]",
)
@format_option
def tasks(load: Callable[[], pd.DataFrame], limit: int | None, kind: Kind) -> None:
    """List tasks, the newest first: times, state, duration and message.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from
    AWS. csv and json have every column of the table of tasks.

    \b
    exportstats tasks tasks.parquet --status failed --since 7d
    exportstats tasks --status RUNNING --format json | jq -r '.[].task_id'
    """
    found = load()
    listed = found.sort_values("creation_time", ascending=False, kind="stable", ignore_index=True)
    if limit is None and kind == "table" and sys.stdout.isatty():
        limit = _SHOWN
    shown = listed.head(len(listed) if limit is None else limit)
    output.show(shown, _for_people(shown), kind, title=output.title_of(found))
    if len(shown) < len(listed):
        say(f"{len(listed) - len(shown):,} older tasks are not shown; --limit shows more")


def _for_people(table: pd.DataFrame) -> pd.DataFrame:
    view = table[["task_id", "log_group_name"]]
    slots = table[["account_id", "region"]].astype("str").fillna("(unknown)")
    if len(slots.drop_duplicates()) > 1:
        view = view.assign(slot=slots["account_id"] + " " + slots["region"])
    created, ended = (output.minutes(table[name]) for name in ("creation_time", "completion_time"))
    times = table["creation_time"].dropna()
    if len(times) and times.max() - times.min() < _YEAR:  # the title names the year
        created, ended = created.str[_DAY:], ended.str[_DAY:]
    why = table["status_message"].astype("str").where(table["status_code"] != "COMPLETED")
    return view.assign(
        created=created,
        ended=ended.fillna("-"),
        state=table["status_code"],
        took=output.in_words(table["duration"]),
        message=why.fillna(""),
    )
