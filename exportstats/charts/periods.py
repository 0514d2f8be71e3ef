"""The picture of two periods beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib import ticker

from exportstats.charts.style import (
    GREY,
    MAX_GROUPS,
    draw_nothing,
    get_axes,
    header,
    key,
    name_room,
    name_rows,
    note_rows,
)
from exportstats.charts.tables import group_rows, name_groups, require
from exportstats.text import counted, percent, write_duration

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_TITLE = "Is this period worse than the one before?"
_MOST = 5.0  # times the former value; what is beyond is at the edge, and its number beside it
_MEASURES = {
    "tasks": "tasks",
    "failure_rate": "failure rate (%)",
    "p50": "p50 (duration)",
    "p90": "p90 (duration)",
}


class _Look(NamedTuple):
    colour: str
    marker: str


_LOOKS = {
    "worse": _Look("#D55E00", "^"),
    "better": _Look("#009E73", "v"),
    "no clear change": _Look(GREY, "o"),
}


def plot_periods(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw the change of each measure as a dumbbell, from the former value to the current one.

    The measures have different units, so the axis is the multiple of the former value, which is at
    1, and the values themselves stand at the right. Colour and marker are the verdict's, the
    thin line is the interval of the change. Beyond 5 times, and where there was nothing before,
    an arrow is at the edge. Of more than six groups,
    those that became worse come first, then those that became better, then the largest.

    Parameters
    ----------
    table
        What `compare_periods` gives: the index has the groups' levels, if any, and `measure`; the
        columns are `previous`, `current`, `unit` ("tasks", "share" or "s"), `low` and `high` (the
        interval of the change), `n_current`, and `verdict`.
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the dumbbells' bars, of `Axes.hlines`.

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
    >>> table = pd.DataFrame({"previous": [300.0], "current": [600.0], "unit": "s", "low": [200.0],
    ...                       "high": [400.0], "n_previous": 70, "n_current": 68,
    ...                       "verdict": "worse"}, index=pd.Index(["p50"], name="measure"))
    >>> [text.get_text() for text in plot_periods(table).texts[:1]]
    ['5 min → 10 min']
    """
    columns = ("previous", "current", "unit", "low", "high", "n_previous", "n_current", "verdict")
    require(table, maker="compare_periods", columns=columns, levels=("measure",))
    ax = get_axes(ax)
    if not table[["n_previous", "n_current"]].to_numpy().sum():
        return draw_nothing(ax, _TITLE)

    numbers, groups = group_rows(table, ("measure",))
    shown = _first(table, numbers)
    rows = table.iloc[np.concatenate([np.flatnonzero(numbers == group) for group in shown])]
    measures = [_MEASURES.get(name, name) for name in rows.index.get_level_values("measure")]
    names = measures
    if table.index.nlevels > 1:
        of_row = np.repeat(np.arange(len(shown)), np.bincount(numbers)[shown])
        texts = name_groups(groups.iloc[shown], max(name_room(ax) - 10, 16))
        names = [f"{texts[group]} · {name}" for group, name in zip(of_row, measures, strict=True)]
    more = len(groups) - len(shown)
    name_rows(ax, names)
    _draw_rows(ax, rows, kwargs)
    values = zip(rows["previous"], rows["current"], rows["unit"], strict=True)
    note_rows(ax, [f"{_write(old, unit)} → {_write(new, unit)}" for old, new, unit in values])

    size = table.index.get_level_values("measure") == "tasks"
    notes = []
    if size.any():
        old, new = (table.loc[size, name].sum() for name in ("n_previous", "n_current"))
        notes.append(f"n = {counted(old)} before, {counted(new)} now")
    if more:
        notes.append(f"{len(shown)} groups, the worse first, {more:,} more not shown")
    here = [name for name in _LOOKS if (rows["verdict"] == name).any()]
    legend = [key("previous", color=GREY, marker="o", linestyle="none", markerfacecolor="white")]
    for name in here:
        look = _LOOKS[name]
        legend.append(key(name, color=look.colour, marker=look.marker, linestyle="none"))
    legend.append(key("interval of the change", color=GREY, linewidth=1))
    header(ax, _TITLE, notes, legend)
    return ax


def _first(table: pd.DataFrame, numbers: np.ndarray) -> list[int]:
    """Choose the groups to draw: the worse, then the better, then the largest."""
    many = int(numbers.max()) + 1
    worse, better = (
        np.bincount(numbers, weights=table["verdict"] == name, minlength=many) > 0
        for name in ("worse", "better")
    )
    largest = np.zeros(many)
    np.maximum.at(largest, numbers, table["n_current"].to_numpy())
    order: list[int] = np.lexsort((-largest, ~better, ~worse))[:MAX_GROUPS].tolist()
    return order


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
    ax.axvline(1, color="#BBBBBB", linewidth=1)
    for name, look in _LOOKS.items():
        these = (rows["verdict"] == name).to_numpy() & ~np.isnan(at)
        if not these.any():
            continue
        bar: dict[str, Any] = {"color": look.colour, "linewidth": 4, "alpha": 0.5}
        ax.hlines(y[these], 1, at[these], **{**bar, **kwargs})
        bounded = these & ~np.isnan(low)
        place = y[bounded] + 0.25  # below the bar, which would hide it
        ax.hlines(place, low[bounded], high[bounded], color=look.colour, linewidth=1)
        point: dict[str, Any] = {"linestyle": "none", "color": look.colour, "clip_on": False}
        ax.plot(np.ones(these.sum()), y[these], marker="o", markerfacecolor="white", **point)
        inside = ends[0] <= edge
        for some, marker in ((these & inside, look.marker), (these & ~inside, ">")):
            if some.any():
                ax.plot(at[some], y[some], marker=marker, markersize=8, **point)
    ax.set_xlim(0, edge)
    ax.xaxis.set_major_locator(ticker.MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}\u00d7"))
    ax.set_xlabel("current as a multiple of previous (previous = 1)")
    ax.grid(visible=True, axis="x", color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)


def _write(value: float, unit: str) -> str:
    """Write a value in its unit; "-" for none."""
    if unit == "s":
        return write_duration(value)
    if unit == "share":
        return percent(value)
    return f"{value:,.0f}"
