"""The chart of how durations change over time."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.chart import SERIES, NothingToDrawError, chart
from exportstats.charts.lines import FEW, split_lines
from exportstats.charts.scales import (
    duration_axis,
    mark_unfinished,
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

    from exportstats.charts.lines import Line
    from exportstats.charts.panel import Panel

_DASHES = ("-", "--", ":", "-.")  # of the quantiles, in the order of the columns
_HOLLOW = 3.5  # points, the size of a hollow marker
_MANY = 60  # periods, above which markers would hide the lines


@chart(
    "Are export tasks getting slower?",
    maker="duration_trend",
    columns=("completed", "censored"),
    levels=("period",),
    kwargs="For the lines, of `Axes.plot`; " + SERIES,
)
def plot_duration_trend(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw quantiles of the durations by period.

    A period without completed tasks interrupts the lines. A period with fewer than 10 has small
    hollow markers, if there are at most 60 periods. The period that was unfinished when the tasks
    were observed is hatched. Of more than six groups, the slowest six are named and the others
    grey. The axis is logarithmic if the largest duration is more than 20 times the smallest.

    Examples
    --------
    >>> import exportstats as xs
    >>> table = xs.duration_trend(xs.sample_tasks(), freq="W")
    >>> xs.plot_duration_trend(table).get_xlabel()
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
    middle = "p50" if "p50" in dashes else next(iter(dashes))
    seconds = to_seconds(table[middle])
    lines = split_lines(panel, table, "period", kwargs, seconds=seconds, weights="completed")
    colour = ink() if any(line.label for line in lines) else lines[-1].look.colour
    panel.legend += [key(name, color=colour, linestyle=dash) for name, dash in dashes.items()]
    many = len(np.unique(days[drawn])) > _MANY
    for line in lines:
        of_line = dashes if line.look.marker else {middle: "-"}
        rows = table[drawn & line.rows]
        _draw_line(ax, rows, step, of_line, line, kwargs, marked=not many)
        if line.label:
            look = line.look
            panel.legend.append(
                key(line.label, color=look.colour, marker="" if many else look.marker)
            )
    if few := (completed[drawn] < FEW).sum():
        if many:
            panel.notes.append(f"{few:,} of {drawn.sum():,} points are of fewer than {FEW} tasks")
        else:
            style: dict[str, Any] = {"marker": "o", "linestyle": "none", **_hollow(ax)}
            panel.legend.append(key(f"hollow: fewer than {FEW} tasks", color=colour, **style))
    seen = drawn & np.any([line.rows for line in lines], axis=0)
    seconds = np.concatenate([to_seconds(table[name][seen]) for name in dashes])
    duration_axis(panel, "y", seconds, "duration, creation to completion", log=None)
    words = "creation time, start of the period"
    time_axis(panel, days, words, margin=step / 2, tz=zone_of(periods))
    mark_unfinished(panel, table, -step / 2, step)
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
    *,
    marked: bool,
) -> None:
    rows = rows.sort_index(level="period")
    days = to_days(rows.index.get_level_values("period"))
    few = rows["completed"].to_numpy() < FEW
    breaks = np.flatnonzero(np.diff(days) > 1.5 * step) + 1  # months differ in length
    point: dict[str, Any] = {
        "color": line.look.colour,
        "marker": line.look.marker,
        "linestyle": "none",
    }
    label: str | None = line.label
    first = next(iter(dashes))
    for name, dash in dashes.items():
        seconds = to_seconds(rows[name])
        style = {**line.style, "linestyle": dash, "label": label, **kwargs}
        label = None  # the first one has it
        if not marked:
            style = {"linewidth": 0.8, "alpha": 1 if name == first else 0.5} | style
        ax.plot(np.insert(days, breaks, np.nan), np.insert(seconds, breaks, np.nan), **style)
        if marked and line.look.marker:
            ax.plot(days[~few], seconds[~few], markersize=5, **point)
            ax.plot(days[few], seconds[few], **point, **_hollow(ax))
