"""The picture of why tasks failed."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.charts.style import (
    count_axis,
    draw_nothing,
    get_axes,
    header,
    is_narrow,
    look_of,
    name_room,
    name_rows,
    note_rows,
)
from exportstats.charts.tables import group_rows, name_groups, require
from exportstats.charts.words import shorten
from exportstats.text import counted, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLE = "Why export tasks failed"
_ROWS = 10  # each of up to two lines
_FEW = 6  # rows that have room for three lines each


def plot_failure_reasons(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw how many tasks failed for which reason, the most frequent first, at most 10 of them.

    Parameters
    ----------
    table
        What `failure_reasons` gives: the index has the groups' levels, if any, and `reason`; the
        columns are `tasks` (a count), `share` (0 to 1, of its group), `first_time` and
        `last_time` (UTC).
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the bars, of `Axes.barh`.

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
    >>> when = pd.to_datetime(["2026-01-02"], utc=True)
    >>> table = pd.DataFrame({"tasks": 3, "share": 1.0, "first_time": when, "last_time": when},
    ...                      index=pd.Index(["AccessDenied"], name="reason"))
    >>> [text.get_text() for text in plot_failure_reasons(table).texts[:2]]
    ['3 (100 %)', '2026-01-02']
    """
    columns = ("tasks", "share", "first_time", "last_time")
    require(table, maker="failure_reasons", columns=columns, levels=("reason",))
    ax = get_axes(ax)
    if table.empty:
        return draw_nothing(ax, _TITLE, "no failed tasks")
    numbers, groups = group_rows(table, ("reason",))
    rows = table.assign(_group=numbers).sort_values("tasks", ascending=False, kind="stable")
    shown = rows.head(_ROWS)
    look = look_of("FAILED")
    height = 0.4 if is_narrow(ax) else 0.7
    style = {"color": look.colour, "height": height}
    bars = ax.barh(range(len(shown)), shown["tasks"], **{**style, **kwargs})
    counts = [
        f"{tasks:,} ({percent(share)})"
        for tasks, share in zip(shown["tasks"], shown["share"], strict=True)
    ]
    ax.bar_label(bars, counts, padding=4)
    dates = zip(_days(shown["first_time"]), _days(shown["last_time"]), strict=True)
    days = [first if first == last else f"{first} to {last}" for first, last in dates]
    note_rows(ax, days, bar=height)
    reasons = shown.index.get_level_values("reason")
    room = name_room(ax, days)
    labels = [_wrap(reason, room) for reason in reasons]
    if table.index.nlevels > 1:
        names = name_groups(groups.iloc[shown["_group"]], room)
        labels = [
            f"{name}\n{_wrap(reason, room) if len(shown) <= _FEW else shorten(reason, room)}"
            for name, reason in zip(names, reasons, strict=True)
        ]
    name_rows(ax, labels, len(rows) - len(shown), bar=height)
    count_axis(ax, "x", "failed tasks")
    ax.set_xlim(0, shown["tasks"].max() * 1.35)
    notes = [f"n = {counted(table['tasks'].sum(), 'failed task')}"]
    if table.index.nlevels > 1:
        notes.append("percentages are of the group's failed tasks")
    notes.append("at the right: first and last day (UTC)")
    header(ax, _TITLE, notes)
    return ax


def _wrap(reason: object, room: int) -> str:
    """Put a reason on two lines; of a long one the middle of the second is left out."""
    text = shorten(reason, 100_000)
    first = textwrap.wrap(text, room)[0]
    rest = text[len(first) :].strip()
    return f"{first}\n{shorten(rest, room)}" if rest else first


def _days(times: pd.Series) -> list[str]:
    """Write the days of times; strftime ends with the year 9999, this does not."""
    days = np.datetime_as_string(pd.DatetimeIndex(times).to_numpy("datetime64[ms]"), unit="D")
    return ["unknown" if day == "NaT" else day for day in days.tolist()]
