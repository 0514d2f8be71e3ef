"""The picture of how durations change from period to period."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.panel import SERIES, NothingToDrawError, chart
from exportstats.charts.scales import (
    duration_axis,
    period_step,
    time_axis,
    to_days,
    to_seconds,
    zone_of,
)
from exportstats.charts.style import ink, key
from exportstats.charts.tables import quantiles_of
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from exportstats.charts.panel import Line, Panel

_FEW = 10  # tasks in a period
_DASHES = ("-", "--", ":", "-.")  # of the quantiles, in the order of the columns
_HOLLOW = 3.5  # points, the size of a hollow marker
_MANY = 60  # periods, from which markers of full size hide the line


@chart(
    "Are export tasks getting slower?",
    maker="duration_trend",
    columns=("completed", "censored"),
    levels=("period",),
    kwargs="For the lines, of `Axes.plot`; " + SERIES,
)
def plot_duration_trend(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw quantiles of the durations, period by period.

    A period without a completed task breaks the lines; one with fewer than 10 has small hollow
    markers. Of more than six groups, the six with most completed tasks are drawn. The axis is a
    log one when the largest duration is more than 20 times the smallest.

    Examples
    --------
    >>> from exportstats import duration_trend, sample_tasks
    >>> sample_tasks().pipe(duration_trend, freq="W").pipe(plot_duration_trend).get_xlabel()
    'creation time, start of the period (UTC)'
    """
    dashes = dict(zip(quantiles_of(table, "duration_trend"), cycle(_DASHES), strict=False))
    periods = table.index.get_level_values("period")
    days = to_days(periods)
    completed = table["completed"].to_numpy()
    drawn = ~np.isnan(days) & (completed > 0)
    if censored := table["censored"].sum():
        panel.notes.append(f"{counted(censored)} still active, not counted in")
    if lost := completed[np.isnan(days)].sum():
        panel.notes.append(f"{counted(lost)} not drawn: no period")
    if not drawn.any():
        raise NothingToDrawError(panel.notes[-1] if lost else "no completed tasks")

    ax = panel.ax
    step = period_step(np.unique(days[~np.isnan(days)]))
    lines = panel.split(table, "period", kwargs, tasks="completed")
    colour = ink() if any(line.label for line in lines) else lines[0].look.colour
    panel.legend += [key(name, color=colour, linestyle=dash) for name, dash in dashes.items()]
    for line in lines:
        _draw_line(ax, table[drawn & line.rows], step, dashes, line, kwargs)
        if line.label:
            look = line.look
            panel.legend.append(key(line.label, color=look.colour, marker=look.marker))
    if (completed[drawn] < _FEW).any():
        style: dict[str, Any] = {"marker": "o", "linestyle": "none", **_hollow(ax)}
        panel.legend.append(key(f"hollow: fewer than {_FEW} tasks", color=colour, **style))
    seen = drawn & np.any([line.rows for line in lines], axis=0)
    seconds = np.concatenate([to_seconds(table[name][seen]) for name in dashes])
    duration_axis(panel, "y", seconds, "duration, creation to completion", log=None)
    words = "creation time, start of the period"
    time_axis(panel, days, words, margin=step / 2, tz=zone_of(periods))
    panel.write_header()


def _hollow(ax: Axes) -> dict[str, Any]:
    return {"markersize": _HOLLOW, "markerfacecolor": ax.get_facecolor()}


def _draw_line(
    ax: Axes,
    rows: pd.DataFrame,
    step: float,
    dashes: dict[str, str],
    line: Line,
    kwargs: dict[str, Any],
) -> None:
    rows = rows.sort_index(level="period")
    days = to_days(rows.index.get_level_values("period"))
    few = rows["completed"].to_numpy() < _FEW
    breaks = np.flatnonzero(np.diff(days) > 1.5 * step) + 1  # months differ in length
    point: dict[str, Any] = {
        "color": line.look.colour,
        "marker": line.look.marker,
        "linestyle": "none",
        "markersize": 5 if len(days) <= _MANY else 2.5,
    }
    label: str | None = line.label
    for name, dash in dashes.items():
        seconds = to_seconds(rows[name])
        style = {"color": line.look.colour, "linestyle": dash, "label": label, **kwargs}
        label = None  # the first one has it
        ax.plot(np.insert(days, breaks, np.nan), np.insert(seconds, breaks, np.nan), **style)
        ax.plot(days[~few], seconds[~few], **point)
        ax.plot(days[few], seconds[few], **{**point, **_hollow(ax)})
