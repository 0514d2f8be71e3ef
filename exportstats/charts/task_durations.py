"""The picture of what each single task did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.charts.scales import LEAST, duration_axis, time_axis, to_days, to_seconds
from exportstats.charts.style import (
    COUNT_COLOURS,
    colour_bar,
    draw_nothing,
    get_axes,
    header,
    key,
    look_of,
)
from exportstats.charts.tables import require
from exportstats.charts.words import shorten
from exportstats.core.schema import ACTIVE_STATES, STATES, TERMINAL_STATES
from exportstats.stats.as_of import instant
from exportstats.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from exportstats.stats.as_of import Instant

_TITLE = "How long each export task took"
_FEW = 500
_POINTS = 20_000  # more of them hide each other
_RASTERIZED = 2_000  # more of them make a vector file large


def plot_task_durations(
    tasks: pd.DataFrame,
    *,
    as_of: Instant = None,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw each task's creation time and duration, by state.

    An active task stands, with an open marker that points upwards, at the least that its duration
    can be: the time from its creation to `as_of`. Above 20,000 the ended tasks are drawn as
    hexagons coloured by their number. Tasks that cannot be drawn are counted in a note.

    Parameters
    ----------
    tasks
        A table of tasks.
    as_of
        The instant to which active tasks are counted, aware; each task's `observed_at` if None.
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the points, of `Axes.plot`, or for the hexagons, of `Axes.hexbin`.

    Returns
    -------
    Axes
        What it drew on; the hexagons' colour bar has axes of its own.

    Raises
    ------
    SchemaError
        The frame is no table of tasks.
    ArgumentError
        `as_of` has no time zone.

    Examples
    --------
    >>> import pandas as pd
    >>> from exportstats import conform
    >>> tasks = conform(pd.DataFrame({"task_id": ["a"], "status_code": ["COMPLETED"],
    ...     "creation_time": [1437584472856], "completion_time": [1437584472986]}))
    >>> plot_task_durations(tasks).get_title(loc="left")
    'How long each export task took'
    """
    columns = ("creation_time", "duration", "status_code", "observed_at")
    require(tasks, maker="read_tasks, fetch_tasks or conform", columns=columns)
    when = None if as_of is None else instant(as_of, "as_of")
    ax = get_axes(ax)
    if tasks.empty:
        return draw_nothing(ax, _TITLE)
    days, seconds, active, notes = _place(tasks, when)
    drawn = ~np.isnan(seconds)
    notes = [f"n = {counted(len(tasks))}", *notes]
    if not drawn.any():
        return draw_nothing(ax, _TITLE, "\n".join(notes))

    _scale(ax, days[drawn], seconds[drawn])
    status = pd.Categorical(tasks["status_code"])
    layers = [
        (state, drawn & (status.codes == code))
        for code, state in [(-1, "unknown"), *enumerate(status.categories)]
    ]
    # The rarest come last, on top of the others, and what still grows on top of what has ended.
    order = {state: place for place, state in enumerate(("unknown", *STATES))}
    layers.sort(
        key=lambda layer: (layer[0] in ACTIVE_STATES, -layer[1].sum(), order.get(layer[0], 9))
    )
    ended = drawn & ~active
    legend = []
    if ended.sum() > _POINTS:
        layers = [layer for layer in layers if layer[0] in ACTIVE_STATES]
        notes.append("ended tasks as hexagons")
        _draw_hexagons(ax, days[ended], seconds[ended], kwargs)
        _scale(ax, days[drawn], seconds[drawn])  # hexbin has set its own
        kwargs = {}
    for state, rows in layers:
        x, y = days[rows], seconds[rows]
        if not len(x):
            continue
        style = {**_style(state, int(drawn.sum())), **kwargs}
        ax.plot(x, y, rasterized=len(x) > _RASTERIZED, **style)
        least = ", at least" if state in ACTIVE_STATES else ""
        label = f"{shorten(state)}{least} ({len(x):,})"
        legend.append(key(label, **{**style, "markersize": 6, "alpha": 1}))
    header(ax, _TITLE, notes, legend)
    return ax


def _place(
    tasks: pd.DataFrame, as_of: pd.Timestamp | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return each task's creation (days), duration (seconds, NaN if not drawn), and the notes."""
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
        "without duration, and in no known state": ~active & np.isnan(seconds),
    }
    drawn = np.full(len(tasks), True)
    notes = []
    for reason, rows in reasons.items():
        if lost := (drawn & rows).sum():  # each task is counted once
            notes.append(f"{counted(lost)} not drawn: {reason}")
        drawn &= ~rows
    seconds = np.where(active, np.maximum(age, LEAST), seconds)
    return days, np.where(drawn, seconds, np.nan), active, notes


def _scale(ax: Axes, days: np.ndarray, seconds: np.ndarray) -> None:
    duration_axis(ax, "y", seconds, "duration, creation to completion")
    time_axis(ax, days)


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
