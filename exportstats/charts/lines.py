"""Groups as lines: the slowest are named, the others grey."""

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

FEW = 10  # tasks; with fewer, a quantile or a mean says little
_LONGEST = 38  # characters of a name in the legend
_MOST_LINES = 500  # more lines would be a grey area


class Line(NamedTuple):
    """A group that is drawn as a line.

    Attributes
    ----------
    rows
        A mask of the rows of the group.
    label, look
        Its name in the legend, and its look. A grey line has neither name nor marker.
    tasks
        Its number of tasks.
    """

    rows: np.ndarray
    label: str
    look: GroupLook
    tasks: int

    @property
    def style(self) -> dict[str, Any]:
        """The style of the line."""
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
    """Return the groups to draw as lines, and note the number of tasks and groups.

    Of many groups, the slowest with at least 10 tasks are named. The others are grey, and come
    first, so that they are drawn below.

    Parameters
    ----------
    panel
        The panel to draw on.
    table
        A table whose other index levels are those of the groups.
    level
        The index level within a group.
    kwargs
        Keyword arguments of the caller; `label` and `color` are removed.
    seconds, weights
        The duration of each row and the column with its number of tasks, to sort groups by their
        mean.
    tasks
        The column whose maximum is the number of tasks of a group; by default the sum of the
        weights.
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
