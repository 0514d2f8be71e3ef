"""The picture of the states that tasks are in."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import ticker
from matplotlib.patches import Patch

from exportstats.charts.scales import period_step, time_axis, to_days, zone_of
from exportstats.charts.style import (
    MAX_ROWS,
    count_axis,
    draw_nothing,
    get_axes,
    header,
    hold,
    ink,
    is_small,
    look_of,
    name_room,
    name_rows,
    note_rows,
    remember,
    series,
    size_of,
)
from exportstats.charts.tables import group_rows, name_groups, require
from exportstats.charts.words import shorten
from exportstats.errors import ArgumentError
from exportstats.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle
    from matplotlib.text import Annotation

_TITLE = "Export tasks by state"
# From the base line up: what is worth comparing stands on the base line.
_STACK = ("FAILED", "CANCELLED", "COMPLETED", "PENDING_CANCEL", "RUNNING", "PENDING")
_FAILED = ("FAILED", "CANCELLED")
_MANY = 100  # periods


def plot_status_breakdown(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw how many tasks are in which state.

    Without groups: one bar a state. With periods: stacked bars along time; a period without a row
    is a gap. With groups: one bar a group, of its tasks' shares, those with most FAILED and
    CANCELLED tasks first, at most 25 of them. A second chart on the same axes puts its bars beside
    the first one's, in a colour of its own, or with periods paler.

    Parameters
    ----------
    table
        What `status_breakdown` gives: the index has the level `status_code`, and the groups' or
        `period` (starts of periods); the columns are `tasks` (a count) and `share` (0 to 1,
        of its group).
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the bars: of `Axes.barh`, or `Axes.bar` with periods.

    Returns
    -------
    Axes
        What it drew on.

    Raises
    ------
    SchemaError
        The frame has another shape.
    ArgumentError
        The table has both groups and periods, or it has groups and `ax` has a chart already.

    Examples
    --------
    >>> import pandas as pd
    >>> states = pd.CategoricalIndex(["COMPLETED", "FAILED"], name="status_code")
    >>> table = pd.DataFrame({"tasks": [9, 1], "share": [0.9, 0.1]}, index=states)
    >>> [text.get_text() for text in plot_status_breakdown(table).texts[:2]]
    ['9 (90 %)', '1 (10 %)']
    """
    require(table, maker="status_breakdown", columns=("tasks", "share"), levels=("status_code",))
    groups = set(table.index.names) - {"status_code", "period"}
    has_periods = "period" in table.index.names
    if groups and has_periods:
        raise ArgumentError(
            f"one chart cannot show both groups ({', '.join(map(str, groups))}) and periods; "
            "leave out by= or freq= in status_breakdown, or draw one group's rows"
        )
    ax = get_axes(ax)
    if not table["tasks"].sum():
        return draw_nothing(ax, _TITLE)
    if has_periods:
        _draw_periods(ax, table, kwargs)
    elif groups:
        if remember(ax).series:
            raise ArgumentError("the groups of two tables are not the same rows; use another ax")
        _draw_groups(ax, table, kwargs)
    else:
        _draw_states(ax, table, kwargs)
    return ax


def _draw_states(ax: Axes, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    states = _states(table)
    plain = not (remember(ax).series or {"label", "color"} & kwargs.keys())
    ((label, look),) = series(ax, [""], kwargs)
    looks = [_style(state) for state in states]
    style = {
        **_style("FAILED"),
        "color": [one["color"] for one in looks] if plain else look.colour,
        "hatch": [one["hatch"] for one in looks],
        "label": label,
        **kwargs,
    }
    bars = ax.barh(range(len(table)), table["tasks"], **style)
    counts = [
        f"{tasks:,} ({percent(share)})"
        for tasks, share in zip(table["tasks"], table["share"], strict=True)
    ]
    name_rows(ax, [shorten(state) for state in states])
    _dodge(ax, bars, "y", ax.bar_label(bars, counts, padding=4))
    count_axis(ax, "x")
    ax.set_xlim(0, hold(ax, "x", table["tasks"].to_numpy())[1] * (1.5 if is_small(ax) else 1.2))
    key = Patch(facecolor=kwargs.get("facecolor", look.colour))
    notes = [f"n = {counted(table['tasks'].sum())}"]
    header(ax, _TITLE, notes, [(key, label)] if label else [])


def _dodge(
    ax: Axes, bars: Iterable[Rectangle], which: str, texts: Sequence[Annotation] = ()
) -> None:
    """Put the bars of each chart on the axes beside those of the charts before."""
    charts = remember(ax).rest
    name = {"x": "width", "y": "height"}[which]
    charts.append(
        [
            (bar, getattr(bar, f"get_{which}")(), getattr(bar, f"get_{name}")(), text)
            for bar, text in zip_longest(bars, texts)
        ]
    )
    for place, drawn in enumerate(charts):
        for bar, start, length, text in drawn:
            bar.set(**{which: start + place * length / len(charts), name: length / len(charts)})
            if text is not None:
                text.xy = (text.xy[0], bar.get_y() + bar.get_height() / 2)
                row = size_of(ax)[1] / np.ptp(ax.get_ylim()) * bar.get_height()
                text.set_fontsize(min(text.get_fontsize(), max(0.9 * row, 2)))


def _draw_groups(ax: Axes, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    series(ax, [""], kwargs)
    numbers, groups = group_rows(table, ("status_code",))
    states = _states(table)
    tasks, shares = table["tasks"].to_numpy(), table["share"].fillna(0).to_numpy()
    totals = np.bincount(numbers, weights=tasks)
    failed = np.bincount(numbers, weights=tasks * states.isin(_FAILED))
    # By number, not by share: else 25 groups of one failed task hide the one that matters.
    order = np.lexsort((-totals, -failed))[:MAX_ROWS]
    left = np.zeros(len(order))
    for state in _stacked(table):
        share = np.zeros(len(groups))
        rows = states == state
        share[numbers[rows]] = shares[rows]
        ax.barh(range(len(order)), share[order], left=left, **{**_style(state), **kwargs})
        left += share[order]
    note_rows(ax, [f"{failed[group]:,.0f} of {totals[group]:,.0f}" for group in order])
    name_rows(ax, name_groups(groups.iloc[order], name_room(ax)), len(groups) - len(order))
    ax.set(xlim=(0, 1), xlabel="share of the group's tasks")
    ax.xaxis.set_major_formatter(ticker.PercentFormatter(1, symbol=" %"))
    notes = [
        f"n = {counted(totals.sum())} in {counted(len(groups), 'group')}",
        "most FAILED and CANCELLED first, their number at the right",
    ]
    header(ax, _TITLE, notes, _legend(table))


def _draw_periods(ax: Axes, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    periods = table.index.get_level_values("period")
    days = to_days(periods)
    states = _states(table)
    tasks = table["tasks"].to_numpy()
    known = ~np.isnan(days)
    notes = [f"n = {counted(tasks.sum())}"]
    if unknown := tasks[~known].sum():
        notes.append(f"{counted(unknown)} not drawn: no period")
    if not known.any():
        draw_nothing(ax, _TITLE, notes[-1])
        return
    starts = np.unique(days[known])
    step = period_step(starts)
    # A period ends where the next begins, unless there is a gap: months differ in length.
    widths = np.diff(starts, append=starts[-1] + step)
    widths[widths > 1.5 * step] = step
    narrow = len(starts) > _MANY  # a hatch or a space would be all that one sees
    bottom = np.zeros(len(starts))
    ((label, _),) = series(ax, [""], kwargs)
    place = len(remember(ax).rest)
    pale: dict[str, Any] = {"alpha": max(1 - 0.4 * place, 0.2)} if place else {}
    drawn: list[Rectangle] = []
    for state in _stacked(table):
        rows = known & (states == state)
        heights = np.zeros(len(starts))
        heights[np.searchsorted(starts, days[rows])] = tasks[rows]
        there = heights > 0  # most states are in few periods, and each bar is slow
        style = {**_style(state, hatched=not narrow), "align": "edge", "bottom": bottom[there]}
        style |= {**pale, **kwargs}
        wide = widths[there] * (1 if narrow else 0.9)
        drawn += ax.bar(starts[there], heights[there], wide, **style)
        bottom += heights
    _dodge(ax, drawn, "x")
    time_axis(ax, np.append(starts, starts[-1] + step), margin=step / 2, tz=zone_of(periods))
    count_axis(ax, "y")
    ax.set_ylim(0, max(hold(ax, "y", bottom)[1] * 1.05, 1))
    legend = _legend(table, hatched=not narrow)
    if label:
        legend.append((Patch(facecolor=ink(), **pale), label))
    header(ax, _TITLE, notes, legend)


def _states(table: pd.DataFrame) -> pd.Index:
    return table.index.get_level_values("status_code").astype(object).fillna("unknown")


def _stacked(table: pd.DataFrame) -> list[str]:
    """Return the states that occur, in the order of a stack."""
    found = _states(table)[table["tasks"].to_numpy() > 0].unique()
    return [*(state for state in _STACK if state in found), *sorted(set(found) - set(_STACK))]


def _style(state: str, *, hatched: bool = True) -> dict[str, Any]:
    look = look_of(state)
    hatch = look.hatch if hatched else ""
    return {"color": look.colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}


def _legend(table: pd.DataFrame, *, hatched: bool = True) -> list[tuple[Artist, str]]:
    legend: list[tuple[Artist, str]] = []
    for state in _stacked(table):
        style = _style(state, hatched=hatched)
        legend.append((Patch(facecolor=style.pop("color"), **style), shorten(state)))
    return legend
