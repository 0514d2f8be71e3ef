"""Groups as lines: the slowest named, the others grey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from exportstats.charts.rows import name_room
from exportstats.charts.style import MAX_GROUPS, GroupLook, ink
from exportstats.charts.tables import group_rows, name_groups
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.charts.panel import Panel

FEW = 10  # tasks, of which a quantile or a mean says little
_LONGEST = 38  # characters, of a name in the legend
_MOST_LINES = 500  # more of them are one grey surface


class Line(NamedTuple):
    """A group that is drawn as a line.

    Attributes
    ----------
    rows
        Which rows are its own.
    label, look
        Its name in the legend, and its look, which has no marker where it is one of many.
    tasks
        How many it has.
    """

    rows: np.ndarray
    label: str
    look: GroupLook
    tasks: int

    @property
    def style(self) -> dict[str, Any]:
        """How the line is drawn."""
        if not self.look.marker:
            return {"color": self.look.colour, "linewidth": 0.6, "zorder": 1}
        return {"color": self.look.colour, "linestyle": self.look.dash}


def split_lines(
    panel: Panel,
    table: pd.DataFrame,
    level: str,
    kwargs: dict[str, Any],
    *,
    seconds: np.ndarray,
    weights: str,
    tasks: str | None = None,
) -> list[Line]:
    """Return the groups to draw as lines, and note how many tasks and groups there are.

    Of many groups, the slowest that have at least 10 tasks are named, the others grey; these
    are drawn first, below the others.

    Parameters
    ----------
    panel
        Where they will be drawn.
    table
        Its index has the groups' levels, if any.
    level
        The one that is not the groups'.
    kwargs
        `label` and `color` are taken out.
    seconds, weights
        How slow a row is, and the column that counts its tasks, for the mean of a group.
    tasks
        The column that has the group's number of tasks in at least one row, if it is not the
        sum of the weights.
    """
    numbers, groups = group_rows(table, (level,))
    many = np.bincount(numbers, table[weights])
    slow = np.bincount(numbers, np.nan_to_num(seconds) * table[weights]) / np.maximum(many, 1)
    sizes = table[tasks].groupby(numbers).max().to_numpy() if tasks else many
    noun = "completed task" if tasks != "at_risk" else "task"
    panel.notes.insert(0, f"n = {counted(int(sizes.sum()), noun)}")
    order = np.lexsort((-sizes, -slow, sizes < FEW, sizes == 0))[: (sizes > 0).sum()]
    named, others = order[:MAX_GROUPS], order[MAX_GROUPS:_MOST_LINES]
    if empty := len(groups) - len(order):
        panel.notes.append(f"{counted(empty, 'group')} not drawn: no completed tasks")
    if len(others):
        shown = f"the slowest {len(named)} of {len(order):,} groups are named"
        panel.notes.append(f"{shown}, {len(others):,} more are grey")
    if more := len(order) - len(named) - len(others):
        panel.notes.append(f"{counted(more, 'group')} not drawn")
    names = name_groups(groups.iloc[named], min(name_room(panel.ax), _LONGEST))
    if len(groups) == 1:
        panel.notes += names[: table.index.nlevels - 1]
    grey = GroupLook(ink(0.3), "-", "")
    looks = [("", grey)] * len(others) + panel.name_series(names, kwargs)
    return [
        Line(numbers == group, label, look, int(sizes[group]))
        for group, (label, look) in zip([*others, *named], looks, strict=True)
    ]
