"""The picture of the tasks that took far longer than their log group's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.lanes import name_lanes
from exportstats.charts.scales import duration_axis, to_seconds
from exportstats.charts.style import GREY, MAX_ROWS, draw_nothing, get_axes, header, key
from exportstats.charts.tables import require
from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_TITLE = "Which tasks took far longer than usual?"
_COLUMNS = (*LOG_GROUP, "creation_time", "duration", "typical", "ratio", "score")
_TOOK: dict[str, Any] = {"color": "#D55E00", "marker": "o", "linestyle": "none"}
_USUAL: dict[str, Any] = {**_TOOK, "color": GREY, "markerfacecolor": "white"}


def plot_slow_tasks(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw each slow task as a dumbbell, from what is usual for its log group to what it took.

    A row a task, the highest score at the top, on a log axis of durations; at its right stand how
    many times as long it took, and the day of its creation. Of more than 25 tasks those of the
    highest score are drawn.

    Parameters
    ----------
    table
        What `find_slow_tasks` gives.
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the dumbbells' bars, of `Axes.hlines`.

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
    >>> from exportstats import find_slow_tasks, sample_tasks
    >>> ax = sample_tasks().pipe(find_slow_tasks, threshold=9).pipe(plot_slow_tasks)
    >>> ax.get_xlabel()
    'duration (log scale)'
    """
    require(table, maker="find_slow_tasks", columns=_COLUMNS)
    ax = get_axes(ax)
    if not len(table):
        return draw_nothing(ax, _TITLE, "no slow tasks")

    rows = table.sort_values("score", ascending=False, kind="stable").head(MAX_ROWS)
    more = len(table) - len(rows)
    took, usual = to_seconds(rows["duration"]), to_seconds(rows["typical"])
    duration_axis(ax, "x", np.concatenate([took, usual]), "duration")
    days = coerce.iso_text(rows["creation_time"]).str[:10]
    far = [f"{ratio:,.3g}\u00d7" for ratio in rows["ratio"]]
    beside = [f"{much}, {day}" for much, day in zip(far, days.fillna("-"), strict=True)]
    notes = [counted(len(table), "slow task"), *name_lanes(ax, rows[[*LOG_GROUP]], beside)]
    if more:
        notes.append(f"{more:,} more, of a lower score, not shown")

    y = np.arange(len(rows))
    bar: dict[str, Any] = {"color": _TOOK["color"], "linewidth": 3, "alpha": 0.5}
    ax.hlines(y, usual, took, **{**bar, **kwargs})
    ax.plot(usual, y, **_USUAL)
    ax.plot(took, y, **_TOOK)
    ax.grid(visible=False, axis="y")
    legend = [key("usual for its log group", **_USUAL), key("took", **_TOOK)]
    header(ax, _TITLE, notes, legend)
    return ax
