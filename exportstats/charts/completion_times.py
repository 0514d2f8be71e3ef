"""The picture of the hours of the week in which tasks complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.style import (
    COUNT_COLOURS,
    SMALL,
    colour_bar,
    draw_nothing,
    get_axes,
    header,
)
from exportstats.charts.tables import require
from exportstats.charts.words import LITERAL, shorten
from exportstats.errors import SchemaError
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_TITLE = "When export tasks complete"
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HOURS: tuple[object, ...] = tuple(range(24))


def plot_completion_times(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw in which hours of the week tasks complete; an hour without one stays empty.

    Parameters
    ----------
    table
        What `completion_times` gives: 7 rows, Monday to Sunday, and 24 columns, the hours 0 to
        23; counts of tasks. `table.attrs["tz"]` names the time zone, UTC if it is not there.
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the cells, of `Axes.pcolormesh`.

    Returns
    -------
    Axes
        What it drew on; the colour bar has axes of its own.

    Raises
    ------
    SchemaError
        The frame has another shape.

    Examples
    --------
    >>> import pandas as pd
    >>> days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    >>> table = pd.DataFrame(0, index=pd.Index(days, name="weekday"),
    ...                      columns=pd.RangeIndex(24, name="hour"))
    >>> table.loc["Tuesday", 3] = 12
    >>> [text.get_text() for text in plot_completion_times(table).texts]
    ['12', 'n = 12 tasks · most in the hour from Tuesday 03:00: 12 tasks']
    """
    require(table, maker="completion_times")
    if tuple(table.index) != _DAYS or tuple(table.columns) != _HOURS:
        raise SchemaError(
            f"a frame of {len(table)} rows and {len(table.columns)} columns is not Monday to "
            "Sunday by the hours 0 to 23; this chart draws what completion_times gives"
        )
    ax = get_axes(ax)
    tasks = table.to_numpy()
    if not tasks.sum():
        return draw_nothing(ax, _TITLE, "no completed tasks")
    style = {"cmap": COUNT_COLOURS, "vmin": 0, "edgecolor": "white", "linewidth": 1}
    cells = np.ma.masked_equal(tasks, 0)
    mesh = ax.pcolormesh(np.arange(25), np.arange(8), cells, **{**style, **kwargs})
    day, hour = np.unravel_index(tasks.argmax(), tasks.shape)
    peak = tasks[day, hour]
    ax.text(
        hour + 0.5, day + 0.5, f"{peak:,}", ha="center", va="center", color="white", fontsize=SMALL
    )
    ax.set_yticks(np.arange(7) + 0.5, _DAYS)
    ax.set_xticks(range(0, 25, 3), [f"{hour:02}:00" for hour in range(0, 25, 3)])
    ax.set(xlim=(0, 24), ylim=(7, 0))
    ax.tick_params(length=0)
    ax.spines[:].set(visible=True, color="#DDDDDD")
    zone = shorten(table.attrs.get("tz", "UTC"))
    ax.set_xlabel(f"hour of completion ({zone})", **LITERAL)
    colour_bar(ax, mesh, "tasks")
    notes = [
        f"n = {counted(tasks.sum())}",
        f"most in the hour from {_DAYS[day]} {hour:02}:00: {counted(peak)}",
    ]
    header(ax, _TITLE, notes)
    return ax
