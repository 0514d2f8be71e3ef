"""The picture of how fresh S3 is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import ticker

from exportstats.charts.scales import duration_axis, to_seconds
from exportstats.charts.style import (
    draw_nothing,
    get_axes,
    header,
    ink,
    is_small,
    key,
    name_room,
    series,
)
from exportstats.charts.tables import group_rows, largest_groups, name_groups, require
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_TITLE = "How old the newest events were when they reached S3"


def plot_landing_lag(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw which share of the tasks had landed within which time, as steps, a line a group.

    Of more than six groups, the six with most tasks are drawn. The axis is a log one when the
    largest lag is more than 20 times the smallest. A lag below 0, of a window that ended after the
    task did, is drawn at 0 and noted.

    Parameters
    ----------
    table
        What `landing_lag` gives: the index has the groups' levels, if any, and `share` (0 to 1);
        the columns are `lag` (durations) and `tasks` (a count).
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the lines, of `Axes.plot`.

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
    >>> lags = pd.to_timedelta(["13h", "14h", "30h"])
    >>> table = pd.DataFrame({"lag": lags, "tasks": 3}, index=pd.Index([0, 0.5, 1], name="share"))
    >>> plot_landing_lag(table).lines[0].get_drawstyle()
    'steps-post'
    """
    require(table, maker="landing_lag", columns=("lag", "tasks"), levels=("share",))
    ax = get_axes(ax)
    known = (table["lag"].notna() & (table["tasks"] > 0)).to_numpy()
    if not known.any():
        return draw_nothing(ax, _TITLE, "no completed tasks")
    numbers, groups = group_rows(table, ("share",))
    # a group says its n in each of its rows
    tasks = np.zeros(len(groups), dtype="int64")
    np.maximum.at(tasks, numbers, table["tasks"].to_numpy())
    largest, more = largest_groups(np.arange(len(groups)), tasks)
    shown = [group for group in largest if tasks[group]]
    names = name_groups(groups.iloc[shown], name_room(ax))
    notes = [f"n = {counted(tasks.sum(), 'completed task')}"]
    if more:
        notes.append(f"the {len(shown)} groups with most tasks, {more:,} more not shown")
    elif empty := len(largest) - len(shown):
        notes.append(f"{counted(empty, 'group')} not drawn: no completed tasks")
    if len(groups) == 1:
        notes += names[: table.index.nlevels - 1]

    seconds = to_seconds(table["lag"])
    shares = table.index.get_level_values("share").to_numpy(dtype="float64")
    legend = []
    for group, (label, look) in zip(shown, series(ax, names, kwargs), strict=True):
        rows = np.flatnonzero(known & (numbers == group))
        rows = rows[np.argsort(shares[rows], kind="stable")]
        line = {"color": look.colour, "linestyle": look.dash, "linewidth": 2, **kwargs}
        ax.plot(seconds[rows], shares[rows], drawstyle="steps-post", label=label, **line)
        if label:
            legend.append(key(f"{label} (n={tasks[group]:,})", **line))
    drawn = known & np.isin(numbers, shown)
    early = bool((table["lag"].to_numpy()[drawn] < np.timedelta64(0, "ms")).any())
    if early:
        notes.append("lags below 0, of windows that ended after their task, are drawn at 0")
    label = "landing lag, end of window to completion"
    duration_axis(ax, "x", seconds[drawn], label, log=False if early else None)
    ax.set(ylim=(0, 1.02), ylabel="share of the completed tasks")
    ticks = [0, 0.5, 1] if is_small(ax) else [0, 0.25, 0.5, 0.75, 0.9, 1]
    ax.yaxis.set_major_locator(ticker.FixedLocator(ticks))
    ax.yaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=0, symbol=" %"))
    ax.grid(visible=True, axis="y", color=ink(0.13), linewidth=0.6)
    header(ax, _TITLE, notes, legend)
    return ax
