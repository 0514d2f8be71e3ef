"""Rows from the top down, with a name at the left and a note at the right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.layout import (
    cell_of,
    columns_of,
    has_layout,
    is_narrow,
    is_small,
    room_left,
    room_right,
    size_of,
)
from exportstats.charts.style import SMALL, ink
from exportstats.charts.tables import name_groups
from exportstats.charts.words import LITERAL, shorten
from exportstats.core.schema import LOG_GROUP

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from exportstats.charts.panel import Panel

ROW = "row"  # the id of the texts of rows
_LEAST, _LEAST_ROW = 6.5, 8.0  # points: the smallest text, and the lowest row
_NARROW_ROW = 20.0  # points: the lowest row with its name above the bar
_LEAST_NOTE = 5.0  # points: the smallest text of a note
_WIDTH_OF_NOTES = 250.0  # points of width, below which there are no notes


def rows_that_fit(ax: Axes, most: int = 25) -> int:
    """Return how many rows can be read: `most` on a slide, fewer on small axes."""
    if not is_small(ax):
        return most
    least = _NARROW_ROW if is_narrow(ax) else _LEAST_ROW
    return int(np.clip(0.6 * cell_of(ax)[1] / least, 4, most))


def name_room(ax: Axes, notes: Sequence[str] = ()) -> int:
    """Return how many characters a row name can have: 44 on a slide, fewer on small axes.

    In a narrow figure, names share their line with the notes.
    """
    if is_narrow(ax):
        return max(int(2 * columns_of(ax)) - max(map(len, notes), default=0) - 2, 16)
    if not has_layout(ax):
        return max(int(room_left(ax) / (0.6 * _LEAST)), 12)
    return max(int(0.31 * cell_of(ax)[0] / (0.6 * (_LEAST if is_small(ax) else SMALL))), 12)


def name_rows(ax: Axes, labels: Sequence[str], more: int = 0, *, bar: float = 0.7) -> None:
    """Name the rows at 0, 1, … from the top down; a last row counts `more` that are not shown.

    In a narrow figure, names stand above the bars, whose height in rows is `bar`.
    """
    names = [*labels, *([f"… and {more:,} more"] if more else [])]
    ax.tick_params(axis="y", length=0)
    if is_narrow(ax):
        ax.set_yticks(range(len(names)), [""] * len(names))
        for row, name in enumerate(names):
            _write_above(ax, name, (0, row - bar / 2), ha="left")
        ax.set_ylim(len(names) - 0.4, bar / 2 - 1.3)
        return
    size = 10 if len(names) <= 12 else SMALL  # noqa: PLR2004 - what fits into a slide's height
    if not has_layout(ax):
        longest = max(len(line) for name in [*names, " "] for line in name.split("\n"))
        size = min(size, (room_left(ax) - 4) / (0.6 * longest))
    ax.set_yticks(range(len(names)), names, fontsize=size, gid=ROW, **LITERAL)
    room = max(4 - len(names), 0) / 2  # a single bar does not fill the slide
    ax.set_ylim(len(names) - 0.4 + room, -0.6 - room)


def note_rows(ax: Axes, notes: Sequence[str], *, bar: float = 0.7) -> None:
    """Write a small note at the right of each row, if there is room.

    In a narrow figure, notes stand above the bars.
    """
    size = SMALL
    if not has_layout(ax):
        size = min(size, (room_right(ax) - 6) / (0.55 * max([1, *map(len, notes)])))
    fits = cell_of(ax)[0] > _WIDTH_OF_NOTES and size > _LEAST_NOTE
    for row, note in enumerate(notes):
        if is_narrow(ax):
            _write_above(ax, note, (1, row - bar / 2), ha="right", color=ink())
        elif fits:
            where: dict[str, Any] = {"xycoords": ax.get_yaxis_transform(), "gid": ROW}
            style: dict[str, Any] = {"va": "center", "color": ink(), "fontsize": size}
            ax.annotate(note, (1, row), (6, 0), textcoords="offset points", **where, **style)


def fit_rows(ax: Axes) -> bool:
    """Shrink the text of rows to their height, and return whether any was too large."""
    row = size_of(ax)[1] / max(np.ptp(ax.get_ylim()), 1)
    smaller = False
    for text in [*ax.get_yticklabels(), *ax.texts]:
        if text.get_gid() == ROW:
            size = min(
                7.0 if is_small(ax) else 10.0, 0.85 * row / (text.get_text().count("\n") + 1)
            )
            if size < float(text.get_fontsize()):
                text.set_fontsize(max(size, 1))
                smaller = True
    return smaller


def name_lanes(
    panel: Panel, groups: pd.DataFrame, notes: Sequence[str] = (), *, bar: float = 0.7
) -> None:
    """Name the lanes, and write a note at the right of each.

    An account or region that all log groups share is in the notes of the panel, not in the names.
    """
    ax = panel.ax
    several = list(groups.columns[:2]) if len(groups.columns) == len(LOG_GROUP) else []
    values = {level: groups[level].unique() for level in several}
    shared = {level: found[0] for level, found in values.items() if len(found) == 1}
    name_rows(ax, name_groups(groups.drop(columns=[*shared]), name_room(ax, notes)), bar=bar)
    note_rows(ax, notes, bar=bar)
    if shared:
        panel.notes.append("in " + ", ".join(shorten(value, 20) for value in shared.values()))


def _write_above(ax: Axes, text: str, where: tuple[float, float], **style: Any) -> None:
    ax.annotate(
        text,
        where,
        (3 if where[0] == 0 else 0, 1),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        va="bottom",
        fontsize=SMALL,
        **{**LITERAL, **style},
    )
