"""The picture of how durations are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.charts.panel import SERIES, NothingToDrawError, chart
from exportstats.charts.scales import count_axis, duration_axis, share_axis, to_seconds
from exportstats.charts.style import key

if TYPE_CHECKING:
    from exportstats.charts.panel import Panel

_SHARE = "share"


@chart(
    "How the durations of export tasks are spread",
    maker="duration_histogram",
    columns=("tasks", "share"),
    levels=("duration",),
    kwargs="For the bars, of `Axes.bar`, or the outlines, of `Axes.stairs`; " + SERIES,
)
def plot_duration_histogram(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw how many completed tasks took how long.

    One group is drawn as bars of its tasks; several as outlines of their shares, because groups of
    different sizes compare by shares alone. Of more than six, the six with most tasks are drawn.

    Examples
    --------
    >>> from exportstats import duration_histogram, sample_tasks
    >>> sample_tasks().pipe(duration_histogram).pipe(plot_duration_histogram).get_ylabel()
    'tasks'
    """
    if not table["tasks"].sum():
        raise NothingToDrawError("no completed tasks")
    ax, tasks = panel.ax, table["tasks"].to_numpy()
    bins = pd.IntervalIndex(list(table.index.get_level_values("duration")))
    left, right = to_seconds(bins.left), to_seconds(bins.right)
    occupied = tasks > 0
    span = np.concatenate([left[occupied], right[occupied]])
    duration_axis(panel, "x", span, "duration, creation to completion")
    first = not panel.series
    lines = panel.split(table, "duration", kwargs, tasks="tasks")
    if lines[0].rows.all() and not ax.get_ylabel().startswith(_SHARE):
        _, label, look, _ = lines[0]
        style: dict[str, Any] = {
            "align": "edge",
            "color": look.colour,
            "edgecolor": "white",
            "linewidth": 0.8,
        }
        style |= {"alpha": 1 if first else 0.6, **kwargs}  # the bars behind them show through
        bars = ax.bar(left, tasks, right - left, label=label, **style)
        if label:
            panel.legend.append((bars.patches[0], label))
        count_axis(ax, "y")
    else:
        edges = np.unique(np.concatenate([left, right]))
        for rows, label, look, many in lines:
            heights = np.zeros(len(edges) - 1)
            heights[np.searchsorted(edges, left[rows])] = table["share"][rows].fillna(0)
            line = {"color": look.colour, "linestyle": look.dash, "linewidth": 2, **kwargs}
            ax.stairs(heights, edges, label=label, **line)
            if label:
                panel.legend.append(key(f"{label} (n={many:,})", **line))
        share_axis(ax, "y", f"{_SHARE} of the group's completed tasks")
    panel.write_header()
