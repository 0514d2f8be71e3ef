"""The chart of the hours of the week in which tasks complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.layout import cell_of, is_small
from exportstats.charts.scales import colour_bar
from exportstats.charts.style import COUNT_COLOURS, SMALL, ink
from exportstats.charts.words import LITERAL, shorten
from exportstats.errors import SchemaError
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.charts.panel import Panel

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WIDE = 400  # points of a figure whose cells have room for three digits
_HOURS: tuple[object, ...] = tuple(range(24))


@chart(
    "When export tasks complete",
    maker="completion_times",
    kwargs="For the cells, of `Axes.pcolormesh`.",
)
def plot_completion_times(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw how many tasks complete in each hour of the week.

    Hours without a task stay empty. The time zone is `table.attrs["tz"]`, or else UTC.

    Examples
    --------
    >>> import exportstats as xs
    >>> table = xs.completion_times(xs.sample_tasks(), tz="Europe/Berlin")
    >>> xs.plot_completion_times(table).get_xlabel()
    'hour of completion (Europe/Berlin)'
    """
    if tuple(table.index) != _DAYS or tuple(table.columns) != _HOURS:
        raise SchemaError(
            f"a frame of {len(table)} rows and {len(table.columns)} columns is not Monday to "
            "Sunday by the hours 0 to 23; this chart draws what completion_times returns"
        )
    tasks = table.to_numpy()
    if not tasks.sum():
        raise NothingToDrawError("no completed tasks")
    ax = panel.ax
    width = 0.3 if is_small(ax) else 1
    style = {"cmap": COUNT_COLOURS, "vmin": 0, "edgecolor": ink(0), "linewidth": width, **kwargs}
    mesh = ax.pcolormesh(np.arange(25), np.arange(8), np.ma.masked_equal(tasks, 0), **style)
    day, hour = np.unravel_index(tasks.argmax(), tasks.shape)
    peak = tasks[day, hour]
    style = {"ha": "center", "va": "center", "color": "white", "fontsize": SMALL}
    if cell_of(ax)[0] > _WIDE * len(f"{peak:,}") / 3:
        ax.text(hour + 0.5, day + 0.5, f"{peak:,}", **style)
    ax.set_yticks(np.arange(7) + 0.5, _DAYS)
    hours = range(0, 25, 3 if cell_of(ax)[0] > _WIDE else 12)
    ax.set_xticks(hours, [f"{hour:02}:00" for hour in hours])
    ax.set(xlim=(0, 24), ylim=(7, 0))
    ax.tick_params(length=0)
    ax.spines[:].set(visible=True, color=ink(0.13))
    zone = shorten(table.attrs.get("tz", "UTC"))
    ax.set_xlabel(f"hour of completion ({zone})", **LITERAL)
    colour_bar(ax, mesh, "tasks")
    most = f"most in the hour from {_DAYS[day]} {hour:02}:00: {counted(peak)}"
    panel.notes += [f"n = {counted(tasks.sum())}", most]
    panel.write_header()
