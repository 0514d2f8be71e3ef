"""The chart of why tasks failed."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.layout import is_narrow, is_small, lay_out, size_of
from exportstats.charts.rows import ROW, name_room, name_rows, note_rows, rows_that_fit
from exportstats.charts.scales import count_axis
from exportstats.charts.style import BAD
from exportstats.charts.tables import group_rows, name_groups
from exportstats.charts.words import shorten
from exportstats.text import counted, percent

if TYPE_CHECKING:
    from exportstats.charts.panel import Panel

_ROWS = 10  # each of up to two lines
_COUNT = 80  # points of width for the number beside a bar
_FEW = 6  # rows that have room for three lines each


@chart(
    "Why export tasks failed",
    maker="failure_reasons",
    columns=("tasks", "share", "first_time", "last_time"),
    levels=("reason",),
    kwargs="For the bars, of `Axes.barh`.",
)
def plot_failure_reasons(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw how many tasks failed for each reason.

    The most frequent reasons come first, at most 10 of them.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.sample_tasks().pipe(xs.failure_reasons).pipe(xs.plot_failure_reasons).get_xlabel()
    'failed tasks'
    """
    if table.empty:
        raise NothingToDrawError("no failed tasks")
    ax = panel.ax
    panel.notes.append(f"n = {counted(table['tasks'].sum(), 'failed task')}")
    if table.index.nlevels > 1:
        panel.notes.append("percentages are of the group's failed tasks")
    numbers, groups = group_rows(table, ("reason",))
    rows = table.assign(_group=numbers).sort_values("tasks", ascending=False, kind="stable")
    lines = 2 if is_small(ax) and table.index.nlevels > 1 else 1
    shown = rows.head(rows_that_fit(ax, _ROWS) // lines)
    height = 0.4 if is_narrow(ax) else 0.7
    kwargs = {"color": BAD, "height": height, **kwargs}
    bars = ax.barh(range(len(shown)), shown["tasks"], **kwargs)
    counts = zip(shown["tasks"], shown["share"], strict=True)
    labels = [f"{tasks:,} ({percent(share)})" for tasks, share in counts]
    ax.bar_label(bars, labels, padding=4, gid=ROW)
    dates = zip(_days(shown["first_time"]), _days(shown["last_time"]), strict=True)
    days = [first if first == last else f"{first} to {last}" for first, last in dates]
    if is_narrow(ax) or not is_small(ax):
        note_rows(ax, days, bar=height)
        panel.notes.append("at the right: first and last day (UTC)")
    reasons = shown.index.get_level_values("reason")
    room = name_room(ax, days)
    labels = [_wrap(reason, room) for reason in reasons]
    if table.index.nlevels > 1:
        names = name_groups(groups.iloc[shown["_group"]], room)
        labels = [
            f"{name}\n{_wrap(reason, room) if len(shown) <= _FEW else shorten(reason, room)}"
            for name, reason in zip(names, reasons, strict=True)
        ]
    name_rows(ax, labels, len(rows) - len(shown), bar=height)
    count_axis(ax, "x", "failed tasks")
    lay_out(ax)  # the names take width
    beside = min(_COUNT / size_of(ax)[0], 0.6)
    ax.set_xlim(0, shown["tasks"].max() / (1 - beside))
    panel.write_header()


def _wrap(reason: object, room: int) -> str:
    """Wrap a reason to two lines; shorten the second in its middle if need be."""
    text = shorten(reason, 100_000)
    first = textwrap.wrap(text, room)[0]
    rest = text[len(first) :].strip()
    return f"{first}\n{shorten(rest, room)}" if rest else first


def _days(times: pd.Series) -> list[str]:
    """Write times as days, also after the year 9999, where strftime fails."""
    days = np.datetime_as_string(pd.DatetimeIndex(times).to_numpy("datetime64[ms]"), unit="D")
    return ["unknown" if day == "NaT" else day for day in days.tolist()]
