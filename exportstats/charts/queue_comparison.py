"""The chart of scenarios of a queue: when each slot is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.lanes import worst_first
from exportstats.charts.rows import name_lanes, rows_that_fit
from exportstats.charts.scales import draw_grid, time_axis, to_days, zone_named
from exportstats.charts.style import BAD, ink, key, patch
from exportstats.charts.tables import group_rows
from exportstats.core.schema import SLOT
from exportstats.text import counted, percent, write_duration

if TYPE_CHECKING:
    from exportstats.charts.panel import Panel

_DONE = ("done_low", "expected_done", "done_high")
_LEVELS = ("scenario", *SLOT)
_MINUTE = 1 / 1440
_RISKY = 0.1
_IN_TIME: dict[str, Any] = {"facecolor": "#0072B2"}
_LATE: dict[str, Any] = {"facecolor": BAD, "hatch": "////", "edgecolor": "white"}
_MEDIAN: dict[str, Any] = {"marker": "|", "linestyle": "none", "markeredgewidth": 2}
_BAR = 0.5  # of a row's height


@chart(
    "When is all done, by scenario?",
    maker="compare_queues",
    columns=(*_DONE, "later", "same_probability", "deadline_risk"),
    levels=_LEVELS,
    kwargs="For the bars, of `Axes.barh`.",
)
def plot_queue_comparison(
    panel: Panel, table: pd.DataFrame, *, tz: str = "UTC", **kwargs: Any
) -> None:
    """Draw when all exports of a slot are done in each scenario.

    A bar extends from the 10 % to the 90 % quantile, with a mark at the median. It is red and
    hatched if a deadline is missed with 10 % or more. A note says how much later all is done than
    in the first scenario, in the median of the runs; if that is 0, in how many runs it is the same;
    and how likely a missed deadline is. Scenarios are in the order of the table, slot by slot. If
    they do not all fit, the slots are drawn that are most likely to miss a deadline, then those
    that are done last.

    Parameters
    ----------
    tz
        The time zone of the axis.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> tasks, start = xs.sample_tasks(), "2026-11-17"
    >>> exports = xs.expected_exports(tasks, start=start, end="2026-11-18")
    >>> later = exports.assign(create_at=exports["create_at"] + pd.Timedelta("2h"))
    >>> scenarios = {"today": exports, "2 h later": later}
    >>> table = xs.compare_queues(
    ...     {name: xs.simulate_queue(tasks, of, start=start) for name, of in scenarios.items()}
    ... )
    >>> xs.plot_queue_comparison(table).get_xlabel()
    'time (UTC)'
    """
    zone = zone_named(tz)
    if table.empty:
        raise NothingToDrawError("no scenarios")
    ax = panel.ax
    rows = _choose(panel, table)
    low, middle, high = (to_days(rows[name]) for name in _DONE)
    if np.isnan(middle).all():
        raise NothingToDrawError("no forecast: without history")
    time_axis(panel, np.concatenate([low, high]), "time", margin=_MINUTE, tz=zone)
    draw_grid(ax, "x")
    risk = rows["deadline_risk"].to_numpy(dtype="float64")
    first = rows.index.get_level_values("scenario") == table.index.get_level_values("scenario")[0]
    differ = rows["later"], rows["same_probability"]
    notes = [_note(*row) for row in zip(middle, *differ, risk, first, strict=True)]
    name_lanes(panel, rows.index.to_frame()[[*SLOT, "scenario"]], notes)

    late, y = risk >= _RISKY, np.arange(len(rows))
    for some, look in ((~late, _IN_TIME), (late, _LATE)):
        style = {"height": _BAR, "linewidth": 0, **look, **kwargs}
        ax.barh(y[some], (high - low)[some], left=low[some], **style)
    panel.legend.append(patch("10 % to 90 %", **_IN_TIME))
    if late.any():
        panel.legend.append(patch("late in 10 % or more", **_LATE))
    numbers, _ = group_rows(rows, ("scenario",))
    for edge in np.flatnonzero(np.diff(numbers)):
        ax.axhline(edge + 0.5, color=ink(0.13), linewidth=0.6, zorder=0.5)
    ax.plot(middle, y, markersize=13, color=ink(1), **_MEDIAN)
    panel.legend.append(key("median", markersize=13, color=ink(1), **_MEDIAN))
    panel.write_header()


def _choose(panel: Panel, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the worst slots that fit, slot by slot, and note what is left out."""
    numbers, slots = group_rows(table, ("scenario",))
    risk = table["deadline_risk"].to_numpy(dtype="float64")
    place = np.argsort(worst_first(numbers, len(slots), risk, to_days(table["done_high"])))
    scenarios = table.index.get_level_values("scenario").nunique(dropna=False)
    panel.notes.append(counted(scenarios, "scenario"))
    most = rows_that_fit(panel.ax)
    fits = max(most // scenarios, 1)
    if more := len(slots) - fits if len(slots) > fits else 0:
        panel.notes.append(f"the worst {fits} of {len(slots):,} slots, {more:,} more not shown")
    order = np.argsort(place[numbers], kind="stable")[: np.sum(place[numbers] < fits)]
    if more := len(order) - most if len(order) > most else 0:
        panel.notes.append(f"the first {most} scenarios, {more:,} more not shown")
    return table.iloc[order[:most]]


def _note(middle: float, later: pd.Timedelta, same: float, risk: float, is_first: bool) -> str:  # noqa: FBT001 - a row
    """Return what to say of a scenario."""
    if np.isnan(middle):
        return "no forecast"
    parts = []
    if not is_first and not pd.isna(later):
        seconds = abs(later.total_seconds())
        side = "later" if later > pd.Timedelta(0) else "earlier"
        all_or_some = "the same" if same == 1 else f"the same in {percent(same)} of the runs"
        parts.append(f"{write_duration(seconds)} {side}" if seconds else all_or_some)
    if risk > 0:
        parts.append(f"late {percent(risk)}")
    return " · ".join(parts)
