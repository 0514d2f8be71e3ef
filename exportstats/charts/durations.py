"""The chart of how long tasks take, by group."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.rows import name_room, name_rows, note_rows, rows_that_fit
from exportstats.charts.scales import duration_axis, to_seconds
from exportstats.charts.style import ink, key
from exportstats.charts.tables import group_rows, name_groups, quantiles_of
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.charts.panel import Panel

_DARK, _PALE = "#0072B2", "#9CC9E8"
_MARKERS = "oD^svPX*"


@chart(
    "How long export tasks take",
    maker="duration_summary",
    columns=("completed", "censored", "min", "max"),
    kwargs="For the thick lines, of `Axes.hlines`.",
)
def plot_duration_summary(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw quantiles of the durations of completed tasks, with a row for each group.

    A thin line extends from the shortest to the longest duration, and a thick one from the lowest
    to the highest quantile. Each quantile is a marker. It is hollow if the group has too few tasks:
    if fewer than one is expected beyond the quantile. The slowest groups come first, by p50 or
    else the lowest quantile. At most 25 groups are drawn.

    Examples
    --------
    >>> import exportstats as xs
    >>> table = xs.duration_summary(xs.sample_tasks(), by="region")
    >>> xs.plot_duration_summary(table).get_xlabel()
    'duration, creation to completion (log scale)'
    """
    quantiles = quantiles_of(table, "duration_summary")
    if not table["completed"].sum():
        raise NothingToDrawError("no completed tasks" if table["censored"].sum() else "no tasks")
    ax = panel.ax

    numbers, groups = group_rows(table)
    by = "p50" if "p50" in quantiles else min(quantiles, key=quantiles.__getitem__)
    order = np.argsort(-to_seconds(table[by]), kind="stable")[: rows_that_fit(ax)]  # NaN comes last
    rows = table.iloc[order]
    name_rows(ax, name_groups(groups.iloc[numbers[order]], name_room(ax)), len(table) - len(rows))
    counts = zip(rows["completed"], rows["censored"], strict=True)
    note_rows(ax, [f"n={n:,}" + (f" +{more:,} active" if more else "") for n, more in counts])
    panel.notes.append(f"n = {counted(table['completed'].sum(), 'completed task')}")
    if len(table) > 1:
        panel.notes.append(f"{counted(len(table), 'group')}, the slowest first (by {by})")
    _draw_rows(panel, rows, quantiles, kwargs)
    panel.write_header()


def _draw_rows(
    panel: Panel, rows: pd.DataFrame, quantiles: dict[str, float], kwargs: dict[str, Any]
) -> None:
    """Draw the ranges and the quantiles, from the top down."""
    ax = panel.ax
    known = (rows["completed"] > 0).to_numpy()
    y = np.flatnonzero(known)
    rows = rows[known]
    low, high = to_seconds(rows["min"]), to_seconds(rows["max"])
    values = np.array([to_seconds(rows[name]) for name in quantiles])
    thin: dict[str, Any] = {"color": _PALE, "linewidth": 1.5}
    ax.hlines(y, low, high, **thin)
    ax.hlines(y, values.min(axis=0), values.max(axis=0), **{**thin, "linewidth": 7, **kwargs})
    duration_axis(panel, "x", np.concatenate([low, high]), "duration, creation to completion")

    panel.legend = [key("min to max", **thin)]
    point: dict[str, Any] = {"linestyle": "none", "color": _DARK, "markersize": 6}
    hollow = {**point, "markerfacecolor": ink(0)}
    any_hollow = False
    for (name, percentile), seconds, marker in zip(
        quantiles.items(), values, cycle(_MARKERS), strict=False
    ):
        beyond = rows["completed"].to_numpy() * min(percentile, 100 - percentile) / 100
        few = beyond.round(9) < 1  # 1,000 times 0.1 % is not quite 1
        ax.plot(seconds[~few], y[~few], marker=marker, **point)
        ax.plot(seconds[few], y[few], marker=marker, **hollow)
        panel.legend.append(key(name, marker=marker, **point))
        any_hollow |= bool(few.any())
    if any_hollow:
        label = "hollow: fewer tasks than the quantile needs"
        panel.legend.append(key(label, marker="o", **hollow))
