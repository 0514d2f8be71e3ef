"""The picture of how long tasks take, group by group."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.scales import duration_axis, to_seconds
from exportstats.charts.style import (
    MAX_ROWS,
    draw_nothing,
    get_axes,
    header,
    key,
    name_room,
    name_rows,
    note_rows,
)
from exportstats.charts.tables import group_rows, name_groups, quantiles_of, require
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_TITLE = "How long export tasks take"
_DARK, _PALE = "#0072B2", "#9CC9E8"
_MARKERS = "oD^svPX*"


def plot_duration_summary(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw the quantiles of the durations of completed tasks, one row a group.

    A thin line goes from the shortest to the longest, a thick one from the lowest to the highest
    quantile, and each quantile is a marker: a hollow one if so few tasks cannot tell it, that is
    if fewer than one of them is expected beyond it. The slowest (by p50, else by the lowest
    quantile) come first, at most 25 groups.

    Parameters
    ----------
    table
        What `duration_summary` gives: the index is the groups, or the one label `all`; the
        columns are `completed` and `censored` (counts), and `min`, `max` and quantiles named as
        in `p50` (durations).
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the thick lines, of `Axes.hlines`.

    Returns
    -------
    Axes
        What it drew on.

    Raises
    ------
    SchemaError
        The frame has another shape.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"completed": [9], "censored": [1], "min": "40s", "p50": "5min",
    ...                       "p90": "40min", "max": "3h"}, index=["all"])
    >>> lengths = table.columns[2:]
    >>> table[lengths] = table[lengths].apply(pd.to_timedelta)
    >>> [text.get_text() for text in plot_duration_summary(table).texts[:1]]
    ['n=9 +1 active']
    """
    require(table, maker="duration_summary", columns=("completed", "censored", "min", "max"))
    quantiles = quantiles_of(table, "duration_summary")
    ax = get_axes(ax)
    if not table[["completed", "censored"]].to_numpy().sum():
        return draw_nothing(ax, _TITLE)
    if not table["completed"].sum():
        return draw_nothing(ax, _TITLE, "no completed tasks")

    numbers, groups = group_rows(table)
    by = "p50" if "p50" in quantiles else min(quantiles, key=quantiles.__getitem__)
    order = np.argsort(-to_seconds(table[by]), kind="stable")[:MAX_ROWS]  # NaN comes last
    rows = table.iloc[order]
    name_rows(ax, name_groups(groups.iloc[numbers[order]], name_room(ax)), len(table) - len(rows))
    counts = zip(rows["completed"], rows["censored"], strict=True)
    note_rows(ax, [f"n={n:,}" + (f" +{more:,} active" if more else "") for n, more in counts])
    legend = _draw_rows(ax, rows, quantiles, kwargs)
    notes = [f"n = {counted(table['completed'].sum(), 'completed task')}"]
    if len(table) > 1:
        notes.append(f"{counted(len(table), 'group')}, the slowest first (by {by})")
    header(ax, _TITLE, notes, legend)
    return ax


def _draw_rows(
    ax: Axes, rows: pd.DataFrame, quantiles: dict[str, float], kwargs: dict[str, Any]
) -> list[tuple[Artist, str]]:
    """Draw the ranges and the quantiles at 0, 1, … and give the legend."""
    known = (rows["completed"] > 0).to_numpy()
    y = np.flatnonzero(known)
    rows = rows[known]
    low, high = to_seconds(rows["min"]), to_seconds(rows["max"])
    values = np.array([to_seconds(rows[name]) for name in quantiles])
    thin: dict[str, Any] = {"color": _PALE, "linewidth": 1.5}
    ax.hlines(y, low, high, **thin)
    ax.hlines(y, values.min(axis=0), values.max(axis=0), **{**thin, "linewidth": 7, **kwargs})
    duration_axis(ax, "x", np.concatenate([low, high]), "duration, creation to completion")

    legend = [key("min to max", **thin)]
    point: dict[str, Any] = {"linestyle": "none", "color": _DARK, "markersize": 6}
    hollow = {**point, "markerfacecolor": "white"}
    any_hollow = False
    for (name, percentile), seconds, marker in zip(
        quantiles.items(), values, cycle(_MARKERS), strict=False
    ):
        beyond = rows["completed"].to_numpy() * min(percentile, 100 - percentile) / 100
        few = beyond.round(9) < 1  # 1,000 times 0.1 % is not quite 1
        ax.plot(seconds[~few], y[~few], marker=marker, **point)
        ax.plot(seconds[few], y[few], marker=marker, **hollow)
        legend.append(key(name, marker=marker, **point))
        any_hollow |= bool(few.any())
    if any_hollow:
        legend.append(key("hollow: fewer tasks than the quantile needs", marker="o", **hollow))
    return legend
