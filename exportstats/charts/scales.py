"""Axes for times, durations, counts and shares, with ticks at round values."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib import dates, ticker
from matplotlib.axis import Axis, XAxis
from matplotlib.colors import LogNorm

from exportstats.charts.layout import cell_of, figure_of, is_small, size_of
from exportstats.charts.style import ink, patch
from exportstats.stats.as_of import zone
from exportstats.text import write_duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

    from exportstats.charts.panel import Panel

LEAST = 0.001  # seconds: the resolution of the clock, which stands for 0 on a log axis
_SECONDS = (1, 2, 5, 10, 20, 30)
_DAYS = [days * 10.0**power for power in range(12) for days in (1, 2, 5)]
_FINE = np.array(
    [step * 10.0**power for power in (-3, -2, -1) for step in (1, 2, 5)]
    + [step * unit for unit in (1, 60) for step in _SECONDS]
    + [hours * 3_600 for hours in (1, 2, 3, 6, 12)]
    + [days * 86_400 for days in _DAYS]
)
_COARSE = np.array(
    [0.001, 0.01, 0.1, 1, 10, 60, 600, 3_600] + [86_400 * 10.0**power for power in range(12)]
)
_ENOUGH, _MANY = 3, 7  # ticks
_UNFINISHED = "unfinished"  # the id of the hatched area
_COUNTS = ticker.StrMethodFormatter("{x:,.0f}")
_SPREAD = 20  # ratio of the longest to the shortest, above which an axis is logarithmic


class DurationLocator(ticker.Locator):
    """Ticks at whole seconds, minutes, hours and days."""

    def __init__(self, *, log: bool) -> None:
        self.log = log

    def __call__(self) -> Any:
        """Return the ticks within the view of the axis."""
        low, high = sorted(self.axis.get_view_interval())  # type: ignore[union-attr]
        return self.tick_values(low, high)

    def _most(self) -> int:
        """Return how many ticks fit."""
        if not isinstance(self.axis, Axis):
            return _MANY
        width, height = size_of(self.axis.axes)
        room = width / 60 if isinstance(self.axis, XAxis) else height / 24
        return int(np.clip(room, 2, _MANY))

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the ticks between two durations, in seconds."""
        if self.log:
            for ticks in (_COARSE, _FINE):
                inside = ticks[(ticks >= vmin) & (ticks <= vmax)]
                if len(inside) >= _ENOUGH:
                    return _thin(inside, (vmax / vmin) ** (1 / (2 * self._most())))
        steps = _FINE[vmax - vmin <= _FINE * self._most()]
        step = steps[0] if len(steps) else _FINE[-1]
        return np.arange(np.ceil(vmin / step), np.floor(vmax / step) + 1) * step


def _thin(ticks: np.ndarray, factor: float) -> np.ndarray:
    """Leave out ticks that are less than a factor above the previous one."""
    kept = [ticks[0]]
    for tick in ticks[1:]:
        if tick >= kept[-1] * factor:
            kept.append(tick)
    return np.array(kept)


def duration_axis(
    panel: Panel,
    which: Literal["x", "y"],
    seconds: np.ndarray,
    label: str,
    *,
    log: bool | None = True,
) -> None:
    """Turn an axis into one of durations that shows all `seconds`, logarithmic or from zero.

    With `log=None` it is logarithmic if the longest is more than 20 times the shortest.
    """
    ax = panel.ax
    low, high = np.maximum(panel.hold(which, seconds), LEAST)
    if log is None:
        log = bool(high > _SPREAD * low)
    if log:
        # at least a decade, so that nearly equal durations do not look far apart
        widen = max(1.3, (10 * low / high) ** 0.5)
        limits = (low / widen, high * widen)
    else:
        limits = (0, high * 1.08)
    ax.set(**{f"{which}scale": "log" if log else "linear", f"{which}lim": limits})
    axis = _axis(ax, which)
    axis.set_major_locator(DurationLocator(log=log))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(lambda value, _: write_duration(value))
    axis.set_label_text(f"{label} (log scale)" if log else label)
    draw_grid(ax, which)


def time_axis(
    panel: Panel,
    days: np.ndarray,
    label: str = "creation time",
    *,
    margin: float = 1 / 48,
    tz: tzinfo = UTC,
) -> None:
    """Turn the x axis into one of times that shows all `days`, with a margin."""
    ax = panel.ax
    low, high = panel.hold("x", days)
    margin = max(0.02 * (high - low), margin)
    ax.set_xlim(low - margin, high + margin)
    most = int(np.clip(min(size_of(ax)[0], 0.6 * cell_of(ax)[0]) / 40, 3, 9))
    # with few ticks allowed, matplotlib finds none for some ranges unless it may set even fewer
    locator = dates.AutoDateLocator(tz=tz, minticks=most // 3, maxticks=most)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(
        dates.ConciseDateFormatter(locator, tz=tz)  # type: ignore[no-untyped-call]
    )
    # in a small plot, the date that all ticks share is at the right
    ax.set_xlabel(f"{label} ({tz})", loc="left" if is_small(ax) else "center")


def count_axis(ax: Axes, which: Literal["x", "y"], label: str = "tasks") -> None:
    """Turn an axis into one of whole numbers."""
    axis = _axis(ax, which)
    axis.set_major_locator(_whole_numbers(ax))
    axis.set_major_formatter(_COUNTS)
    axis.set_label_text(label)


def share_axis(ax: Axes, which: Literal["x", "y"], label: str) -> None:
    """Turn an axis into one of percentages."""
    axis = _axis(ax, which)
    axis.set_major_formatter(ticker.PercentFormatter(1, decimals=0, symbol=" %"))
    axis.set_label_text(label)


def distribution_axis(ax: Axes, label: str = "share of the completed tasks") -> None:
    """Turn the y axis into one of shares up to 1, with a grid at the usual quantiles."""
    share_axis(ax, "y", label)
    ax.set_ylim(0, 1.02)
    ax.set_yticks([0, 0.5, 1] if is_small(ax) else [0, 0.25, 0.5, 0.75, 0.9, 1])
    draw_grid(ax, "y")


def colour_bar(ax: Axes, colours: ScalarMappable, label: str, **kwargs: Any) -> None:
    """Add a colour bar beside the plot."""
    ticks = None if isinstance(colours.norm, LogNorm) else _whole_numbers(ax)
    bar = figure_of(ax).colorbar(colours, ax=ax, **{"ticks": ticks, "format": _COUNTS, **kwargs})
    small: dict[str, Any] = {"fontsize": 7} if is_small(ax) else {}
    bar.set_label(label.split(" (", maxsplit=1)[0] if small else label, **small)
    bar.ax.tick_params(labelsize=small.get("fontsize"))


def draw_grid(ax: Axes, which: Literal["x", "y"]) -> None:
    """Draw pale lines at the ticks of an axis, behind everything else."""
    _axis(ax, which).grid(visible=True, color=ink(0.13), linewidth=0.6)
    ax.set_axisbelow(True)


def _axis(ax: Axes, which: Literal["x", "y"]) -> Axis:
    return ax.xaxis if which == "x" else ax.yaxis


def _whole_numbers(ax: Axes) -> ticker.Locator:
    most = int(np.clip(min(cell_of(ax)) / 50, 2, 6))
    return ticker.MaxNLocator(most, integer=True, steps=[1, 2, 5, 10])


def mark_unfinished(panel: Panel, table: pd.DataFrame, before: float, length: float) -> None:
    """Hatch the period that was unfinished when the tasks were observed, with a legend entry.

    The area begins at `table.attrs["unfinished"]` plus `before` and is `length` days long.
    """
    if "unfinished" not in table.attrs:
        return
    start = to_days(pd.DatetimeIndex([table.attrs["unfinished"]]))[0] + before
    marked = any(shape.get_gid() == _UNFINISHED for shape in panel.ax.patches)
    if not marked and start < panel.ax.get_xlim()[1] - length / 2:
        style: dict[str, Any] = {"facecolor": "none", "edgecolor": ink(0.35), "hatch": "////"}
        panel.ax.axvspan(start, start + length, zorder=0.5, linewidth=0, gid=_UNFINISHED, **style)
        panel.legend.append(patch("not over yet", **style))


def zone_named(tz: str) -> tzinfo:
    """Return the time zone of this name.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    return ZoneInfo(zone(tz))


def zone_of(times: pd.Series | pd.Index) -> tzinfo:
    """Return the time zone of a column or index level."""
    return pd.DatetimeIndex(times).tz or UTC


def to_days(times: pd.Series | pd.Index) -> np.ndarray:
    """Return times as matplotlib's days; missing ones are NaN."""
    instants = pd.DatetimeIndex(times).to_numpy(dtype="datetime64[ms]")
    days: np.ndarray = dates.date2num(instants)  # type: ignore[no-untyped-call]
    return days


def to_seconds(lengths: pd.Series | pd.Index) -> np.ndarray:
    """Return durations in seconds; missing ones are NaN, and 0 becomes 1 ms."""
    seconds = pd.TimedeltaIndex(lengths).to_numpy(dtype="timedelta64[ms]") / np.timedelta64(1, "s")
    return np.maximum(seconds, LEAST)


def period_step(starts: np.ndarray) -> float:
    """Return the length of the shortest period in days, from the sorted starts."""
    return float(np.diff(starts).min()) if len(starts) > 1 else 1.0
