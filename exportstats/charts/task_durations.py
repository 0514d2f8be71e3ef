"""The chart of the duration of each task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.scales import (
    LEAST,
    colour_bar,
    duration_axis,
    time_axis,
    to_days,
    to_seconds,
)
from exportstats.charts.style import COUNT_COLOURS, key, look_of
from exportstats.charts.words import shorten
from exportstats.core.schema import ACTIVE_STATES, STATES, TERMINAL_STATES
from exportstats.stats.as_of import instant
from exportstats.text import counted

if TYPE_CHECKING:
    from datetime import date

    from matplotlib.axes import Axes

    from exportstats.charts.panel import Panel

_FEW = 500
_POINTS = 20_000  # more points hide each other
_RASTERIZED = 2_000  # more points make a vector file large


@chart(
    "How long each export task took",
    maker="read_tasks, fetch_tasks or conform",
    columns=("creation_time", "duration", "status_code", "observed_at"),
    kwargs="For the points, of `Axes.plot`, or for the hexagons, of `Axes.hexbin`.",
)
def plot_task_durations(
    panel: Panel, table: pd.DataFrame, *, as_of: str | date | pd.Period | None = None, **kwargs: Any
) -> None:
    """Draw each task's creation time and duration, by state.

    An active task is drawn at its age at `as_of`, with an open marker that points upwards, because
    its duration is at least that. More than 20,000 ended tasks are drawn as hexagons, coloured by
    their number. A note counts tasks that cannot be drawn.

    Parameters
    ----------
    as_of
        The instant for the age of active tasks: an aware time, or a date in UTC. By default the
        `observed_at` of each task.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.plot_task_durations(xs.sample_tasks()).get_ylabel()
    'duration, creation to completion (log scale)'
    """
    if table.empty:
        raise NothingToDrawError("no tasks")
    panel.notes.append(f"n = {counted(len(table))}")
    days, seconds, active = _place(panel, table, None if as_of is None else instant(as_of, "as_of"))
    drawn = ~np.isnan(seconds)
    if not drawn.any():
        raise NothingToDrawError("\n".join(panel.notes))

    ax = panel.ax
    _scale(panel, days[drawn], seconds[drawn])
    status = pd.Categorical(table["status_code"])
    layers = [
        (state, drawn & (status.codes == code))
        for code, state in [(-1, "unknown"), *enumerate(status.categories)]
    ]
    # The rarest states are drawn last, on top of others, and active ones on top of ended ones.
    order = {state: place for place, state in enumerate(("unknown", *STATES))}
    layers.sort(
        key=lambda layer: (layer[0] in ACTIVE_STATES, -layer[1].sum(), order.get(layer[0], 9))
    )
    ended = drawn & ~active
    if ended.sum() > _POINTS:
        layers = [layer for layer in layers if layer[0] in ACTIVE_STATES]
        panel.notes.append("ended tasks as hexagons")
        _draw_hexagons(ax, days[ended], seconds[ended], kwargs)
        _scale(panel, days[drawn], seconds[drawn])  # hexbin changes the scales
        kwargs = {}
    for state, rows in layers:
        many = int(rows.sum())
        if not many:
            continue
        style = {**_style(state, int(drawn.sum())), **kwargs}
        ax.plot(days[rows], seconds[rows], rasterized=many > _RASTERIZED, **style)
        least = ", at least" if state in ACTIVE_STATES else ""
        label = f"{shorten(state)}{least} ({many:,})"
        panel.legend.append(key(label, **{**style, "markersize": 6, "alpha": 1}))
    panel.write_header()


def _place(
    panel: Panel, tasks: pd.DataFrame, as_of: pd.Timestamp | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return creation (days), duration (seconds, NaN if not drawn) and whether it is active."""
    days, seconds = to_days(tasks["creation_time"]), to_seconds(tasks["duration"])
    states = tasks["status_code"]
    active, ended = (states.isin(some).to_numpy() for some in (ACTIVE_STATES, TERMINAL_STATES))
    seen = to_days(tasks["observed_at"] if as_of is None else pd.DatetimeIndex([as_of]))
    age = (seen - days) * 86_400
    reasons = {
        "without creation_time": tasks["creation_time"].isna().to_numpy(),
        "active but without observed_at": active & np.isnan(age),
        f"created after {'observed_at' if as_of is None else 'as_of'}": active & (age < 0),
        "ended but without duration": ended & np.isnan(seconds),
        "without duration and in an unknown state": ~active & np.isnan(seconds),
    }
    drawn = np.full(len(tasks), True)
    for reason, rows in reasons.items():
        if lost := (drawn & rows).sum():  # each task is counted once
            panel.notes.append(f"{counted(lost)} not drawn: {reason}")
        drawn &= ~rows
    seconds = np.where(active, np.maximum(age, LEAST), seconds)
    return days, np.where(drawn, seconds, np.nan), active


def _scale(panel: Panel, days: np.ndarray, seconds: np.ndarray) -> None:
    duration_axis(panel, "y", seconds, "duration, creation to completion")
    time_axis(panel, days)


def _draw_hexagons(ax: Axes, days: np.ndarray, seconds: np.ndarray, kwargs: dict[str, Any]) -> None:
    style = {
        "gridsize": (70, 20),
        "extent": (*ax.get_xlim(), *np.log10(ax.get_ylim())),
        "bins": "log",
        "mincnt": 1,
        "cmap": COUNT_COLOURS,
        "linewidths": 0.1,
        "rasterized": True,
    }
    hexagons = ax.hexbin(days, seconds, yscale="log", **{**style, **kwargs})
    colour_bar(ax, hexagons, "ended tasks")


def _style(state: str, number: int) -> dict[str, Any]:
    look = look_of(state)
    style = {
        "linestyle": "none",
        "marker": look.marker,
        "color": look.colour,
        "markersize": 7 if number < _FEW else 4,
        "markeredgewidth": 0,
        "alpha": 0.7,
    }
    if state in ACTIVE_STATES:
        style |= {"markerfacecolor": "none", "markeredgewidth": 1.4, "markersize": 7, "alpha": 1}
    return style
