"""Lanes: named rows with any number of bars along a time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.collections import PolyCollection

from exportstats.charts.rows import rows_that_fit
from exportstats.charts.style import ink, key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from exportstats.charts.panel import Panel
    from exportstats.charts.style import Entry

# Extents in a lane, downwards; its middle is 0, and its neighbours are at -1 and 1.
BAR = (-0.36, 0.24)
DEADLINE = (0.3, 0.46)


class Bars(NamedTuple):
    """Bars: the lane, start and end of each, in matplotlib's days."""

    lanes: np.ndarray
    left: np.ndarray
    right: np.ndarray

    def only(self, chosen: np.ndarray) -> Bars:
        """Select some of the bars."""
        return Bars(self.lanes[chosen], self.left[chosen], self.right[chosen])


def worst_first(numbers: np.ndarray, many: int, late: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return groups by the highest risk of a missed deadline, then by the latest end.

    `numbers` has the group of each value; NaN is unknown, and the least of all.
    """
    risk, last = np.zeros(many), np.full(many, -np.inf)
    np.maximum.at(risk, numbers, np.nan_to_num(late))
    np.maximum.at(last, numbers, np.nan_to_num(ends, nan=-np.inf))
    return np.lexsort((-last, -risk))


def choose_lanes(
    panel: Panel,
    numbers: np.ndarray,
    order: np.ndarray,
    which: str,
    *,
    most: int = 25,
    along: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the first groups in an order, and note how many are left out.

    Parameters
    ----------
    panel
        The panel to draw on.
    numbers
        The group of each row.
    order
        The groups, the most important first.
    which
        What the chosen ones are, such as "worst slots".
    most
        The number of lanes on a slide.
    along
        A value of each group by which the chosen ones are sorted, instead of their order.

    Returns
    -------
    chosen, lanes
        The numbers of the chosen groups, and the lane of each row, or -1 if it has none.
    """
    chosen = order[: rows_that_fit(panel.ax, most)]
    if more := len(order) - len(chosen):
        adjective, noun = which.split(" ", 1)
        shown = f"the {adjective} {len(chosen)} of {len(order):,} {noun}"
        panel.notes.append(f"{shown}, {more:,} more not shown")
    if along is not None:
        chosen = chosen[np.argsort(along[chosen], kind="stable")]
    place = np.full(len(order), -1)
    place[chosen] = np.arange(len(chosen))
    return chosen, place[numbers]


def pixel_of(ax: Axes) -> float:
    """Return the width of a pixel in days; limits and layout must be final."""
    low, high = ax.get_xlim()
    return float((high - low) / max(ax.get_window_extent().width, 1))


def draw_bars(
    ax: Axes,
    bars: Bars,
    style: dict[str, Any],
    height: tuple[float, float] = BAR,
    thin: tuple[float, float] | None = None,
) -> None:
    """Draw any number of bars as two collections, with bars thinner than a pixel merged.

    A thin bar fills its pixel, and neighbouring pixels form a band. So every bar is visible, and
    there are never more shapes than pixels.

    Parameters
    ----------
    ax
        The axes, with final limits and layout.
    bars
        The bars; those with a missing start or end are left out.
    style
        Of `PolyCollection`.
    height
        The extent of a bar in its lane.
    thin
        The extent of bars thinner than a pixel, if it differs.
    """
    bars = bars.only(~np.isnan(bars.left + bars.right))
    narrow = bars.right - bars.left < pixel_of(ax)
    # What is below would shine through between antialiased neighbours.
    style = {"linewidth": 0, "antialiased": False, "zorder": 2, **style}
    _add(ax, bars.only(~narrow), style, height)
    # Snapped to pixels, bars would vanish if the figure is saved at a lower resolution.
    above = {
        "zorder": style["zorder"] + 0.5,
        "hatch": None,
        "antialiased": True,
        "snap": False,
    }
    _add(ax, _merge(ax, bars.only(narrow)), {**style, **above}, thin or height)


def _merge(ax: Axes, bars: Bars) -> Bars:
    """Return the bands of pixels that contain thin bars."""
    low, pixel = ax.get_xlim()[0], pixel_of(ax)
    middle = (bars.left + bars.right) / 2
    columns = np.floor((middle - low) / pixel).astype("int64")
    inside = (columns >= 0) & (middle <= ax.get_xlim()[1])
    stride = int(columns[inside].max(initial=0)) + 2  # so that two lanes never touch
    filled = np.unique(bars.lanes[inside] * stride + columns[inside])
    breaks = np.flatnonzero(np.diff(filled) > 1)
    first = filled[np.append(0, breaks + 1)] if len(filled) else filled
    last = filled[np.append(breaks, -1)] if len(filled) else filled
    left = low + first % stride * pixel
    return Bars(first // stride, left, left + (last - first + 1) * pixel)


def _add(ax: Axes, bars: Bars, style: dict[str, Any], height: tuple[float, float]) -> None:
    if not len(bars.lanes):
        return
    top, bottom = bars.lanes + height[0], bars.lanes + height[1]
    corners = [(bars.left, top), (bars.right, top), (bars.right, bottom), (bars.left, bottom)]
    shapes = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
    ax.add_collection(PolyCollection([*shapes], **style), autolim=False)


def draw_deadlines(ax: Axes, lanes: np.ndarray, days: np.ndarray) -> None:
    """Draw a tick below the bars at each deadline, and an arrow at the edge for later ones."""
    draw_bars(ax, Bars(lanes, days, days), {"facecolor": ink(1), "zorder": 3}, DEADLINE)
    later = np.unique(lanes[days > ax.get_xlim()[1]]) + sum(DEADLINE) / 2
    if len(later):
        where = ax.get_yaxis_transform()
        edge = np.ones(len(later))
        ax.plot(edge, later, ">", markersize=3, color=ink(1), transform=where, clip_on=False)


def deadline_key() -> Entry:
    """Return the legend entry of deadlines."""
    return key("deadline (arrow: later)", color=ink(1), marker="|", linestyle="none")


def near(days: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the limits and the deadlines to show; these extend the axis by at most half."""
    close = days[(days >= low) & (days <= high + (high - low) / 2)]
    return np.append(close, [low, high])
