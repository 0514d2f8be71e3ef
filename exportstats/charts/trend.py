"""The picture of how durations change from period to period."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.scales import (
    duration_axis,
    period_step,
    time_axis,
    to_days,
    to_seconds,
    zone_of,
)
from exportstats.charts.style import (
    draw_nothing,
    get_axes,
    header,
    ink,
    key,
    name_room,
    series,
)
from exportstats.charts.tables import group_rows, largest_groups, name_groups, quantiles_of, require
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from exportstats.charts.style import GroupLook

_TITLE = "Are export tasks getting slower?"
_FEW = 10  # tasks in a period
_DASHES = ("-", "--", ":", "-.")  # of the quantiles, in the order of the columns
_HOLLOW = 3.5  # points, the size of a hollow marker
_MANY = 60  # periods, from which markers of full size hide the line


def plot_duration_trend(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw quantiles of the durations, period by period.

    A period without a completed task breaks the lines; one with fewer than 10 has small hollow
    markers. Of more than six groups, the six with most completed tasks are drawn. The axis is a
    log one when the largest duration is more than 20 times the smallest.

    Parameters
    ----------
    table
        What `duration_trend` gives: the index has the groups' levels, if any, and `period`
        (starts of periods); the columns are `completed` and `censored` (counts), and quantiles
        named as in `p50` (durations).
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
    >>> weeks = pd.date_range("2026-01-05", periods=2, freq="7D", tz="UTC", name="period")
    >>> table = pd.DataFrame({"completed": [40, 50], "censored": 0,
    ...                       "p50": pd.to_timedelta(["5min", "6min"]),
    ...                       "p90": pd.to_timedelta(["20min", "50min"])}, index=weeks)
    >>> plot_duration_trend(table).get_xlabel()
    'creation time, start of the period (UTC)'
    """
    columns = ("completed", "censored")
    require(table, maker="duration_trend", columns=columns, levels=("period",))
    dashes = dict(zip(quantiles_of(table, "duration_trend"), cycle(_DASHES), strict=False))
    ax = get_axes(ax)
    periods = table.index.get_level_values("period")
    days = to_days(periods)
    completed = table["completed"].to_numpy()
    drawn = ~np.isnan(days) & (completed > 0)
    notes = [f"n = {counted(completed.sum(), 'completed task')}"]
    if censored := table["censored"].sum():
        notes.append(f"{counted(censored)} still active, not counted in")
    if lost := completed[np.isnan(days)].sum():
        notes.append(f"{counted(lost)} not drawn: no period")
    if not drawn.any():
        return draw_nothing(ax, _TITLE, notes[-1] if lost else "no completed tasks")

    numbers, groups = group_rows(table, ("period",))
    shown, more = largest_groups(numbers, completed)
    names = name_groups(groups.iloc[shown], name_room(ax))
    if more:
        notes.append(f"the {len(shown)} groups with most tasks, {more:,} more not shown")
    if len(names) == 1:
        notes += names[: table.index.nlevels - 1]
    step = period_step(np.unique(days[~np.isnan(days)]))
    found = series(ax, names, kwargs)
    colour = ink() if any(label for label, _ in found) else found[0][1].colour
    legend = [key(name, color=colour, linestyle=dash) for name, dash in dashes.items()]
    for group, (label, look) in zip(shown, found, strict=True):
        rows = drawn & (numbers == group)
        _draw_group(ax, table[rows], days[rows], step, dashes, look, {"label": label, **kwargs})
        if label:
            legend.append(key(label, color=look.colour, marker=look.marker))
    if (completed[drawn] < _FEW).any():
        style: dict[str, Any] = {"marker": "o", "linestyle": "none", **_hollow(ax)}
        legend.append(key(f"hollow: fewer than {_FEW} tasks", color=colour, **style))
    seen = drawn & np.isin(numbers, shown)
    seconds = np.concatenate([to_seconds(table[name][seen]) for name in dashes])
    duration_axis(ax, "y", seconds, "duration, creation to completion", log=None)
    words = "creation time, start of the period"
    time_axis(ax, days, words, margin=step / 2, tz=zone_of(periods))
    header(ax, _TITLE, notes, legend)
    return ax


def _hollow(ax: Axes) -> dict[str, Any]:
    return {"markersize": _HOLLOW, "markerfacecolor": ax.get_facecolor()}


def _draw_group(
    ax: Axes,
    rows: pd.DataFrame,
    days: np.ndarray,
    step: float,
    dashes: dict[str, str],
    look: GroupLook,
    kwargs: dict[str, Any],
) -> None:
    order = np.argsort(days)
    days = days[order]
    few = rows["completed"].to_numpy()[order] < _FEW
    breaks = np.flatnonzero(np.diff(days) > 1.5 * step) + 1  # months differ in length
    point: dict[str, Any] = {
        "color": look.colour,
        "marker": look.marker,
        "linestyle": "none",
        "markersize": 5 if len(days) <= _MANY else 2.5,
    }
    for name, dash in dashes.items():
        seconds = to_seconds(rows[name])[order]
        line = {"color": look.colour, "linestyle": dash, **kwargs}
        kwargs = kwargs | {"label": None}  # the first line has it
        ax.plot(np.insert(days, breaks, np.nan), np.insert(seconds, breaks, np.nan), **line)
        ax.plot(days[~few], seconds[~few], **point)
        ax.plot(days[few], seconds[few], **{**point, **_hollow(ax)})
