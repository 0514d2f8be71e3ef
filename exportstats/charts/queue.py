"""The chart of when the exports of a queue will run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

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
    worst_first,
)
from exportstats.charts.rows import name_lanes, rows_that_fit
from exportstats.charts.scales import time_axis, to_days, zone_named
from exportstats.charts.style import BAD, GREY, ink, key, patch
from exportstats.core.schema import LOG_GROUP, SLOT
from exportstats.queues.table import conform
from exportstats.stats.grouping import group
from exportstats.text import counted, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from exportstats.charts.panel import Panel
    from exportstats.charts.style import Entry

_START = ("start_low", "expected_start", "start_high")
_END = ("end_low", "expected_end", "end_high")
_CHANCES = ("refusal_probability", "deadline_risk")
_COLUMNS = ("create_at", *_START, *_END, *_CHANCES)
_SLOTS = "worst slots"
_RISKY = 0.1  # so that the interval of the end reaches beyond the deadline
_BUSY, _LIKELY = 0.5, 0.5
_SURE, _RARELY = 0.95, 0.05  # what need not be said
_SECOND = 1 / 86_400

# Extents in a lane, downwards.
_ABOVE, _BAR, _BELOW = (-0.42, -0.28), (-0.28, 0.12), (0.12, 0.26)
_EDGE = (-0.28, -0.18)  # of the bar
# Of unlikely and of likely exports. They overlap, because it is not sure which one runs when.
_STRIPS: tuple[dict[str, Any], ...] = (
    {"facecolor": GREY, "zorder": 1, "alpha": 0.2},
    {"facecolor": GREY, "zorder": 1, "alpha": 0.5},
)
# From the bottom layer to the top one: unlikely, likely, and the same if they may be late.
_COLOURS = ("#9CC9E8", "#0072B2", "#F2B48C", BAD)
_WIDE = 4  # pixels of a bar, above which there is room for a line
_POINT: dict[str, Any] = {"linestyle": "none", "markersize": 7, "zorder": 4}
_NEVER: dict[str, Any] = {**_POINT, "marker": "x", "markeredgewidth": 2}
_UNKNOWN: dict[str, Any] = {**_POINT, "marker": "o", "markerfacecolor": "none"}


class _Exports(NamedTuple):
    """The exports: their times in days, the quantiles in rows, and their probabilities."""

    start: np.ndarray
    end: np.ndarray
    deadline: np.ndarray
    asked: np.ndarray
    probability: np.ndarray
    busy: np.ndarray
    late: np.ndarray

    def only(self, chosen: np.ndarray) -> _Exports:
        """Select some of the exports."""
        return _Exports(*(values[..., chosen] for values in self))

    @property
    def where(self) -> np.ndarray:
        """When each begins, or when it is asked for if that is not known."""
        return np.where(np.isnan(self.start[1]), self.asked, self.start[1])

    @property
    def never(self) -> np.ndarray:
        """Which never run: the slot is always busy, or they are never asked for."""
        never: np.ndarray = np.isnan(self.start[1]) & ((self.busy == 1) | (self.probability == 0))
        return never

    @property
    def looks(self) -> np.ndarray:
        """The colour of each."""
        looks: np.ndarray = 2 * (self.late >= _RISKY) + (self.probability >= _LIKELY)
        return looks


@chart(
    "When the exports will run",
    maker="simulate_queue",
    part="exports",
    columns=_COLUMNS,
    kwargs="For the bars, of `PolyCollection`.",
)
def plot_queue(panel: Panel, table: pd.DataFrame, *, tz: str = "UTC", **kwargs: Any) -> None:
    """Draw when each export is expected to run, and how sure that is.

    There is a lane for each slot. With a single slot, there is one for each export, or for each log
    group if there are more exports than lanes. A bar extends from the median start of an export to
    its median end. The strips above and below it are the intervals of its start and its end, from
    the 10 % to the 90 % quantile. A bar is paler if the export is asked for with less than 50 %,
    red if it misses its deadline with 10 % or more, and has an upper edge if it finds the slot busy
    with 50 % or more; then it waits, or is refused. Ticks are deadlines. An export without a
    forecast is a marker. At most 25 lanes are drawn: those most likely to miss a deadline, then
    those that end last. Slots are in this order, the lanes of a single slot in that of time.

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
    >>> xs.plot_queue(forecast.exports).get_xlabel()
    'time (UTC)'
    """
    zone = zone_named(tz)
    if table.empty:
        raise NothingToDrawError("no exports")
    ax, rows = panel.ax, conform(table)
    every = _Exports(
        np.array([to_days(table[name]) for name in _START]),
        np.array([to_days(table[name]) for name in _END]),
        to_days(rows["deadline"]),
        to_days(rows["create_at"]),
        rows["probability"].to_numpy(),
        *(table[name].to_numpy(dtype="float64") for name in _CHANCES),
    )
    panel.notes.append(f"n = {counted(len(rows), 'export')}")
    if not np.isnan(every.late).all():
        panel.notes.append(f"{np.sum(every.late >= _RISKY):,} at risk to be late")

    numbers, groups, which = _group(panel, rows)
    begins = np.full(len(groups), np.inf)
    np.minimum.at(begins, numbers, every.where)
    along = None if which == _SLOTS else begins
    worst = worst_first(numbers, len(groups), every.late, every.end[2])
    chosen, lanes = choose_lanes(panel, numbers, worst, which, along=along)
    drawn = every.only(lanes >= 0)
    lanes = lanes[lanes >= 0]

    days = np.concatenate([*drawn.start, *drawn.end, drawn.where])
    limits = near(drawn.deadline, np.nanmin(days), np.nanmax(days))
    time_axis(panel, limits, "time", margin=_SECOND, tz=zone)
    notes = [_note(drawn.only(lanes == lane), which) for lane in range(len(chosen))]
    name_lanes(panel, groups.iloc[chosen], notes, bar=-2 * _ABOVE[0])
    panel.legend += _legend(drawn)
    panel.write_header()
    _draw(ax, drawn, lanes, kwargs)


def _group(panel: Panel, rows: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame, str]:
    """Return the number of each export's lane, the keys of the lanes, and what they are."""
    slots = rows[[*SLOT]].dropna().drop_duplicates()
    if len(slots) > 1:
        return *group(rows, SLOT), _SLOTS
    if len(slots):  # simulated with the others, as only this slot can be meant
        rows = rows.assign(**slots.iloc[0])
    if len(rows) <= rows_that_fit(panel.ax):
        return np.arange(len(rows)), rows[[*LOG_GROUP]], "worst exports"
    return *group(rows, LOG_GROUP), "worst log groups"


def _note(some: _Exports, which: str) -> str:
    """Return what to say of the exports of a lane."""
    many = len(some.asked)
    if which == _SLOTS or many > 1:
        late = np.sum(some.late >= _RISKY)
        return counted(many, "export") + (f", {late:,} at risk" if late else "")
    probability, busy, late = (values.item() for values in some[-3:])
    parts = [
        f"{percent(probability)} likely" if probability < _SURE else "",
        f"busy {percent(busy)}" if busy >= _RARELY else "",
        f"late {percent(late)}" if late >= _RARELY else "",
    ]
    return " · ".join(filter(None, parts))


def _legend(drawn: _Exports) -> list[Entry]:
    """Return the entries of what occurs."""
    known, looks = ~np.isnan(drawn.end[1]), drawn.looks
    entries = []
    if known.any():
        entries = [
            patch("median start to end", facecolor=_COLOURS[1]),
            patch("80 % interval of start and end", **_STRIPS[1]),
        ]
    for there, label, style in (
        (looks % 2 == 0, f"less likely than {_LIKELY:.0%}", {"facecolor": _COLOURS[0]}),
        (looks > 1, f"at risk: late in {_RISKY:.0%} or more", {"facecolor": BAD}),
        (drawn.busy >= _BUSY, f"slot busy in {_BUSY:.0%} or more", {"facecolor": ink(1)}),
    ):
        if (there & known).any():
            entries.append(patch(label.replace("%", " %"), **style))
    for there, label, style in (
        (drawn.never, "never runs", _NEVER),
        (~known & ~drawn.never, "no forecast: no history, or in no run", _UNKNOWN),
    ):
        if there.any():
            entries.append(key(label, color=ink(1), **style))
    return [*entries, *([] if np.isnan(drawn.deadline).all() else [deadline_key()])]


def _draw(ax: Axes, drawn: _Exports, lanes: np.ndarray, kwargs: dict[str, Any]) -> None:
    """Draw the exports, from the bottom layer to the top one."""
    for likely, style in enumerate(_STRIPS):
        some = drawn.looks % 2 == likely
        for (low, _, high), height in ((drawn.start, _ABOVE), (drawn.end, _BELOW)):
            draw_bars(ax, Bars(lanes, low, high).only(some), style, height)
    bars = Bars(lanes, drawn.start[1], drawn.end[1])
    for look, colour in enumerate(_COLOURS):
        draw_bars(ax, bars.only(drawn.looks == look), {"facecolor": colour, **kwargs}, _BAR)
    draw_bars(ax, bars.only(drawn.busy >= _BUSY), {"facecolor": ink(1), "zorder": 3}, _EDGE)
    wide = bars.right - bars.left > _WIDE * pixel_of(ax)
    between = {"facecolor": ink(0), "zorder": 4}
    draw_bars(ax, Bars(lanes, bars.left, bars.left).only(wide), between, _BAR)
    unknown = np.isnan(drawn.end[1])
    for there, style in ((drawn.never, _NEVER), (unknown & ~drawn.never, _UNKNOWN)):
        ax.plot(drawn.where[there], lanes[there] + sum(_BAR) / 2, color=ink(1), **style)
    draw_deadlines(ax, lanes, drawn.deadline)
