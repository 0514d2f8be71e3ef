"""The heat map of what is in S3, with a column for each day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.colors import LinearSegmentedColormap

from exportstats.charts.rows import name_lanes, rows_that_fit
from exportstats.charts.scales import colour_bar, time_axis, to_days
from exportstats.charts.words import LITERAL, shorten
from exportstats.core.schema import LOG_GROUP
from exportstats.text import counted, percent

if TYPE_CHECKING:
    from exportstats.charts.panel import Panel

_MOST = 60  # rows on a slide
_CELLS = 500  # columns that are still a pixel wide

# A fully covered day has its own colour: a day with a gap of a minute must look different.
_WHOLE = "#A6D9C8"
_ALMOST = 1 - 1e-9  # a millisecond of a day is 1e-8
_COLOURS = LinearSegmentedColormap.from_list(
    "covered", ["#6E1F00", "#D55E00", "#FBE0B5"]
).with_extremes(over=_WHOLE)


def draw_days(panel: Panel, table: pd.DataFrame, bound: str, kwargs: dict[str, Any]) -> None:
    """Draw the covered share of each day, with a row for each log group.

    Cells without a value, before the log group was created, stay empty. If columns would be thinner
    than a pixel, a column stands for several days and has the colour of the worst one.
    """
    shares = table.to_numpy(dtype="float64")
    zone = shorten(table.columns.tz or "UTC")  # type: ignore[attr-defined]
    # Days in their own zone, all equally wide, although two a year differ in length.
    days = to_days(table.columns.tz_localize(None).normalize())  # type: ignore[attr-defined]
    known = max((~np.isnan(shares)).sum(), 1)
    panel.notes += [
        f"n = {counted(len(table), 'log group')}, {counted(len(days), 'day')}",
        f"fully covered: {percent((shares > _ALMOST).sum() / known)} of the days",
        f"not at all: {percent((shares == 0).sum() / known)}",
    ]
    missing = np.nansum(1 - shares, axis=1)
    worst = np.argsort(-missing, kind="stable")[: rows_that_fit(panel.ax, _MOST)]
    if more := len(table) - len(worst):
        panel.notes.append(f"the worst {len(worst)} of {len(table):,}, {more:,} more not shown")

    first, end = int(days.min()), int(days.max()) + 1
    together = -(-(end - first) // _CELLS)
    edges = np.arange(first, end + together, together)
    columns = (days.astype("int64") - first) // together
    cells = pd.DataFrame(shares[worst].T).groupby(columns).min()
    cells = cells.reindex(range(len(edges) - 1)).T  # days missing in the table are empty
    if together > 1:
        panel.notes.append(f"a column is the worst of {together} days")

    ax = panel.ax
    time_axis(panel, np.array([first, end]), "", margin=0)
    ax.set_xlabel(f"day ({zone})", **LITERAL)
    groups = table.index[worst].to_frame(index=False)[[*LOG_GROUP]]
    groups.columns = pd.RangeIndex(len(LOG_GROUP))
    name_lanes(panel, groups)
    style: dict[str, Any] = {
        "cmap": _COLOURS,
        "vmin": 0,
        "vmax": _ALMOST,
        "rasterized": cells.size > _CELLS,
    }
    rows = np.arange(len(worst) + 1) - 0.5
    mesh = ax.pcolormesh(edges, rows, np.ma.masked_invalid(cells.to_numpy()), **style | kwargs)
    ax.set_xlim(first, end)
    percentages = ticker.PercentFormatter(_ALMOST, decimals=0, symbol=" %")
    label = "covered (tip: the whole day)"
    colour_bar(ax, mesh, label, ticks=None, extend="max", format=percentages)
    panel.notes.append(bound)
    panel.write_header()
