"""The picture of how durations are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib import ticker

from exportstats.charts.scales import duration_axis, to_seconds
from exportstats.charts.style import (
    count_axis,
    draw_nothing,
    get_axes,
    header,
    key,
    name_room,
    remember,
    series,
)
from exportstats.charts.tables import group_rows, largest_groups, name_groups, require
from exportstats.text import counted

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_TITLE = "How the durations of export tasks are spread"
_SHARE = "share"


def plot_duration_histogram(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw how many completed tasks took how long.

    One group is drawn as bars of its tasks; several as outlines of their shares, because groups of
    different sizes compare by shares alone. Of more than six, the six with most tasks are drawn.

    Parameters
    ----------
    table
        What `duration_histogram` gives: the index has the groups' levels, if any, and `duration`
        (left-closed intervals of durations); the columns are `tasks` (a count) and `share` (0 to
        1, of its group).
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the bars, of `Axes.bar`; for the outlines, of `Axes.stairs`.

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
    >>> bins = pd.IntervalIndex.from_breaks(
    ...     pd.to_timedelta(["1min", "10min", "100min"]), closed="left", name="duration")
    >>> table = pd.DataFrame({"tasks": [3, 1], "share": [0.75, 0.25]}, index=bins)
    >>> [int(bar.get_height()) for bar in plot_duration_histogram(table).patches]
    [3, 1]
    """
    columns = ("tasks", "share")
    require(table, maker="duration_histogram", columns=columns, levels=("duration",))
    ax = get_axes(ax)
    if not table["tasks"].sum():
        return draw_nothing(ax, _TITLE, "no completed tasks")
    numbers, groups = group_rows(table, ("duration",))
    bins = pd.IntervalIndex(list(table.index.get_level_values("duration")))
    left, right = to_seconds(bins.left), to_seconds(bins.right)
    tasks = table["tasks"].to_numpy()
    notes = [f"n = {counted(tasks.sum(), 'completed task')}"]
    legend: list[tuple[Artist, str]] = []
    before = remember(ax).series
    if len(groups) == 1 and not ax.get_ylabel().startswith(_SHARE):
        notes += name_groups(groups, name_room(ax))[: table.index.nlevels - 1]
        ((label, look),) = series(ax, [""], kwargs)
        style: dict[str, Any] = {
            "align": "edge",
            "color": look.colour,
            "edgecolor": "white",
            "linewidth": 0.8,
        }
        style |= {"alpha": 0.6 if before else 1, **kwargs}  # the bars behind them show through
        bars = ax.bar(left, tasks, right - left, label=label, **style)
        if label:
            legend.append((bars.patches[0], label))
        count_axis(ax, "y")
    else:
        shown, more = largest_groups(numbers, tasks)
        if more:
            notes.append(f"the {len(shown)} groups with most tasks, {more:,} more not shown")
        edges = np.unique(np.concatenate([left, right]))
        names = name_groups(groups.iloc[shown], name_room(ax))
        for group, (label, look) in zip(shown, series(ax, names, kwargs), strict=True):
            rows = numbers == group
            heights = np.zeros(len(edges) - 1)
            heights[np.searchsorted(edges, left[rows])] = table["share"][rows].fillna(0)
            line = {"color": look.colour, "linestyle": look.dash, "linewidth": 2}
            ax.stairs(heights, edges, label=label, **{**line, **kwargs})
            if label:
                legend.append(key(f"{label} (n={tasks[rows].sum():,})", **line))
        ax.set_ylabel(f"{_SHARE} of the group's completed tasks")
        ax.yaxis.set_major_formatter(ticker.PercentFormatter(1, symbol=" %"))
    occupied = tasks > 0
    span = np.concatenate([left[occupied], right[occupied]])
    duration_axis(ax, "x", span, "duration, creation to completion")
    header(ax, _TITLE, notes, legend)
    return ax
