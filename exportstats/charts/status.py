"""The chart of the states of tasks."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.charts.chart import SERIES, NothingToDrawError, chart
from exportstats.charts.layout import is_small, size_of
from exportstats.charts.rows import ROW, name_room, name_rows, note_rows, rows_that_fit
from exportstats.charts.scales import (
    count_axis,
    mark_unfinished,
    period_step,
    share_axis,
    time_axis,
    to_days,
    zone_of,
)
from exportstats.charts.style import bar_style, ink, look_of, patch
from exportstats.charts.tables import group_rows, name_groups
from exportstats.charts.words import shorten
from exportstats.errors import ArgumentError
from exportstats.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.patches import Rectangle
    from matplotlib.text import Annotation

    from exportstats.charts.panel import Panel

# From the base line up: what matters most is on the base line, where it can be compared.
_STACK = ("FAILED", "CANCELLED", "COMPLETED", "PENDING_CANCEL", "RUNNING", "PENDING")
_FAILED = ("FAILED", "CANCELLED")
_MANY = 100  # periods


@chart(
    "Export tasks by state",
    maker="status_breakdown",
    columns=("tasks", "share"),
    levels=("status_code",),
    kwargs="For the bars, of `Axes.barh`, or with periods of `Axes.bar`; " + SERIES,
)
def plot_status_breakdown(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw how many tasks are in each state.

    - Without groups, there is a bar for each state.
    - With periods, bars are stacked along time. A period without rows is a gap, and the period that
      was unfinished when the tasks were observed is hatched.
    - With groups, there is a bar for each group, with the share of each state. Groups with the most
      FAILED and CANCELLED tasks come first, at most 25 of them.

    A chart cannot have both groups and periods. A second chart on the same axes has its bars beside
    those of the first, in its own colour or, with periods, paler.

    Examples
    --------
    >>> import exportstats as xs
    >>> table = xs.status_breakdown(xs.sample_tasks(), freq="W")
    >>> xs.plot_status_breakdown(table).get_ylabel()
    'tasks'
    """
    groups = set(table.index.names) - {"status_code", "period"}
    has_periods = "period" in table.index.names
    if groups and has_periods:
        raise ArgumentError(
            f"one chart cannot show both groups ({', '.join(map(str, groups))}) and periods; "
            "leave out by= or freq= in status_breakdown, or draw one group's rows"
        )
    if groups and panel.series:
        raise ArgumentError("two tables may have different groups; draw the second on another ax")
    if not table["tasks"].sum():
        raise NothingToDrawError("no tasks")
    panel.notes.append(f"n = {counted(table['tasks'].sum())}")
    draw = _draw_periods if has_periods else _draw_groups if groups else _draw_states
    draw(panel, table, kwargs)
    panel.write_header()


def _draw_states(panel: Panel, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    ax, states = panel.ax, _states(table)
    plain = not (panel.series or {"label", "color"} & kwargs.keys())
    ((label, look),) = panel.name_series([""], kwargs)
    styles = [bar_style(look_of(state)) for state in states]
    style = {**styles[0], "hatch": [one["hatch"] for one in styles], "label": label}
    style["facecolor"] = [one["facecolor"] for one in styles] if plain else look.colour
    bars = ax.barh(range(len(table)), table["tasks"], **{**style, **kwargs})
    counts = zip(table["tasks"], table["share"], strict=True)
    labels = [f"{many:,} ({percent(share)})" for many, share in counts]
    texts = ax.bar_label(bars, labels, padding=4, gid=ROW)
    name_rows(ax, [shorten(state) for state in states])
    _dodge(panel, bars, "y", texts)
    count_axis(ax, "x")
    most = panel.hold("x", table["tasks"].to_numpy())[1]
    ax.set_xlim(0, most * (1.5 if is_small(ax) else 1.2))
    if label:
        panel.legend.append(patch(label, facecolor=kwargs.get("facecolor", look.colour)))


def _dodge(
    panel: Panel, bars: Iterable[Rectangle], which: str, texts: Sequence[Annotation] = ()
) -> None:
    """Place the bars of each chart on the axes beside those of earlier charts."""
    name = {"x": "width", "y": "height"}[which]
    panel.bars.append(
        [
            (bar, getattr(bar, f"get_{which}")(), getattr(bar, f"get_{name}")(), text)
            for bar, text in zip_longest(bars, texts)
        ]
    )
    row = size_of(panel.ax)[1] / np.ptp(panel.ax.get_ylim())
    for place, drawn in enumerate(panel.bars):
        for bar, start, whole, text in drawn:
            length = whole / len(panel.bars)
            bar.set(**{which: start + place * length, name: length})
            if text is not None:
                text.xy = (text.xy[0], bar.get_y() + length / 2)
                text.set_fontsize(min(text.get_fontsize(), max(0.9 * row * length, 2)))


def _draw_groups(panel: Panel, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    ax = panel.ax
    panel.name_series([""], kwargs)
    numbers, groups = group_rows(table, ("status_code",))
    tasks = _stack(table, numbers, len(groups))
    totals = tasks.sum(axis="columns")
    failed = tasks[[*(state for state in _FAILED if state in tasks)]].sum(axis="columns")
    # by number, because groups with a single, failed task would lead by share
    order = np.lexsort((-totals, -failed))[: rows_that_fit(ax)]
    shares = tasks.div(totals.clip(lower=1), axis="index").iloc[order]
    left = np.zeros(len(order))
    for state, share in shares.items():
        style = {**bar_style(look_of(state)), **kwargs}
        ax.barh(range(len(order)), share, left=left, **style)
        left += share.to_numpy()
        panel.legend.append(patch(shorten(state), **bar_style(look_of(state))))
    note_rows(ax, [f"{failed[group]:,.0f} of {totals[group]:,.0f}" for group in order])
    name_rows(ax, name_groups(groups.iloc[order], name_room(ax)), len(groups) - len(order))
    share_axis(ax, "x", "share of the group's tasks")
    ax.set_xlim(0, 1)
    panel.notes[0] += f" in {counted(len(groups), 'group')}"
    panel.notes.append("most FAILED and CANCELLED first, their number at the right")


def _draw_periods(panel: Panel, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    ax = panel.ax
    periods = table.index.get_level_values("period")
    days = to_days(periods)
    known = ~np.isnan(days)
    if unknown := table["tasks"][~known].sum():
        panel.notes.append(f"{counted(unknown)} not drawn: no period")
    if not known.any():
        raise NothingToDrawError(panel.notes[-1])
    starts, numbers = np.unique(days[known], return_inverse=True)
    tasks = _stack(table[known], numbers, len(starts))
    step = period_step(starts)
    # A period ends where the next begins, unless there is a gap; months differ in length.
    widths = np.diff(starts, append=starts[-1] + step)
    widths[widths > 1.5 * step] = step
    narrow = len(starts) > _MANY  # so that hatches and spaces do not hide the colours
    ((label, _),) = panel.name_series([""], kwargs)
    place = len(panel.bars)
    pale: dict[str, Any] = {"alpha": max(1 - 0.4 * place, 0.2)} if place else {}
    bottom = np.zeros(len(starts))
    drawn: list[Rectangle] = []
    for state, many in tasks.items():
        style = bar_style(look_of(state), hatched=not narrow)
        panel.legend.append(patch(shorten(state), **style))
        there = many.to_numpy() > 0  # bars are slow to draw, and most states occur in few periods
        style |= {"align": "edge", "bottom": bottom[there], **pale, **kwargs}
        wide = widths[there] * (1 if narrow else 0.9)
        drawn += ax.bar(starts[there], many[there], wide, **style)
        bottom += many.to_numpy()
    _dodge(panel, drawn, "x")
    ends = np.append(starts, starts[-1] + step)
    time_axis(panel, ends, margin=step / 2, tz=zone_of(periods))
    count_axis(ax, "y")
    ax.set_ylim(0, max(panel.hold("y", bottom)[1] * 1.05, 1))
    mark_unfinished(panel, table, 0, step)
    if label:
        panel.legend.append(patch(label, facecolor=ink(), **pale))


def _states(table: pd.DataFrame) -> pd.Index:
    return table.index.get_level_values("status_code").astype(object).fillna("unknown")


def _stack(table: pd.DataFrame, numbers: np.ndarray, many: int) -> pd.DataFrame:
    """Count the tasks of each number, with a column for each state in stacking order."""
    states, tasks = _states(table), table["tasks"].to_numpy()
    found = states[tasks > 0].unique()
    order = [*(state for state in _STACK if state in found), *sorted(set(found) - set(_STACK))]
    rows = [(state, states == state) for state in order]
    return pd.DataFrame(
        {state: np.bincount(numbers[at], tasks[at], minlength=many) for state, at in rows}
    )
