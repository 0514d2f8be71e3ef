"""The chart of how durations are distributed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.charts.chart import SERIES, NothingToDrawError, chart
from exportstats.charts.lines import split_lines
from exportstats.charts.scales import count_axis, duration_axis, share_axis, to_seconds
from exportstats.charts.style import ink, key, patch

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
    """Draw a histogram of the durations of completed tasks.

    A single group is drawn as bars of its number of tasks. Several groups are drawn as outlines of
    their shares, so that groups of different sizes can be compared. Of more than six groups, the
    slowest six are outlined, and the others are merged into a grey one.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.sample_tasks().pipe(xs.duration_histogram).pipe(xs.plot_duration_histogram).get_ylabel()
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
    lines = split_lines(panel, table, "duration", kwargs, seconds=left, weights="tasks")
    if lines[0].rows.all() and not ax.get_ylabel().startswith(_SHARE):
        label, look = lines[0].label, lines[0].look
        style: dict[str, Any] = {
            "align": "edge",
            "color": look.colour,
            "edgecolor": "white",
            "linewidth": 0.8,
        }
        style |= {"alpha": 1 if first else 0.6, **kwargs}  # so that bars behind these show through
        bars = ax.bar(left, tasks, right - left, label=label, **style)
        if label:
            panel.legend.append((bars.patches[0], label))
        count_axis(ax, "y")
    else:
        edges = np.unique(np.concatenate([left, right]))
        others = [line.rows for line in lines if not line.look.marker]
        if others:  # merged, because many outlines hide each other
            rows = np.any(others, axis=0)
            at = np.searchsorted(edges, left[rows])
            many = np.bincount(at, tasks[rows], len(edges) - 1)
            ax.stairs(many / many.sum(), edges, color=ink(0.13), fill=True)
            panel.legend.append(patch("all others together", color=ink(0.13)))
        for line in (line for line in lines if line.look.marker):
            heights = np.zeros(len(edges) - 1)
            heights[np.searchsorted(edges, left[line.rows])] = table["share"][line.rows].fillna(0)
            style = {**line.style, **kwargs}
            ax.stairs(heights, edges, label=line.label, **style)
            if line.label:
                panel.legend.append(key(f"{line.label} (n={line.tasks:,})", **style))
        share_axis(ax, "y", f"{_SHARE} of the group's completed tasks")
    panel.write_header()
