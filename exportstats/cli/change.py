"""The commands `compare` and `slow`, on what changed."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.options import BY
from exportstats.cli.question import Answer, Write, question
from exportstats.cli.wanted import FILTERS
from exportstats.errors import ArgumentError
from exportstats.text import counted, percent, write_duration

if TYPE_CHECKING:
    from exportstats.cli.source import Origin

_PERIOD_HELP = (
    "a month as in 2026-11, a week as in 2026-W47, or from/to as in 2026-11-01/2026-11-08 (UTC)"
)
_CLEAR = ("worse", "better")


def _period(text: str) -> Any:  # noqa: ANN401 - as compare_periods takes it
    """Return a period, or two instants separated by a slash."""
    return tuple(text.split("/")) if "/" in text else text


def _checked(ctx: click.Context, param: click.Parameter, text: str) -> str:  # noqa: ARG001
    """Refuse text that is not a period."""
    from exportstats.stats.as_of import period

    period(_period(text), str(param.name))
    return text


@question(
    click.option(
        "--current",
        required=True,
        callback=_checked,
        metavar="PERIOD",
        help=f"The later period: {_PERIOD_HELP}.",
    ),
    click.option(
        "--previous",
        required=True,
        callback=_checked,
        metavar="PERIOD",
        help="The period to compare it with.",
    ),
    BY,
)
def compare(origin: Origin, current: str, previous: str, by: list[str] | None) -> Answer:
    """Compare two periods: tasks, failure rate and durations.

    The column "verdict" says whether the failure rate or a duration became worse or better. In csv
    and json, "unit" is the unit of a row: tasks, share or s.

    \b
    exportstats compare tasks.parquet --current 2026-W47 --previous 2026-W46
    """
    from exportstats.stats.periods import by_measure

    later, earlier = map(_period, (current, previous))
    differ = partial(xs.compare_periods, current=later, previous=earlier, by=by)
    table = differ(origin.load(differ))
    rows = by_measure(table)
    view = rows.reset_index()
    view["verdict"] = view["verdict"].astype("str").where(view["verdict"].isin(_CLEAR), "")
    for name in ("previous", "current"):
        view[name] = [_in_unit(*cell) for cell in zip(view[name], view["unit"], strict=True)]
    view = view[[*rows.index.names, "previous", "current", "ratio", "verdict"]].rename(
        columns={"ratio": "change"}
    )
    write: Write = {"previous": str, "current": str, "change": _in_times}
    title = f"{current} compared with {previous}"
    if not view["verdict"].any():
        view = view.drop(columns="verdict")
        compared = all(table["tasks", name].sum() for name in ("previous", "current"))
        title += ": no clear change" if compared else ": no tasks to compare"
    return Answer(rows, title, view, write, lambda: xs.plot_periods(table))


def _in_times(ratio: float) -> str:
    return "" if math.isnan(ratio) else f"{ratio:.2f}x"


def _in_unit(value: float, unit: str) -> str:
    if math.isnan(value):
        return "-"
    if unit == "share":
        return percent(value)
    return write_duration(value, compact=True) if unit == "s" else f"{value:,.0f}"


@question(
    click.option(
        "--lasting", is_flag=True, help="List lasting slowdowns of log groups, and since when."
    ),
    click.option(
        "--threshold",
        type=click.FloatRange(min=0, min_open=True),
        default=3.5,
        show_default=True,
        metavar="NUMBER",
        help="List tasks at least this many robust standard deviations above their log group.",
    ),
    filters=[name for name in FILTERS if name != "status"],
)
def slow(origin: Origin, *, lasting: bool, threshold: float) -> Answer:
    """List unusually slow tasks, or log groups that became slower.

    A slow task took much longer than earlier tasks of its log group. The slowest comes first.

    \b
    exportstats slow tasks.parquet --plot slow.png
    exportstats slow tasks.parquet --lasting
    """
    if lasting and click.get_current_context().params["chart"] is not None:
        raise ArgumentError("--plot draws single tasks; leave out --lasting, or leave out --plot")
    wanted = origin.wanted
    if lasting:
        table = xs.find_slowdowns(wanted.of(origin.tasks(xs.find_slowdowns)))
        interval = zip(table["low"], table["high"], strict=True)
        view = table[["account_id", "region", "log_group_name", "factor"]].assign(
            first=table["since"].dt.normalize(),
            interval=[f"{low:.2f} to {high:.2f}" for low, high in interval],
            later=table["n_after"],
        )
        names = {"interval": "95 %", "later": "tasks since"}
        write: Write = {"factor": "{:.2f}".format, "95 %": str}
        title = counted(len(table), "lasting slowdown")
        return Answer(table, title, view.rename(columns=names), write)
    tasks = origin.tasks()
    table = wanted.of(xs.find_slow_tasks(tasks, threshold=threshold), tasks)
    view = table[["account_id", "region", "log_group_name"]].assign(
        first=table["creation_time"],
        took=table["duration"],
        usually=table["typical"],
        score=table["score"],
    )
    title = counted(len(table), "slow task")
    write = {"score": "{:.1f}".format}
    return Answer(table, title, view, write, lambda: xs.plot_slow_tasks(table))
