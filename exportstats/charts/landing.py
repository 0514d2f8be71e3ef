"""The chart of how fresh S3 is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.chart import SERIES, NothingToDrawError, chart
from exportstats.charts.lines import split_lines
from exportstats.charts.scales import distribution_axis, duration_axis, to_seconds
from exportstats.charts.style import key

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.charts.panel import Panel


@chart(
    "How old the newest events were when they reached S3",
    maker="landing_lag",
    columns=("lag", "tasks"),
    levels=("share",),
    kwargs="For the lines, of `Axes.plot`; " + SERIES,
)
def plot_landing_lag(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw the distribution of the landing lag as steps, with a line for each group.

    A line shows the share of tasks that landed within a time. Of more than six groups, the slowest
    six are named and the others grey. The axis is logarithmic if the largest lag is more than 20
    times the smallest. A negative lag, of a window that ended after its task, is drawn at 0 and
    noted.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.sample_tasks().pipe(xs.landing_lag).pipe(xs.plot_landing_lag).lines[0].get_drawstyle()
    'steps-post'
    """
    known = (table["lag"].notna() & (table["tasks"] > 0)).to_numpy()
    if not known.any():
        raise NothingToDrawError("no completed tasks")
    ax = panel.ax
    seconds = to_seconds(table["lag"])
    lines = split_lines(
        panel, table, "share", kwargs, seconds=seconds, weights="tasks", tasks="tasks"
    )
    shares = table.index.get_level_values("share").to_numpy(dtype="float64")
    for line in lines:
        order = np.flatnonzero(known & line.rows)
        order = order[np.argsort(shares[order], kind="stable")]
        style = {**line.style, **kwargs}
        ax.plot(seconds[order], shares[order], drawstyle="steps-post", label=line.label, **style)
        if line.label:
            panel.legend.append(key(f"{line.label} (n={line.tasks:,})", **style))
    drawn = known & np.any([line.rows for line in lines], axis=0)
    early = bool((table["lag"].to_numpy()[drawn] < np.timedelta64(0, "ms")).any())
    if early:
        panel.notes.append("lags below 0, of windows that ended after their task, are drawn at 0")
    label = "landing lag, end of window to completion"
    duration_axis(panel, "x", seconds[drawn], label, log=False if early else None)
    distribution_axis(ax)
    panel.write_header()
