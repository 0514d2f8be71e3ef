"""The picture of completion curves: by when tasks are done, and how many tell so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import ticker

from exportstats.charts.scales import duration_axis, to_seconds
from exportstats.charts.style import (
    GREY,
    GROUP_LOOKS,
    SMALL,
    draw_nothing,
    get_axes,
    header,
    key,
    name_room,
)
from exportstats.charts.tables import group_rows, largest_groups, name_groups, require
from exportstats.charts.words import LITERAL
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from exportstats.charts.style import GroupLook

_TITLE = "By when are export tasks done?"
_COLUMNS = ("at_risk", "completed", "competing", "censored", "probability", "low", "high")
_STEPS = 2_000  # of a curve; more cannot be told apart
_SPREAD = 20  # the longest over the shortest, from which a log axis shows more
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
    log = bool(later.max() > _SPREAD * later.min())
    for group, look in zip(shown, GROUP_LOOKS, strict=False):
        rows = numbers == group
        _draw_curve(ax, table[rows], seconds[rows], look, kwargs)
    duration_axis(ax, "x", later, "time since creation", log=log)
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=0, symbol=" %"))
    ax.set_ylabel("probability of having ended so by then")

    notes = [f"n = {counted(int(weights[first][shown].sum()), 'task')}"]
    for name, words in (("competing", "ended otherwise"), ("censored", "still active, counted in")):
        if many := int(table.loc[seen, name].sum()):
            notes.append(f"{many:,} {words}")
    if more:
        notes.append(f"the {len(shown)} groups with most tasks, {more:,} more not shown")
    looks = list(zip(names, GROUP_LOOKS, strict=False))
    legend = [key(name, color=look.colour, linestyle=look.dash) for name, look in looks if name]
    header(ax, _TITLE, notes, legend)
    _write_risk(ax, [(table[numbers == group], seconds[numbers == group]) for group in shown])
    return ax


def _draw_curve(
    ax: Axes, rows: pd.DataFrame, seconds: np.ndarray, look: GroupLook, kwargs: dict[str, Any]
) -> None:
    """Draw one curve, without the steps that nobody could see."""
    share = rows["probability"].to_numpy(dtype="float64")
    kept = np.ones(len(share), dtype=bool)
    kept[1:-1] = np.diff(np.floor(np.nan_to_num(share) * _STEPS))[:-1] > 0
    low, high = (rows[name].to_numpy(dtype="float64")[kept] for name in ("low", "high"))
    line = {"color": look.colour, "linestyle": look.dash, "where": "post", **kwargs}
    ax.step(seconds[kept], share[kept], **line)
    ax.fill_between(
        seconds[kept], low, high, step="post", color=look.colour, alpha=0.2, linewidth=0
    )


def _write_risk(ax: Axes, curves: list[tuple[pd.DataFrame, np.ndarray]]) -> None:
    """Write under the axis how many tasks were still active, one row a curve."""
    low, high = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    room = ax.get_window_extent().width * 72 / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    ticks = ticks[:: max(int(np.ceil(len(ticks) * _NARROW / max(room, 1))), 1)]
    style: dict[str, Any] = {
        "xycoords": ("data", "axes fraction"),
        "textcoords": "offset points",
        "fontsize": SMALL,
        "annotation_clip": False,
        **LITERAL,
    }
    ax.annotate(
        "still active:", (low, 0), (-6, -_BELOW), ha="right", va="center", color=GREY, **style
    )
    for row, ((table, seconds), look) in enumerate(zip(curves, GROUP_LOOKS, strict=False)):
        at_risk = np.append(table["at_risk"].to_numpy(), 0)
        for tick in ticks:
            # just before the first end that is not before the tick
            many = int(at_risk[np.searchsorted(seconds, tick)])
            place = (0, -_BELOW - _ROW * row)
            ax.annotate(
                f"{many:,}", (tick, 0), place, ha="center", va="center", color=look.colour, **style
            )
