"""The chart of completion curves: how soon tasks are done, and the number at risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.chart import SERIES, NothingToDrawError, chart
from exportstats.charts.layout import room_below, size_of
from exportstats.charts.lines import split_lines
from exportstats.charts.scales import duration_axis, share_axis, to_seconds
from exportstats.charts.style import SMALL, ink, key
from exportstats.charts.words import LITERAL

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from exportstats.charts.panel import Panel

_COLUMNS = ("at_risk", "completed", "competing", "censored", "probability", "low", "high")
_STEPS = 2_000  # of a curve; more are not visible
_BELOW, _ROW = 40, 12  # points: the top of the risk table, and the height of its rows
_RISK = "still active"  # the id of the table's texts
_NARROW = 45  # points between two numbers of the risk table


@chart(
    "By when are export tasks done?",
    maker="completion_curve",
    columns=_COLUMNS,
    levels=("duration",),
    kwargs="For the lines, of `Axes.step`; " + SERIES,
)
def plot_completion_curve(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw the probability of having completed as steps, with a confidence band.

    A curve stays below 100 % by the share of tasks that end otherwise. The numbers below the axis
    count the tasks that were still active at that time. Of more than six groups, the slowest six
    are named and the others grey.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.sample_tasks().pipe(xs.completion_curve).pipe(xs.plot_completion_curve).get_ylabel()
    'probability of having ended so by then'
    """
    ends = (table["completed"] > 0).to_numpy()
    if not ends.any():
        raise NothingToDrawError("no completed tasks")
    ax = panel.ax
    seconds = to_seconds(table.index.get_level_values("duration"))
    at_risk = table["at_risk"].to_numpy()
    lines = split_lines(
        panel, table, "duration", kwargs, seconds=seconds, weights="completed", tasks="at_risk"
    )
    seen = np.any([line.rows for line in lines], axis=0) & (at_risk > 0)
    for line in lines:
        rows, style = line.rows, {**line.style, **kwargs}
        kept = _draw_curve(ax, table[rows], seconds[rows], {"label": line.label, **style})
        if line.look.marker:
            _draw_band(ax, table[rows][kept], seconds[rows][kept], line.look.colour)
            panel.curves.append((at_risk[rows], seconds[rows], line.look.colour))
        if line.label:
            panel.legend.append(key(line.label, **style))
    duration_axis(panel, "x", seconds[seen & ends], "time since creation", log=None)
    share_axis(ax, "y", "probability of having ended so by then")
    ax.set_ylim(0, 1)

    for name, words in (("censored", "still active, counted in"), ("competing", "ended otherwise")):
        if many := int(table.loc[seen, name].sum()):
            panel.notes.insert(1, f"{many:,} {words}")
    panel.write_header()
    _write_risk(panel)


def _draw_curve(
    ax: Axes, rows: pd.DataFrame, seconds: np.ndarray, line: dict[str, Any]
) -> np.ndarray:
    """Draw a curve without its invisible steps, and return which rows are kept."""
    share = rows["probability"].to_numpy(dtype="float64")
    kept = np.ones(len(share), dtype=bool)
    kept[1:-1] = np.diff(np.floor(np.nan_to_num(share) * _STEPS))[:-1] > 0
    ax.step(seconds[kept], share[kept], where="post", **line)
    return kept


def _draw_band(ax: Axes, rows: pd.DataFrame, seconds: np.ndarray, colour: str) -> None:
    low, high = (rows[name].to_numpy(dtype="float64") for name in ("low", "high"))
    ax.fill_between(seconds, low, high, step="post", color=colour, alpha=0.2, linewidth=0)


def _write_risk(panel: Panel) -> None:
    """Write the number of active tasks below the axis, a row for each curve, if there is room.

    All rows are written again, because a second chart on the axes may have moved the ticks.
    """
    ax = panel.ax
    for text in [text for text in ax.texts if text.get_gid() == _RISK]:
        text.remove()
    if room_below(ax) < _BELOW + _ROW * len(panel.curves):
        return
    low, high = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    ticks = ticks[:: max(int(np.ceil(len(ticks) * _NARROW / max(size_of(ax)[0], 1))), 1)]

    def write(text: str, tick: float, x: float, row: int, **style: Any) -> None:
        where: dict[str, Any] = {"xycoords": ("data", "axes fraction")}
        where |= {"xytext": (x, -_BELOW - _ROW * row), "textcoords": "offset points"}
        style |= {"fontsize": SMALL, "annotation_clip": False, "va": "center", "gid": _RISK}
        ax.annotate(text, (tick, 0), **where, **style, **LITERAL)

    write("still active:", low, -6, 0, ha="right", color=ink())
    for row, (at_risk, seconds, colour) in enumerate(panel.curves):
        # at risk just before the first end at or after the tick
        left = np.append(at_risk, 0)[np.searchsorted(seconds, ticks)]
        for many, tick in zip(left, ticks, strict=True):
            write(f"{many:,}", tick, 0, row, ha="center", color=colour)
