"""The commands on what changed: compare two periods, and list what became slow."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click
import lazy_loader

import exportstats as xs
from exportstats.cli.options import by_option, columns, format_option, plot_option
from exportstats.cli.source import check_early, history_options, source_options
from exportstats.cli.wanted import FILTERS
from exportstats.errors import ArgumentError
from exportstats.text import percent, write_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from exportstats.cli import output
    from exportstats.cli.options import Kind
    from exportstats.cli.source import Origin
    from exportstats.cli.wanted import Wanted
else:  # pandas and rich are for a command that runs, not for its --help
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)

_WEEK_HELP = "a week as in 2026-W47, or from/to as in 2026-11-01/2026-11-08 (UTC)"


@click.command()
@source_options
@click.option("--current", metavar="PERIOD", help=f"The later period: {_WEEK_HELP}.", required=True)
@click.option("--previous", metavar="PERIOD", help="The one to compare it with.", required=True)
@by_option
@format_option
@plot_option
def compare(
    load: Callable[[], pd.DataFrame],
    current: str,
    previous: str,
    by: tuple[str, ...],
    kind: Kind,
    chart: Path | None,
) -> None:
    """Compare two periods: tasks, failure rate, durations, each with a verdict.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.

    \b
    exportstats compare tasks.parquet --current 2026-W47 --previous 2026-W46
    """
    ask = functools.partial(
        xs.compare_periods,
        current=_period(current),
        previous=_period(previous),
        by=columns(by),
    )
    check_early(ask)
    tasks = load()
    table = ask(tasks)
    output.show(table, _of_comparison(table), kind, title=f"{current} compared with {previous}")
    output.draw(lambda: xs.plot_periods(table), chart)


def _period(text: str) -> Any:  # noqa: ANN401 - what compare_periods takes
    """Read a week, or two instants in UTC with a stroke between."""
    start, stroke, end = text.partition("/")
    if not stroke:
        return text
    if not start or not end:
        raise ArgumentError(f"{text!r} is no period; give {_WEEK_HELP}")
    return tuple(time if "T" in time else f"{time}T00:00Z" for time in (start, end))


def _of_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Write each measure in its own unit."""
    view = table.reset_index()
    units = view["unit"].astype("str")
    for name in ("previous", "current"):
        view[name] = [_in_unit(value, u) for value, u in zip(view[name], units, strict=True)]
    view["change"] = [
        "" if ratio != ratio else f"{ratio:.2f}x"  # noqa: PLR0124 - a NaN
        for ratio in view["ratio"]
    ]
    keys = [name for name in table.index.names if name]
    return view[[*keys, "previous", "current", "change", "verdict"]]


def _in_unit(value: float, unit: str) -> str:
    if value != value:  # noqa: PLR0124 - a NaN
        return "-"
    if unit == "share":
        return percent(value)
    return write_duration(value, compact=True) if unit == "s" else f"{value:,.0f}"


@click.command()
@functools.partial(history_options, filters=[name for name in FILTERS if name != "status"])
@click.option("--lasting", is_flag=True, help="List log groups that became slower, and since when.")
@click.option(
    "--threshold",
    type=float,
    default=3.5,
    show_default=True,
    help="How many robust standard deviations a slow task is above its log group.",
)
@format_option
@plot_option
def slow(
    origin: Origin,
    wanted: Wanted,
    *,
    lasting: bool,
    threshold: float,
    kind: Kind,
    chart: Path | None,
) -> None:
    """List tasks that took much longer than earlier ones of their log group, the worst first.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.

    \b
    exportstats slow tasks.parquet --plot slow.png
    exportstats slow tasks.parquet --lasting
    """
    if lasting and chart is not None:
        raise ArgumentError("--plot draws single tasks; leave it out, or leave out --lasting")
    find = (
        xs.find_slowdowns if lasting else functools.partial(xs.find_slow_tasks, threshold=threshold)
    )
    check_early(find)
    tasks = origin.tasks()
    table = find(wanted.of(tasks)) if lasting else wanted.of(find(tasks), tasks)
    view = _of_slowdowns(table) if lasting else _of_slow_tasks(table)
    what = "lasting slowdown" if lasting else "slow task"
    title = f"{len(table):,} {what}{'' if len(table) == 1 else 's'}"
    output.show(table, view, kind, title=title)
    output.draw(lambda: xs.plot_slow_tasks(table), chart)


def _of_slow_tasks(table: pd.DataFrame) -> pd.DataFrame:
    view = table[["account_id", "region", "log_group_name"]].copy()
    view["period"] = output.minutes(table["creation_time"])
    view["took"], view["usually"] = (
        output.in_words(table[name]) for name in ("duration", "typical")
    )
    view["score"] = table["score"].map("{:.1f}".format)
    return view.rename(columns={"period": "first"})


def _of_slowdowns(table: pd.DataFrame) -> pd.DataFrame:
    view = table[["account_id", "region", "log_group_name"]].copy()
    view["first"] = output.dates(table["since"])
    view["factor"] = table["factor"].map("{:.2f}".format)
    view["95 %"] = [
        f"{low:.2f} to {high:.2f}" for low, high in zip(table["low"], table["high"], strict=True)
    ]
    view["tasks since"] = table["n_after"]
    return view
