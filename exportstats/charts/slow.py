"""The chart of tasks that took far longer than usual for their log group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.rows import name_lanes, rows_that_fit
from exportstats.charts.scales import duration_axis, to_seconds
from exportstats.charts.style import BAD, GREY, ink, key
from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.charts.panel import Panel

_COLUMNS = (*LOG_GROUP, "creation_time", "duration", "typical", "ratio", "score")
_TOOK: dict[str, Any] = {"color": BAD, "marker": "o", "linestyle": "none"}


@chart(
    "Which tasks took far longer than usual?",
    maker="find_slow_tasks",
    columns=_COLUMNS,
    kwargs="For the dumbbells' bars, of `Axes.hlines`.",
)
def plot_slow_tasks(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw each slow task as a dumbbell, from the usual duration of its log group to its own.

    The ratio of the two and the day of creation are at the right. Tasks with the highest score come
    first, at most 25 of them.

    Examples
    --------
    >>> import exportstats as xs
    >>> table = xs.find_slow_tasks(xs.sample_tasks(), threshold=9)
    >>> xs.plot_slow_tasks(table).get_xlabel()
    'duration (log scale)'
    """
    if table.empty:
        raise NothingToDrawError("no slow tasks")
    ax = panel.ax
    rows = table.sort_values("score", ascending=False, kind="stable").head(rows_that_fit(ax))
    took, usual = to_seconds(rows["duration"]), to_seconds(rows["typical"])
    duration_axis(panel, "x", np.concatenate([took, usual]), "duration")
    days = coerce.iso_text(rows["creation_time"]).str[:10]
    far = [f"{ratio:,.3g}\u00d7" for ratio in rows["ratio"]]
    beside = [f"{much}, {day}" for much, day in zip(far, days.fillna("-"), strict=True)]
    panel.notes.append(counted(len(table), "slow task"))
    name_lanes(panel, rows[[*LOG_GROUP]], beside)
    if more := len(table) - len(rows):
        panel.notes.append(f"{more:,} more, with lower scores, not shown")

    hollow = {**_TOOK, "color": GREY, "markerfacecolor": ink(0)}
    y = np.arange(len(rows))
    bar: dict[str, Any] = {"color": _TOOK["color"], "linewidth": 3, "alpha": 0.5}
    ax.hlines(y, usual, took, **{**bar, **kwargs})
    ax.plot(usual, y, **hollow)
    ax.plot(took, y, **_TOOK)
    panel.legend = [key("usual for its log group", **hollow), key("took", **_TOOK)]
    panel.write_header()
