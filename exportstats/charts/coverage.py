"""The chart of what is in S3, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.coverage_days import draw_days
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
from exportstats.charts.style import BAD, patch
from exportstats.charts.tables import require
from exportstats.charts.words import shorten
from exportstats.core.schema import LOG_GROUP
from exportstats.errors import SchemaError
from exportstats.stats.grouping import group
from exportstats.text import counted, percent, write_duration

if TYPE_CHECKING:
    from exportstats.charts.panel import Panel

_MAKERS = "coverage_timeline or coverage_by_day"
_COLUMNS = (*LOG_GROUP, "start", "end", "length", "state", "evidence", "reason", "expires_at")
_MOST = 40  # lanes on a slide
_THIN = (-0.21, 0.09)  # half the height of a bar, so that a minute does not look like a day
_SECOND = 1 / 86_400

UPPER_BOUND = "coverage is an upper bound: stream prefixes and bytes are not in the API"

# From the bottom layer to the top one. What is covered, and gaps, look like their evidence; `lost`
# is a gap that can no longer be closed.
_LOOKS: dict[str, dict[str, Any]] = {
    "covered": {"facecolor": "#A6D9C8"},
    "proven": {"facecolor": "#2E8B74"},
    "partial": {"facecolor": "#DCF0EA", "hatch": "....", "edgecolor": "#2E8B74"},
    "silent": {"facecolor": "#F2F2F2", "hatch": "----", "edgecolor": "#AAAAAA"},
    "overlap": {"facecolor": "#0072B2"},
    "premature": {"facecolor": "#F0C75E", "hatch": "////", "edgecolor": "#666666"},
    "gap": {"facecolor": BAD},
    "lost": {"facecolor": "#222222", "hatch": "xxx", "edgecolor": "#BBBBBB"},
}
_LABELS = {
    "lost": "gap, lost for ever",
    "silent": "nothing came in",
    "partial": "only some streams",
}
_STATES = ("covered", "overlap", "premature", "gap")


@chart(
    "What is not in S3",
    maker=_MAKERS,
    kwargs="For the bars, of `PolyCollection`, or for the cells, of `Axes.pcolormesh`.",
)
def plot_coverage(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw which parts of each log group are in S3, the worst log group first.

    `coverage_timeline` is drawn as bars, in a lane for each of at most 40 log groups. The missing
    time is at the right. What is proven, and what only tasks with a stream prefix cover, has a look
    of its own, and so have gaps in which nothing came in. Bars shorter than a pixel are drawn a
    pixel wide and half as high. A tick below the bars marks the deadline (`expires_at`) of each gap
    that is not lost yet. An arrow at the edge stands for deadlines long after the range.

    `coverage_by_day` is drawn as a heat map, with a row for each of at most 60 log groups.

    Examples
    --------
    >>> import exportstats as xs
    >>> table = xs.coverage_timeline(xs.sample_tasks(), start="2026-11-01", end="2026-11-20")
    >>> xs.plot_coverage(table).get_title(loc="left")
    'What is not in S3'
    """
    wide = isinstance(table.columns, pd.DatetimeIndex)
    if wide:
        require(table, maker=_MAKERS, levels=LOG_GROUP)
    else:
        require(table, maker=_MAKERS, columns=_COLUMNS)
        _refuse_states(table["state"])
    if not table.size:
        raise NothingToDrawError("no log groups")
    if wide:
        draw_days(panel, table, UPPER_BOUND, kwargs)
    else:
        _draw_timeline(panel, table, kwargs)


def _refuse_states(states: pd.Series) -> None:
    for state in states.unique():
        if state not in _STATES:
            raise SchemaError(
                f"the state {shorten(state)} is not one of {', '.join(_STATES)}; "
                f"this chart draws what {_MAKERS} returns"
            )


def _draw_timeline(panel: Panel, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    # The worst are chosen first: of millions of rows, only those of 40 log groups are converted.
    numbers, groups = group(table, LOG_GROUP)
    missing = _add_up(panel, table, numbers, len(groups))
    order = np.argsort(-missing, kind="stable")
    worst, lanes = choose_lanes(panel, numbers, order, "worst log groups", most=_MOST)
    chosen = lanes >= 0
    rows = table.loc[chosen, [*_COLUMNS[3:5], *_COLUMNS[6:]]]
    bars = Bars(lanes[chosen], to_days(rows["start"]), to_days(rows["end"]))
    drawn = ~np.isnan(bars.left + bars.right)
    if lost := (~drawn).sum():
        panel.notes.append(f"rows not drawn: {lost:,}, no time")
    if not drawn.any():
        raise NothingToDrawError(panel.notes[-1])
    bars, rows = bars.only(drawn), rows[drawn]

    looks = _looks_of(rows)
    low, high = bars.left.min(), bars.right.max()
    deadlines = to_days(rows["expires_at"])
    deadlines[(looks != "gap") | (deadlines < low)] = np.nan
    ax = panel.ax
    time_axis(panel, near(deadlines, low, high), "time", margin=_SECOND)
    lengths = [_write_ms(missing[group]) if missing[group] else "no gap" for group in worst]
    name_lanes(panel, groups.iloc[worst], lengths)
    layers = {look: _joined(bars.only(looks == look)) for look in _LOOKS}
    pixel = pixel_of(ax)
    if any((layer.right - layer.left < pixel).any() for layer in layers.values()):
        panel.notes.append("half as high: shorter than a pixel")
    found = set(looks)
    if not table["evidence"].eq("proven").any():
        panel.notes.append(UPPER_BOUND)
    labels = _LABELS | ({"covered": "claimed"} if {"proven", "partial"} & found else {})
    for look, style in _LOOKS.items():
        if look in found:
            panel.legend.append(patch(labels.get(look, look), **style))
    if not np.isnan(deadlines).all():
        panel.legend.append(deadline_key())
    panel.write_header()
    # Covered time shows above and below thin bars, but only where rows touch: a table of gaps
    # alone does not tell what is covered.
    ground = _joined(bars)
    wide = ground.right - ground.left >= pixel
    draw_bars(ax, ground.only(wide), {**_LOOKS["covered"], "zorder": 1, **kwargs})
    for look, style in _LOOKS.items():
        draw_bars(ax, layers[look], {**style, **kwargs}, thin=_THIN)
    draw_deadlines(ax, bars.lanes, deadlines)


def _add_up(panel: Panel, table: pd.DataFrame, numbers: np.ndarray, groups: int) -> np.ndarray:
    """Return the missing time of each group in ms, and add notes on their total."""
    length = table["length"].fillna(pd.Timedelta(0)).to_numpy("timedelta64[ms]").astype("int64")
    evidence = table["evidence"]
    gap = table["state"].eq("gap").to_numpy() & evidence.ne("silent").to_numpy()
    missing = np.bincount(numbers, weights=length * gap, minlength=groups)
    panel.notes.append(f"n = {counted(groups, 'log group')}")
    bounds = _bounds(length, evidence)
    panel.notes += [bounds] if bounds else []
    if not gap.any():
        panel.notes.append("no gap")
        return missing
    share = percent(missing.sum() / max(length.sum(), 1))
    panel.notes.append(f"missing: {_write_ms(missing.sum())} ({share})")
    lost = gap & _is_lost(table)
    if lost.any():
        panel.notes.append(f"of it lost for ever: {_write_ms(length[lost].sum())}")
    first = table["expires_at"].to_numpy("datetime64[ms]")[gap & ~lost]
    if not np.isnat(first).all():
        panel.notes.append(f"first deadline {pd.Timestamp(np.nanmin(first)):%Y-%m-%d %H:%M}")
    return missing


def _bounds(length: np.ndarray, evidence: pd.Series) -> str | None:
    """Return between which bounds coverage lies, if anything is proven."""
    whole = max(length.sum(), 1)
    least, most, silent = (
        percent(length[evidence.isin(classes).to_numpy()].sum() / whole)
        for classes in (["proven"], ["proven", "claimed", "partial"], ["silent"])
    )
    if not evidence.eq("proven").any():
        return None
    quiet = f", nothing came in: {silent}" if evidence.eq("silent").any() else ""
    return f"covered at least {least}, at most {most}{quiet}"


def _looks_of(rows: pd.DataFrame) -> np.ndarray:
    """Return the look of each interval."""
    looks: np.ndarray = rows["state"].to_numpy(dtype=object, copy=True)
    evidence = rows["evidence"].to_numpy(dtype=object)
    looks[(looks == "covered") & (evidence == "proven")] = "proven"
    looks[(looks == "gap") & _is_lost(rows)] = "lost"
    for one in ("partial", "silent"):
        looks[evidence == one] = one
    return looks


def _is_lost(rows: pd.DataFrame) -> np.ndarray:
    return rows["reason"].eq("lost").fillna(value=False).to_numpy(bool)


def _write_ms(length: float) -> str:
    return write_duration(float(length) / 1000)


def _joined(bars: Bars) -> Bars:
    """Join bars that touch."""
    order = np.lexsort((bars.left, bars.lanes))
    bars = bars.only(order)
    apart = (np.diff(bars.lanes) > 0) | (bars.left[1:] != bars.right[:-1])
    begins = np.flatnonzero(np.append(True, apart)[: len(order)])
    ends = np.append(begins[1:], len(order))[: len(begins)] - 1
    return Bars(bars.lanes[begins], bars.left[begins], bars.right[ends])
