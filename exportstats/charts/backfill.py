"""The chart of when the gaps will be closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.lanes import (
    Bars,
    choose_lanes,
    deadline_key,
    draw_bars,
    draw_deadlines,
    near,
    pixel_of,
)
from exportstats.charts.rows import name_lanes
from exportstats.charts.scales import time_axis, to_days
from exportstats.charts.style import BAD, GREY, ink, patch
from exportstats.core.schema import SLOT
from exportstats.stats.grouping import group
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.charts.panel import Panel

_TIMES = ("expected_start", "expected_end", "end_high", "deadline")
_COLUMNS = (*SLOT, *_TIMES, "late", "enough_history")
_TASK = (-0.36, 0.12)
_UNTIL = (0.12, 0.24)  # below its task's bar, where the next one does not cover it
_SECOND = 1 / 86_400

_IN_TIME, _GUESS, _LATE = "#0072B2", "#56B4E9", BAD
# From the bottom layer to the top one.
_LOOKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("in time", {"facecolor": _IN_TIME, "edgecolor": "white"}),
    ("in time, a guess", {"facecolor": _GUESS, "edgecolor": "white", "hatch": "////"}),
    ("late", {"facecolor": _LATE, "edgecolor": "white"}),
    ("late, a guess", {"facecolor": _LATE, "edgecolor": "white", "hatch": "////"}),
)
_HIGH: dict[str, Any] = {"facecolor": "#CCCCCC", "zorder": 1}
_CAP: dict[str, Any] = {"facecolor": GREY, "zorder": 1}
_WIDE = 4  # pixels of a bar, above which there is room for a line


@chart(
    "When the gaps will be closed",
    maker="plan_backfill",
    columns=_COLUMNS,
    kwargs="For the bars, of `PolyCollection`.",
)
def plot_backfill(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw when each planned task is expected to run.

    There is a lane for each slot, and slots with the most late tasks come first. A bar extends from
    the expected start to the expected end of a task. The paler strip below it extends to the 90th
    percentile of the end. Late tasks are red. Tasks with too little history for a good estimate
    are hatched. Ticks are deadlines. Bars thinner than a pixel merge into bands. At most 25 slots
    are drawn: those with the most late tasks, and then the latest end. A note says when all tasks
    are done, from `table.attrs`.

    Examples
    --------
    >>> import exportstats as xs
    >>> tasks = xs.sample_tasks()
    >>> gaps = xs.find_gaps(tasks, start="2026-11-01", end="2026-11-20")
    >>> xs.plot_backfill(xs.plan_backfill(gaps, tasks, destination="bucket")).get_xlabel()
    'time (UTC)'
    """
    if table.empty:
        raise NothingToDrawError("no tasks to create")
    ax = panel.ax
    start, end, high, deadline = (to_days(table[name]) for name in _TIMES)
    drawn = ~np.isnan(start + end)
    late, known = (table[name].fillna(value=False).to_numpy(bool) for name in _COLUMNS[-2:])
    panel.notes += [f"n = {counted(len(table))}", f"late: {late.sum():,}"]
    if guesses := (~known).sum():
        panel.notes.append(f"guesses: {guesses:,}, from too little history")
    if without := (~drawn).sum():
        panel.notes.append(f"{counted(without)} not drawn: without expected times")
    if not drawn.any():
        raise NothingToDrawError(panel.notes[-1])

    numbers, groups = group(table[drawn], SLOT)
    bars, late, known = Bars(numbers, start[drawn], end[drawn]), late[drawn], known[drawn]
    tasks, latest = np.bincount(numbers), np.full(len(groups), -np.inf)
    late_tasks = np.bincount(numbers, weights=late)
    np.maximum.at(latest, numbers, bars.right)
    panel.notes.append(_write_end(table[drawn]))
    order = np.lexsort((-latest, -late_tasks))
    worst, lanes = choose_lanes(panel, numbers, order, "worst slots")
    shown = lanes >= 0
    bars = Bars(lanes, bars.left, bars.right).only(shown)
    high, deadline = high[drawn][shown], deadline[drawn][shown]
    looks = 2 * late[shown] + ~known[shown]

    ends = np.append(bars.right, high[~np.isnan(high)])
    time_axis(panel, near(deadline, bars.left.min(), ends.max()), "time", margin=_SECOND)
    counts = [f"{late_tasks[slot]:,.0f} of {tasks[slot]:,} late" for slot in worst]
    name_lanes(panel, groups.iloc[worst], counts)
    panel.legend += [patch(_LOOKS[look][0], **_LOOKS[look][1]) for look in np.unique(looks)]
    if not np.isnan(high).all():
        panel.legend.append(patch("until then in 90 % of the runs", **_HIGH))
    if not np.isnan(deadline).all():
        panel.legend.append(deadline_key())
    panel.write_header()
    draw_bars(ax, Bars(bars.lanes, bars.right, high), _HIGH, _UNTIL)
    wide = bars.right - bars.left > _WIDE * pixel_of(ax)
    draw_bars(ax, Bars(bars.lanes, high, high).only(wide), _CAP, _UNTIL)
    for look, (_, style) in enumerate(_LOOKS):
        draw_bars(ax, bars.only(looks == look), {**style, **kwargs}, _TASK)
    between = {"facecolor": ink(0), "zorder": 3}
    draw_bars(ax, Bars(bars.lanes, bars.left, bars.left).only(wide), between, _TASK)
    draw_deadlines(ax, bars.lanes, deadline)


def _write_end(plan: pd.DataFrame) -> str:
    """Describe when all tasks are done; for some rows of a plan, when the last one ends."""
    whole = plan.attrs if plan.attrs.get("tasks") == len(plan) else {}
    if not {"expected_end", "end_high"} <= whole.keys():
        return f"last end {plan['expected_end'].max():%Y-%m-%d %H:%M}"
    middle, high = (whole[name] for name in ("expected_end", "end_high"))
    return f"all done {middle:%Y-%m-%d %H:%M} (90 %: by {high:%Y-%m-%d %H:%M})"
