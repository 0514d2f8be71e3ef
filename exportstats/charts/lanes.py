"""Lanes: rows of bars along a time axis, named, and as many bars as there are."""

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

# Heights in a lane, whose middle is 0 and whose neighbours are at -1 and 1; downwards.
BAR = (-0.36, 0.24)
DEADLINE = (0.3, 0.46)


class Bars(NamedTuple):
    """Bars: the lane of each, and where it begins and ends, in matplotlib's days."""

    lanes: np.ndarray
    left: np.ndarray
    right: np.ndarray

    def only(self, chosen: np.ndarray) -> Bars:
        """Return some of them."""
        return Bars(self.lanes[chosen], self.left[chosen], self.right[chosen])


def choose_lanes(
    panel: Panel, numbers: np.ndarray, order: np.ndarray, which: str, most: int = 25
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the first groups of an order, and note how many are left out.

    Returns
    -------
    chosen, lanes
        The groups' numbers, and the lane of each row, -1 of a group that is left out.
    """
    chosen = order[: rows_that_fit(panel.ax, most)]
    if more := len(order) - len(chosen):
        adjective, noun = which.split(" ", 1)
        shown = f"the {adjective} {len(chosen)} of {len(order):,} {noun}"
        panel.notes.append(f"{shown}, {more:,} more not shown")
    place = np.full(len(order), -1)
    place[chosen] = np.arange(len(chosen))
    return chosen, place[numbers]


def pixel_of(ax: Axes) -> float:
    """Return how many days a pixel is; the limits and the layout have to be there."""
    low, high = ax.get_xlim()
    return float((high - low) / max(ax.get_window_extent().width, 1))


def draw_bars(
    ax: Axes,
    bars: Bars,
    style: dict[str, Any],
    height: tuple[float, float] = BAR,
    thin: tuple[float, float] | None = None,
) -> None:
    """Draw bars as two collections: those wider than a pixel as they are, the others merged.

    A thin bar fills its pixel; neighbouring pixels are one band. So no bar disappears, and there
    are never more shapes than pixels.

    Parameters
    ----------
    ax
        Where to draw, with its limits and layout.
    bars
        Any number of them; those with a missing end are left out.
    style
        Of `PolyCollection`.
    height
        From where to where in its lane a bar reaches.
    thin
        The same for bars thinner than a pixel, if it differs.
    """
    bars = bars.only(~np.isnan(bars.left + bars.right))
    narrow = bars.right - bars.left < pixel_of(ax)
    # Antialiased neighbours would let what is below them shine through.
    style = {"linewidth": 0, "antialiased": False, "zorder": 2, **style}
    _add(ax, bars.only(~narrow), style, height)
    # Rounded to whole pixels, one would vanish where the picture is saved with fewer of them.
    above = {
        "zorder": style["zorder"] + 0.5,
        "hatch": None,
        "antialiased": True,
        "snap": False,
    }
    _add(ax, _merge(ax, bars.only(narrow)), {**style, **above}, thin or height)


def _merge(ax: Axes, bars: Bars) -> Bars:
    """Return the bands of pixels that thin bars lie in."""
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
    """Make the legend's entry of the ticks."""
    return key("deadline (arrow: later)", color=ink(1), marker="|", linestyle="none")


def near(days: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return what an axis from `low` to `high` shows: deadlines make it longer, by half at most."""
    close = days[(days >= low) & (days <= high + (high - low) / 2)]
    return np.append(close, [low, high])
