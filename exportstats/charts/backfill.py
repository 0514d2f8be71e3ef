"""The picture of when the gaps will be closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch

from exportstats.charts.lanes import (
    Bars,
    deadline_key,
    draw_bars,
    draw_deadlines,
    name_lanes,
    near,
    number_groups,
    pixel_of,
)
from exportstats.charts.scales import time_axis, to_days
from exportstats.charts.style import GREY, MAX_ROWS, draw_nothing, get_axes, header
from exportstats.charts.tables import require
from exportstats.core.schema import SLOT
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_TITLE = "When the gaps will be closed"
_TIMES = ("expected_start", "expected_end", "end_high", "deadline")
_COLUMNS = (*SLOT, *_TIMES, "late", "enough_history")
_TASK = (-0.36, 0.12)
_UNTIL = (0.12, 0.24)  # below its task's bar, where the next one does not cover it
_SECOND = 1 / 86_400

_IN_TIME, _GUESS, _LATE = "#0072B2", "#56B4E9", "#D55E00"
# From the bottom layer to the top one.
_LOOKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("in time", {"facecolor": _IN_TIME, "edgecolor": "white"}),
    ("in time, a guess", {"facecolor": _GUESS, "edgecolor": "white", "hatch": "////"}),
    ("late", {"facecolor": _LATE, "edgecolor": "white"}),
    ("late, a guess", {"facecolor": _LATE, "edgecolor": "white", "hatch": "////"}),
)
_HIGH: dict[str, Any] = {"facecolor": "#CCCCCC", "zorder": 1}
_CAP: dict[str, Any] = {"facecolor": GREY, "zorder": 1}
_LINE: dict[str, Any] = {"facecolor": "white", "zorder": 3}  # between one task and the next
_WIDE = 4  # pixels, from which there is room for a line


def plot_backfill(
    plan: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw when each planned task is expected to run, a lane a slot, the latest ones first.

    A bar goes from a task's expected start to its expected end; the paler strip below it goes on
    to the end that 90 % of the runs do not exceed. Late tasks are red, those that are guesses for
    want of history hatched; ticks are deadlines. Bars thinner than a pixel merge into bands. Of
    more than 25 slots, those with most late tasks and then the latest end are drawn. When all tasks
    of the plan are done is said as the plan's `attrs` have it: later than the end of each slot.

    Parameters
    ----------
    plan
        What `plan_backfill` gives.
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the bars, of `PolyCollection`.

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
    >>> hours = pd.date_range("2026-11-24", periods=4, freq="h", tz="UTC")
    >>> plan = pd.DataFrame({"account_id": "1", "region": "eu-west-1", "deadline": hours[2],
    ...     "expected_start": hours[:2], "expected_end": hours[1:3], "end_high": hours[2:],
    ...     "late": [False, True], "enough_history": True})
    >>> plot_backfill(plan).texts[0].get_text()
    '1 of 2 late'
    """
    require(plan, maker="plan_backfill", columns=_COLUMNS)
    ax = get_axes(ax)
    if plan.empty:
        return draw_nothing(ax, _TITLE, "no tasks to create")
    start, end, high, deadline = (to_days(plan[name]) for name in _TIMES)
    drawn = ~np.isnan(start + end)
    late, known = (plan[name].fillna(value=False).to_numpy(bool) for name in _COLUMNS[-2:])
    notes = [f"n = {counted(len(plan))}", f"late: {late.sum():,}"]
    if guesses := (~known).sum():
        notes.append(f"guesses: {guesses:,}, of too little history")
    if without := (~drawn).sum():
        notes.append(f"{counted(without)} not drawn: without expected times")
    if not drawn.any():
        return draw_nothing(ax, _TITLE, notes[-1])

    numbers, groups = number_groups(plan[drawn], SLOT)
    bars, late, known = Bars(numbers, start[drawn], end[drawn]), late[drawn], known[drawn]
    tasks, latest = np.bincount(numbers), np.full(len(groups), -np.inf)
    late_tasks = np.bincount(numbers, weights=late)
    np.maximum.at(latest, numbers, bars.right)
    worst = np.lexsort((-latest, -late_tasks))[:MAX_ROWS]
    notes.append(_write_end(plan[drawn]))
    if more := len(groups) - len(worst):
        notes.append(f"the worst {len(worst)} of {len(groups):,} slots, {more:,} more not shown")
    place = np.full(len(groups), -1)
    place[worst] = np.arange(len(worst))
    lanes = place[numbers]
    shown = lanes >= 0
    bars = Bars(lanes, bars.left, bars.right).only(shown)
    high, deadline = high[drawn][shown], deadline[drawn][shown]
    looks = 2 * late[shown] + ~known[shown]

    ends = np.append(bars.right, high[~np.isnan(high)])
    time_axis(ax, near(deadline, bars.left.min(), ends.max()), "time", margin=_SECOND)
    counts = [f"{late_tasks[slot]:,.0f} of {tasks[slot]:,} late" for slot in worst]
    notes += name_lanes(ax, groups.iloc[worst], counts)
    header(ax, _TITLE, notes, _legend(looks, high, deadline))
    draw_bars(ax, Bars(bars.lanes, bars.right, high), _HIGH, _UNTIL)
    wide = bars.right - bars.left > _WIDE * pixel_of(ax)
    draw_bars(ax, Bars(bars.lanes, high, high).only(wide), _CAP, _UNTIL)
    for look, (_, style) in enumerate(_LOOKS):
        draw_bars(ax, bars.only(looks == look), {**style, **kwargs}, _TASK)
    draw_bars(ax, Bars(bars.lanes, bars.left, bars.left).only(wide), _LINE, _TASK)
    draw_deadlines(ax, bars.lanes, deadline)
    return ax


def _write_end(plan: pd.DataFrame) -> str:
    """Say when the last task ends, in half and in 90 % of the runs, or of some rows only when."""
    whole = plan.attrs if plan.attrs.get("tasks") == len(plan) else {}
    if not {"expected_end", "end_high"} <= whole.keys():
        return f"last end {plan['expected_end'].max():%Y-%m-%d %H:%M}"
    middle, high = (whole[name] for name in ("expected_end", "end_high"))
    return f"all done {middle:%Y-%m-%d %H:%M} (90 %: by {high:%Y-%m-%d %H:%M})"


def _legend(looks: np.ndarray, high: np.ndarray, deadline: np.ndarray) -> list[tuple[Artist, str]]:
    found = set(looks.tolist())
    legend: list[tuple[Artist, str]] = [
        (Patch(linewidth=0, **style), label)
        for look, (label, style) in enumerate(_LOOKS)
        if look in found
    ]
    if not np.isnan(high).all():
        legend.append((Patch(linewidth=0, **_HIGH), "until then in 90 % of the runs"))
    return legend if np.isnan(deadline).all() else [*legend, deadline_key()]
