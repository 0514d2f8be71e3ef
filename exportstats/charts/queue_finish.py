"""The chart of when the exports of a slot are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.charts.chart import SERIES, NothingToDrawError, chart
from exportstats.charts.layout import columns_of
from exportstats.charts.rows import name_room
from exportstats.charts.scales import (
    distribution_axis,
    draw_grid,
    time_axis,
    to_days,
    zone_named,
)
from exportstats.charts.style import MAX_GROUPS, ink, key
from exportstats.charts.tables import name_groups
from exportstats.core.schema import DAY, SLOT
from exportstats.errors import SchemaError
from exportstats.text import counted

if TYPE_CHECKING:
    from datetime import tzinfo

    from matplotlib.axes import Axes

    from exportstats.charts.panel import Panel

_SHARES = (0.1, 0.5, 0.9)
_STEPS = 1_000  # of a curve; more are not visible
_LONGEST = 32  # characters of a name in the legend
_BESIDE = 26  # characters of the line and the time beside it
_SHOWN = 0.95  # the share of the runs that the axis holds: a stuck task would squeeze the others


@chart(
    "By when are the exports done?",
    maker="simulate_queue",
    part="finish",
    kwargs="For the lines, of `Axes.step`; " + SERIES,
)
def plot_queue_finish(panel: Panel, table: pd.DataFrame, *, tz: str = "UTC", **kwargs: Any) -> None:
    """Draw the probability that all exports of a slot are done, as steps over the time.

    Its active tasks are included. Dots are at the 10 %, 50 % and 90 % quantiles, and the legend has
    the time of the last. A curve stays below 100 % if some runs have no forecast. Of more than six
    slots, the last six to be done (by the 90 % quantile) are named and the others grey. The axis
    ends when the named ones are done with 95 %.

    Parameters
    ----------
    tz
        The time zone of the axis.

    Examples
    --------
    >>> import exportstats as xs
    >>> tasks = xs.sample_tasks()
    >>> expected = xs.expected_exports(tasks, start="2026-11-17", end="2026-11-18")
    >>> forecast = xs.simulate_queue(tasks, expected, start="2026-11-17")
    >>> xs.plot_queue_finish(forecast.finish).get_ylabel()
    'probability of being done by then'
    """
    zone = zone_named(tz)
    if list(table.columns.names) != [*SLOT]:
        raise SchemaError(
            f"the columns are not {' and '.join(SLOT)}; "
            "this chart draws the table finish that simulate_queue returns"
        )
    if table.empty:
        raise NothingToDrawError("no runs" if len(table.columns) else "no slots")
    ax, runs = panel.ax, len(table)
    done = np.sort(np.array([to_days(times) for _, times in table.items()]))  # missing ones last
    early, *dots, late = (
        max(int(np.ceil(share * runs)) - 1, 0) for share in (1 - _SHOWN, *_SHARES, _SHOWN)
    )
    known = ~np.isnan(done[:, 0])
    order = np.argsort(-np.nan_to_num(done[:, dots[-1]], nan=np.inf), kind="stable")
    order = order[known[order]]
    panel.notes.append(f"n = {counted(runs, 'run')}")
    if without := np.sum(~known):
        panel.notes.append(f"{counted(without, 'slot')} not drawn: without history")
    if not len(order):
        raise NothingToDrawError("no forecast: without history")

    named, others = order[:MAX_GROUPS], order[MAX_GROUPS:]
    slots = table.columns.to_frame()
    slots = slots.mask(slots == "")  # unknown
    fits = int(columns_of(ax) / 0.58) - _BESIDE
    names = name_groups(slots.iloc[named], min(fits, name_room(ax), _LONGEST))
    if len(names) == 1:
        panel.notes.append(names[0])
    if len(others):
        panel.notes.append(
            f"the last {len(named)} of {len(order):,} slots named, {len(others):,} more are grey"
        )
    kept = np.unique(np.linspace(0, runs - 1, _STEPS).astype("int64"))
    shares = np.append(0, (kept + 1) / runs)
    for row in others:
        _draw_steps(ax, done[row][kept], shares, color=ink(0.3), linewidth=0.6, zorder=1)
    for row, (label, look) in zip(named, panel.name_series(names, kwargs), strict=True):
        style: dict[str, Any] = {"color": look.colour, "linestyle": look.dash, **kwargs}
        by = _write_by(done[row, dots[-1]], zone)
        words = f"{label} ({by})" if label else ""
        _draw_steps(ax, done[row][kept], shares, **{"label": words, **style})
        dot: dict[str, Any] = {"marker": look.marker, "linestyle": "none", "color": look.colour}
        ax.plot(done[row, dots], np.add(dots, 1) / runs, zorder=3, **dot)
        if words:
            panel.legend.append(key(words, **style))
        else:
            panel.notes.append(by)
    shown = done[named][:, [early, *dots, late]]
    time_axis(panel, shown if np.isfinite(shown[:, -1]).any() else done[named, :1], "time", tz=zone)
    distribution_axis(ax, "probability of being done by then")
    draw_grid(ax, "x")
    panel.write_header()


def _draw_steps(ax: Axes, days: np.ndarray, shares: np.ndarray, **style: Any) -> None:
    """Draw a curve from 0, up to where the times are known."""
    days = np.append(days[:1], days)
    there = ~np.isnan(days)
    ax.step(days[there], shares[there], where="post", **style)


def _write_by(days: float, zone: tzinfo) -> str:
    """Write when a slot is done with 90 %; nights are shorter than a week."""
    if np.isnan(days):
        return "90 %: not known"
    time = pd.Timestamp(round(days * DAY), unit="ms", tz=zone)
    return f"90 %: {time:%a %H:%M}"
