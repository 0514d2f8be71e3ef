"""The chart of when the active tasks will be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.rows import name_lanes, rows_that_fit
from exportstats.charts.scales import duration_axis, to_seconds
from exportstats.charts.style import ink, key, look_of, patch
from exportstats.charts.words import shorten
from exportstats.core.schema import LOG_GROUP
from exportstats.stats.predictive import TIME_OUT
from exportstats.text import counted, write_duration

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.charts.panel import Panel

_RANGE = ("remaining_low", "remaining", "remaining_high")
_COLUMNS = (*LOG_GROUP, "status_code", "elapsed", *_RANGE, "ends")
_ELAPSED = "#BBBBBB"
_MEDIAN: dict[str, Any] = {"marker": "|", "linestyle": "none", "markeredgewidth": 2}
_LINE: dict[str, Any] = {"linestyle": ":", "linewidth": 1.2}


@chart(
    "When will the active tasks be done?",
    maker="estimate_completion",
    columns=_COLUMNS,
    kwargs="For the bars, of `Axes.barh`.",
)
def plot_completion(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw how long each active task has lasted, and when its end is expected.

    Each task has a row along the time since its creation. A grey line is the elapsed time. A bar in
    the colour of the state extends from the 10th to the 90th percentile of the end, with a mark at
    the median. A dotted line marks the 24-hour time-out of the service, if the axis reaches it.
    Tasks that end first come first, at most 25 of them.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.sample_tasks().pipe(xs.estimate_completion).pipe(xs.plot_completion).get_xlabel()
    'time since the creation'
    """
    if table.empty:
        raise NothingToDrawError("no active tasks")
    ax = panel.ax
    rows = table.sort_values("ends", kind="stable").head(rows_that_fit(ax))
    elapsed = to_seconds(rows["elapsed"])
    low, middle, high = (to_seconds(rows[name]) for name in _RANGE)
    # the axis needs an end even if nothing is known
    furthest = np.nanmax([60, *elapsed, *(elapsed + high)])
    duration_axis(panel, "x", np.array([furthest]), "time since the creation", log=False)
    often = "8 times out of 10 the end lies in the bar"
    panel.notes += [counted(len(table), "active task"), often]
    name_lanes(panel, rows[[*LOG_GROUP]], [_left(rest) for rest in middle])
    if more := len(table) - len(rows):
        panel.notes.append(f"{more:,} more, which end later, not shown")

    y = np.arange(len(rows))
    ax.hlines(y, 0, elapsed, color=_ELAPSED, linewidth=3)
    colours = [look_of(state).colour for state in rows["status_code"]]
    bar: dict[str, Any] = {"height": 0.5, "color": colours, "alpha": 0.75}
    ax.barh(y, high - low, left=elapsed + low, **{**bar, **kwargs})
    ax.plot(elapsed + middle, y, markersize=13, color=ink(1), **_MEDIAN)
    panel.legend.append(key("elapsed", color=_ELAPSED, linewidth=3))
    for state in dict.fromkeys(rows["status_code"]):
        look = look_of(state)
        panel.legend.append(patch(shorten(state, 20), facecolor=look.colour, alpha=0.75))
    panel.legend.append(key("median end", markersize=13, color=ink(1), **_MEDIAN))
    if ax.get_xlim()[1] >= TIME_OUT / 1000:
        ax.axvline(TIME_OUT / 1000, color=ink(1), **_LINE)
        panel.legend.append(key("time-out", color=ink(1), **_LINE))
    panel.write_header()


def _left(seconds: float) -> str:
    return "no forecast" if np.isnan(seconds) else f"{write_duration(seconds)} left"
