"""The picture of what is not in S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from exportstats.charts.coverage_days import draw_days
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
from exportstats.charts.style import draw_nothing, get_axes, header
from exportstats.charts.tables import require
from exportstats.charts.words import shorten
from exportstats.core.schema import LOG_GROUP
from exportstats.errors import SchemaError
from exportstats.text import counted, percent, write_duration

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_TITLE = "What is not in S3"
_MAKERS = "coverage_timeline or coverage_by_day"
_COLUMNS = (*LOG_GROUP, "start", "end", "length", "state", "reason", "expires_at")
_MOST = 40  # lanes on a slide
_THIN = (-0.21, 0.09)  # half a bar's height: a minute shall not look like a day
_SECOND = 1 / 86_400

UPPER_BOUND = "coverage is an upper bound: stream prefixes and bytes are not in the API"

# From the bottom layer to the top one. `lost` is a gap that can no longer be closed.
_LOOKS: dict[str, dict[str, Any]] = {
    "covered": {"facecolor": "#A6D9C8"},
    "overlap": {"facecolor": "#0072B2"},
    "premature": {"facecolor": "#F0C75E", "hatch": "////", "edgecolor": "#666666"},
    "gap": {"facecolor": "#D55E00"},
    "lost": {"facecolor": "#222222", "hatch": "xxx", "edgecolor": "#BBBBBB"},
}
_LABELS = {"gap": "gap", "lost": "gap, lost for ever"}


def plot_coverage(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    **kwargs: Any,  # noqa: ANN401 - matplotlib's
) -> Axes:
    """Draw what of each log group is in S3, those that miss most first.

    Of `coverage_timeline`: a lane of bars a log group, at most 40, its missing time at the right.
    What is shorter than a pixel is drawn a pixel wide and half as high. Below the bars is a tick at
    each deadline, `expires_at`, of a gap that is not lost yet; deadlines long after the range are
    an arrow at the edge. Of `coverage_by_day`: a heat map, a row a log group, at most 60.

    Parameters
    ----------
    table
        What `coverage_timeline` or `coverage_by_day` gives; its columns tell which.
    ax
        Where to draw; a new figure if None.
    **kwargs
        For the bars, of `PolyCollection`, or for the cells, of `Axes.pcolormesh`.

    Returns
    -------
    Axes
        What it drew on; the heat map's colour bar has axes of its own.

    Raises
    ------
    SchemaError
        The frame has another shape, or a state that nobody knows.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2026-11-20", periods=4, tz="UTC")
    >>> table = pd.DataFrame({"account_id": "1", "region": "eu-west-1", "log_group_name": "app",
    ...     "start": days[:3], "end": days[1:], "length": days[1:] - days[:3],
    ...     "state": ["covered", "gap", "covered"], "reason": [None, "failed", None],
    ...     "expires_at": pd.DatetimeIndex([None, "2026-12-20", None], tz="UTC")})
    >>> plot_coverage(table).texts[0].get_text()
    '1 d'
    """
    wide = isinstance(getattr(table, "columns", None), pd.DatetimeIndex)
    if wide:
        require(table, maker=_MAKERS, levels=LOG_GROUP)
    else:
        require(table, maker=_MAKERS, columns=_COLUMNS)
        _refuse_states(table["state"])
    ax = get_axes(ax)
    if not table.size:
        return draw_nothing(ax, _TITLE, "no log groups")
    if wide:
        return draw_days(ax, _TITLE, table, UPPER_BOUND, kwargs)
    return _draw_timeline(ax, table, kwargs)


def _refuse_states(states: pd.Series) -> None:
    known = [state for state in _LOOKS if state != "lost"]
    for state in states.unique():
        if state not in known:
            raise SchemaError(
                f"the state {shorten(state)} is none of {', '.join(known)}; "
                f"this chart draws what {_MAKERS} gives"
            )


def _draw_timeline(ax: Axes, table: pd.DataFrame, kwargs: dict[str, Any]) -> Axes:
    # Which are the worst comes first: millions of rows are added up, only those of 40 are read.
    numbers, groups = number_groups(table, LOG_GROUP)
    missing, notes = _add_up(table, numbers, len(groups))
    worst = np.argsort(-missing, kind="stable")[:_MOST]
    if more := len(groups) - len(worst):
        notes.append(
            f"the worst {len(worst)} of {len(groups):,} log groups, {more:,} more not shown"
        )
    place = np.full(len(groups), -1)
    place[worst] = np.arange(len(worst))
    chosen = place[numbers] >= 0
    rows = table.loc[chosen, ["start", "end", "state", "reason", "expires_at"]]
    bars = Bars(place[numbers[chosen]], to_days(rows["start"]), to_days(rows["end"]))
    drawn = ~np.isnan(bars.left + bars.right)
    if lost := (~drawn).sum():
        notes.append(f"rows not drawn: {lost:,}, no time")
    if not drawn.any():
        return draw_nothing(ax, _TITLE, notes[-1])
    bars, rows = bars.only(drawn), rows[drawn]

    states = rows["state"].to_numpy(dtype=object)
    looks = np.where((states == "gap") & _is_lost(rows), "lost", states)
    low, high = bars.left.min(), bars.right.max()
    deadlines = to_days(rows["expires_at"])
    deadlines[(looks != "gap") | (deadlines < low)] = np.nan
    time_axis(ax, near(deadlines, low, high), "time", margin=_SECOND)
    lengths = [_write_ms(missing[group]) if missing[group] else "no gap" for group in worst]
    notes += name_lanes(ax, groups.iloc[worst], lengths)
    layers = {look: _joined(bars.only(looks == look)) for look in _LOOKS}
    pixel = pixel_of(ax)
    if any((layer.right - layer.left < pixel).any() for layer in layers.values()):
        notes.append("half as high: shorter than a pixel")
    header(ax, _TITLE, [*notes, UPPER_BOUND], _legend(looks, deadlines))
    # What is covered shows above and below what is thin, but only where rows touch: in a table of
    # gaps alone nothing is said to be covered.
    ground = _joined(bars)
    wide = ground.right - ground.left >= pixel
    draw_bars(ax, ground.only(wide), {**_LOOKS["covered"], "zorder": 1, **kwargs})
    for look, style in _LOOKS.items():
        draw_bars(ax, layers[look], {**style, **kwargs}, thin=_THIN)
    draw_deadlines(ax, bars.lanes, deadlines)
    return ax


def _add_up(table: pd.DataFrame, numbers: np.ndarray, groups: int) -> tuple[np.ndarray, list[str]]:
    """Return each group's missing time, in ms, and the notes on all of them."""
    length = table["length"].fillna(pd.Timedelta(0)).to_numpy("timedelta64[ms]").astype("int64")
    gap = table["state"].eq("gap").to_numpy()
    missing = np.bincount(numbers, weights=length * gap, minlength=groups)
    notes = [f"n = {counted(groups, 'log group')}"]
    if not gap.any():
        return missing, [*notes, "no gap"]
    share = percent(missing.sum() / max(length.sum(), 1))
    notes.append(f"missing: {_write_ms(missing.sum())} ({share})")
    lost = gap & _is_lost(table)
    if lost.any():
        notes.append(f"of it lost for ever: {_write_ms(length[lost].sum())}")
    first = table["expires_at"].to_numpy("datetime64[ms]")[gap & ~lost]
    if not np.isnat(first).all():
        notes.append(f"first deadline {pd.Timestamp(np.nanmin(first)):%Y-%m-%d %H:%M}")
    return missing, notes


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


def _legend(looks: np.ndarray, deadlines: np.ndarray) -> list[tuple[Artist, str]]:
    found = set(looks)
    legend: list[tuple[Artist, str]] = [
        (Patch(linewidth=0, **style), _LABELS.get(look, look))
        for look, style in _LOOKS.items()
        if look in found
    ]
    return legend if np.isnan(deadlines).all() else [*legend, deadline_key()]
