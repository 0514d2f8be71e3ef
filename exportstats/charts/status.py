"""The picture of the states that tasks are in."""

from __future__ import annotations

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
    look_of,
    name_room,
    name_rows,
    note_rows,
)
from exportstats.charts.tables import group_rows, name_groups, require
from exportstats.charts.words import shorten
from exportstats.errors import ArgumentError
from exportstats.text import counted, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

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
    CANCELLED tasks first, at most 25 of them.

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
        The table has both groups and periods.

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
        _draw_groups(ax, table, kwargs)
    else:
        _draw_states(ax, table, kwargs)
    return ax


def _draw_states(ax: Axes, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    states = _states(table)
    looks = [_style(state) for state in states]
    style = {
        **_style("FAILED"),
        "color": [look["color"] for look in looks],
        "hatch": [look["hatch"] for look in looks],
    }
    bars = ax.barh(range(len(table)), table["tasks"], **{**style, **kwargs})
    counts = [
        f"{tasks:,} ({percent(share)})"
        for tasks, share in zip(table["tasks"], table["share"], strict=True)
    ]
    ax.bar_label(bars, counts, padding=4)
    name_rows(ax, [shorten(state) for state in states])
    count_axis(ax, "x")
    ax.set_xlim(0, table["tasks"].max() * 1.2)
    header(ax, _TITLE, [f"n = {counted(table['tasks'].sum())}"])


def _draw_groups(ax: Axes, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
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
    for state in _stacked(table):
        rows = known & (states == state)
        heights = np.zeros(len(starts))
        heights[np.searchsorted(starts, days[rows])] = tasks[rows]
        style = {**_style(state, hatched=not narrow), "align": "edge", "bottom": bottom.copy()}
        ax.bar(starts, heights, widths * (1 if narrow else 0.9), **{**style, **kwargs})
        bottom += heights
    time_axis(ax, np.append(starts, starts[-1] + step), margin=step / 2, tz=zone_of(periods))
    count_axis(ax, "y")
    ax.set_ylim(0, max(bottom.max() * 1.05, 1))
    header(ax, _TITLE, notes, _legend(table, hatched=not narrow))


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
