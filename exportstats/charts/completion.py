"""The picture of completion curves: by when tasks are done, and how many tell so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import ticker

from exportstats.charts.scales import duration_axis, to_seconds
from exportstats.charts.style import (
    SMALL,
    draw_nothing,
    get_axes,
    header,
    ink,
    key,
    name_room,
    remember,
    room_below,
    series,
)
from exportstats.charts.tables import group_rows, largest_groups, name_groups, require
from exportstats.charts.words import LITERAL
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_TITLE = "By when are export tasks done?"
_COLUMNS = ("at_risk", "completed", "competing", "censored", "probability", "low", "high")
_STEPS = 2_000  # of a curve; more cannot be told apart
_BELOW, _ROW = 40, 12  # points: where the risk table begins, and how high its rows are
_NARROW = 45  # points between two numbers of the risk table


def plot_completion_curve(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw the probability of having completed, as steps with a band, and who is at risk below.

    A curve ends below 100 % by as much as tasks end otherwise. The numbers below the axis are the
    tasks that were still active then. Of more than six groups the six with most tasks are drawn.

    Parameters
    ----------
    table
        What `completion_curve` gives: the index has the groups' levels, if any, and `duration`
        (`timedelta64[ms]`); the columns are `at_risk`, `completed`, `competing`, `censored`
        (counts), `probability`, `low` and `high` (0 to 1).
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the lines, of `Axes.step`.

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
    >>> times = pd.Index(pd.to_timedelta(["0s", "60s", "90s"]), name="duration")
    >>> table = pd.DataFrame({"at_risk": [3, 3, 2], "completed": [0, 1, 1], "competing": 0,
    ...                       "censored": [0, 0, 1], "probability": [0, 1 / 3, 2 / 3],
    ...                       "low": [None, 0.1, 0.2], "high": [None, 0.7, 0.9]}, index=times)
    >>> plot_completion_curve(table).get_ylabel()
    'probability of having ended so by then'
    """
    require(table, maker="completion_curve", columns=_COLUMNS, levels=("duration",))
    ax = get_axes(ax)
    seconds = to_seconds(table.index.get_level_values("duration"))
    ends = (table["completed"] > 0).to_numpy()
    numbers, groups = group_rows(table, ("duration",))
    if not ends.any():
        return draw_nothing(ax, _TITLE, "no completed tasks")

    first = np.unique(numbers, return_index=True)[1]
    weights = np.zeros(len(table))
    weights[first] = table["at_risk"].to_numpy()[first]
    shown, more = largest_groups(numbers, weights)
    names = name_groups(groups.iloc[shown], name_room(ax)) if table.index.nlevels > 1 else [""]
    seen = np.isin(numbers, shown) & (table["at_risk"] > 0).to_numpy()
    later = seconds[seen & ends]
    curves = []
    legend = []
    for group, (label, look) in zip(shown, series(ax, names, kwargs), strict=True):
        rows = numbers == group
        line: dict[str, Any] = {"color": look.colour, "linestyle": look.dash, **kwargs}
        _draw_curve(ax, table[rows], seconds[rows], {"label": label, **line})
        curves.append((table.loc[rows, "at_risk"].to_numpy(), seconds[rows], look.colour))
        if label:
            legend.append(key(label, **line))
    duration_axis(ax, "x", later, "time since creation", log=None)
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=0, symbol=" %"))
    ax.set_ylabel("probability of having ended so by then")

    notes = [f"n = {counted(int(weights[first][shown].sum()), 'task')}"]
    for name, words in (("competing", "ended otherwise"), ("censored", "still active, counted in")):
        if many := int(table.loc[seen, name].sum()):
            notes.append(f"{many:,} {words}")
    if more:
        notes.append(f"the {len(shown)} groups with most tasks, {more:,} more not shown")
    header(ax, _TITLE, notes, legend)
    _write_risk(ax, curves)
    return ax


def _draw_curve(ax: Axes, rows: pd.DataFrame, seconds: np.ndarray, line: dict[str, Any]) -> None:
    """Draw one curve, without the steps that nobody could see."""
    share = rows["probability"].to_numpy(dtype="float64")
    kept = np.ones(len(share), dtype=bool)
    kept[1:-1] = np.diff(np.floor(np.nan_to_num(share) * _STEPS))[:-1] > 0
    low, high = (rows[name].to_numpy(dtype="float64")[kept] for name in ("low", "high"))
    ax.step(seconds[kept], share[kept], where="post", **line)
    band: dict[str, Any] = {"color": line["color"], "alpha": 0.2, "linewidth": 0}
    ax.fill_between(seconds[kept], low, high, step="post", **band)


def _write_risk(ax: Axes, curves: list[tuple[np.ndarray, np.ndarray, str]]) -> None:
    """Write under the axis how many tasks were still active, one row a curve, where there is room.

    A second chart on the axes may have moved its ticks, so the rows of the first are written again.
    """
    before = remember(ax).rest
    curves = [*(before.pop(0) if before else []), *curves]
    while before:
        before.pop().remove()
    before.append(curves)
    if room_below(ax) < _BELOW + _ROW * len(curves):
        return
    low, high = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    room = ax.get_window_extent().width * 72 / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    ticks = ticks[:: max(int(np.ceil(len(ticks) * _NARROW / max(room, 1))), 1)]
    texts: list[tuple[str, float, tuple[int, int], dict[str, Any]]] = [
        ("still active:", low, (-6, -_BELOW), {"ha": "right", "color": ink()})
    ]
    for row, (at_risk, seconds, colour) in enumerate(curves):
        # just before the first end that is not before the tick
        left = np.append(at_risk, 0)[np.searchsorted(seconds, ticks)]
        place = (0, -_BELOW - _ROW * row)
        style: dict[str, Any] = {"ha": "center", "color": colour}
        texts += [(f"{many:,}", tick, place, style) for many, tick in zip(left, ticks, strict=True)]
    common: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    common |= {"fontsize": SMALL, "annotation_clip": False, "va": "center", **LITERAL}
    for text, tick, place, style in texts:
        before.append(ax.annotate(text, (tick, 0), place, **common, **style))
