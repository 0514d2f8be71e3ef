"""The chart that compares two periods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import ticker

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.rows import name_room, name_rows, note_rows, rows_that_fit
from exportstats.charts.scales import draw_grid
from exportstats.charts.style import BAD, GOOD, GREY, MAX_GROUPS, ink, key
from exportstats.charts.tables import group_rows, name_groups
from exportstats.stats.periods import COLUMNS, by_measure
from exportstats.text import counted, percent, write_duration

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from exportstats.charts.panel import Panel

_MOST = 5.0  # times the previous value; larger changes are arrows at the edge
_PER_GROUP = 4  # measures


_LOOKS = {"worse": (BAD, "^"), "better": (GOOD, "v"), "no clear change": (GREY, "o")}


@chart(
    "Is this period worse than the one before?",
    maker="compare_periods",
    columns=COLUMNS,
    kwargs="For the dumbbells' bars, of `Axes.hlines`.",
)
def plot_periods(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw the change of each measure as a dumbbell, from the previous to the current value.

    Measures have different units, so the axis shows multiples of the previous value. The values
    themselves are at the right. Colour and marker show the verdict, and the thin line is the
    interval of the change. An arrow at the edge stands for changes of more than 5 times, or from
    0. At most six groups are drawn: those that became worse, then those that became better, then
    the largest.

    Examples
    --------
    >>> import exportstats as xs
    >>> table = xs.compare_periods(xs.sample_tasks(), current="2026-W47", previous="2026-W46")
    >>> xs.plot_periods(table).get_xlabel()
    'current as a multiple of previous (previous = 1)'
    """
    tasks = table["tasks"]
    before, now = tasks["previous"].sum(), tasks["current"].sum()
    if not before + now:
        raise NothingToDrawError("no tasks")
    ax = panel.ax
    shown = table.iloc[_first(table)[: max(rows_that_fit(ax) // _PER_GROUP, 1)]]
    rows = by_measure(shown)
    rows["verdict"] = rows["verdict"].astype("str").fillna("no clear change")
    names = [str(name).replace("_", " ") for name in rows.index.get_level_values("measure")]
    if rows.index.nlevels > 1:
        texts = name_groups(group_rows(shown)[1], max(name_room(ax) - 10, 12))
        names = [f"{texts[at // _PER_GROUP]} · {name}" for at, name in enumerate(names)]
    name_rows(ax, names)
    _draw_rows(ax, rows, kwargs)
    values = zip(rows["previous"], rows["current"], rows["unit"], strict=True)
    note_rows(ax, [f"{_write(old, unit)} → {_write(new, unit)}" for old, new, unit in values])

    panel.notes.append(f"n = {counted(before)} before, {counted(now)} now")
    if more := len(table) - len(shown):
        panel.notes.append(f"{len(shown)} groups, worse ones first, {more:,} more not shown")
    looks = {"previous": (GREY, "o"), **_LOOKS}
    for name in ("previous", *(name for name in _LOOKS if (rows["verdict"] == name).any())):
        colour, marker = looks[name]
        panel.legend.append(key(name, color=colour, marker=marker, linestyle="none"))
    panel.legend[0][0].set(markerfacecolor=ink(0))
    panel.legend.append(key("interval of the change", color=GREY, linewidth=1))
    panel.write_header()


def _first(table: pd.DataFrame) -> list[int]:
    """Choose the groups to draw: those that became worse, then better, then the largest."""
    verdicts = table.xs("verdict", axis=1, level=1)
    worse, better = ((verdicts == name).to_numpy().any(axis=1) for name in ("worse", "better"))
    order: list[int] = np.lexsort((-table["tasks", "current"], ~better, ~worse)).tolist()
    return order[:MAX_GROUPS]


def _draw_rows(ax: Axes, rows: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    """Draw the dumbbells at 0, 1, … from the top down."""
    former, now, low, high = (
        rows[name].to_numpy(dtype="float64") for name in ("previous", "current", "low", "high")
    )
    base = np.where(former > 0, former, np.nan)
    ends = np.array([now, former + low, former + high]) / base
    ends[0, (former == 0) & (now > 0)] = np.inf
    ends[0, (former == 0) & (now == 0)] = 1
    edge = min(np.nanmax([1.5, *ends.ravel()]) * 1.06, _MOST)
    at, low, high = np.clip(ends, 0, edge)
    y = np.arange(len(rows))
    ax.axvline(1, color=ink(0.3), linewidth=1)
    for name, (colour, marker) in _LOOKS.items():
        these = (rows["verdict"] == name).to_numpy() & ~np.isnan(at)
        if not these.any():
            continue
        bar: dict[str, Any] = {"color": colour, "linewidth": 4, "alpha": 0.5}
        ax.hlines(y[these], 1, at[these], **{**bar, **kwargs})
        bounded = these & ~np.isnan(low)
        place = y[bounded] + 0.25  # below the bar, so that it is visible
        ax.hlines(place, low[bounded], high[bounded], color=colour, linewidth=1)
        point: dict[str, Any] = {"linestyle": "none", "color": colour, "clip_on": False}
        ax.plot(np.ones(these.sum()), y[these], marker="o", markerfacecolor=ink(0), **point)
        inside = ends[0] <= edge
        for some, shape in ((these & inside, marker), (these & ~inside, ">")):
            if some.any():
                ax.plot(at[some], y[some], marker=shape, markersize=8, **point)
    ax.set_xlim(0, edge)
    ax.xaxis.set_major_locator(ticker.MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}\u00d7"))
    ax.set_xlabel("current as a multiple of previous (previous = 1)")
    draw_grid(ax, "x")


def _write(value: float, unit: str) -> str:
    """Write a value in its unit."""
    if unit == "s":
        return write_duration(value)
    if unit == "share":
        return percent(value)
    return f"{value:,.0f}"
