"""The picture of when the active tasks will be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch

from exportstats.charts.lanes import name_lanes
from exportstats.charts.scales import duration_axis, to_seconds
from exportstats.charts.style import (
    MAX_ROWS,
    draw_nothing,
    get_axes,
    header,
    key,
    look_of,
)
from exportstats.charts.tables import require
from exportstats.charts.words import shorten
from exportstats.core.schema import LOG_GROUP
from exportstats.text import counted, write_duration

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_TITLE = "When will the active tasks be done?"
_RANGE = ("remaining_low", "remaining", "remaining_high")
_COLUMNS = (*LOG_GROUP, "status_code", "elapsed", *_RANGE, "ends")
_TIME_OUT_SECONDS = 86_400  # of the service
_ELAPSED = "#BBBBBB"
_MEDIAN: dict[str, Any] = {"marker": "|", "color": "black", "markersize": 13, "markeredgewidth": 2}
_LINE: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1.2}


def plot_completion(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw how long each active task has lasted, and from when to when its end is expected.

    A row a task, the one that is expected to end first at the top, along the time since its
    creation: a grey line for what has elapsed, a bar in the colour of its state from the 10th to
    the 90th percentile of its end, and a mark at the median. A dotted line is the service's
    time-out of 24 hours, if the axis reaches that far. Of more than 25 tasks those that end first
    are drawn.

    Parameters
    ----------
    table
        What `estimate_completion` gives.
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the bars, of `Axes.barh`.

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
    >>> from exportstats import estimate_completion, sample_tasks
    >>> ax = sample_tasks().pipe(estimate_completion).pipe(plot_completion)
    >>> ax.get_xlabel()
    'time since the creation'
    """
    require(table, maker="estimate_completion", columns=_COLUMNS)
    ax = get_axes(ax)
    if not len(table):
        return draw_nothing(ax, _TITLE, "no active tasks")

    rows = table.sort_values("ends", kind="stable").head(MAX_ROWS)
    more = len(table) - len(rows)
    elapsed = to_seconds(rows["elapsed"])
    low, middle, high = (to_seconds(rows[name]) for name in _RANGE)
    # an axis needs an end, also where nothing is known
    furthest = np.nanmax([60, *elapsed, *(elapsed + high)])
    duration_axis(ax, "x", np.array([furthest]), "time since the creation", log=False)
    notes = [counted(len(table), "active task"), "8 times out of 10 the end lies in the bar"]
    notes += name_lanes(ax, rows[[*LOG_GROUP]], [_left(rest) for rest in middle])
    if more:
        notes.append(f"{more:,} more, which end later, not shown")

    y = np.arange(len(rows))
    ax.hlines(y, 0, elapsed, color=_ELAPSED, linewidth=3)
    colours = [look_of(state).colour for state in rows["status_code"]]
    bar: dict[str, Any] = {"height": 0.5, "color": colours, "alpha": 0.75}
    ax.barh(y, high - low, left=elapsed + low, **{**bar, **kwargs})
    ax.plot(elapsed + middle, y, linestyle="none", **_MEDIAN)
    legend: list[tuple[Artist, str]] = [key("elapsed", color=_ELAPSED, linewidth=3)]
    for state in dict.fromkeys(rows["status_code"]):
        patch = Patch(facecolor=look_of(state).colour, alpha=0.75)
        legend.append((patch, shorten(state, 20)))
    legend.append(key("median end", linestyle="none", **_MEDIAN))
    if ax.get_xlim()[1] >= _TIME_OUT_SECONDS:
        ax.axvline(_TIME_OUT_SECONDS, **_LINE)
        legend.append(key("time-out", **_LINE))
    ax.grid(visible=False, axis="y")
    header(ax, _TITLE, notes, legend)
    return ax


def _left(seconds: float) -> str:
    return "no forecast" if np.isnan(seconds) else f"{write_duration(seconds)} left"
