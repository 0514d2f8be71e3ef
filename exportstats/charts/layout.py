"""How much room a chart has, in points: on its axes, and around them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from exportstats.charts.style import SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NARROW = 360.0  # in a narrower and higher figure a row's name stands above its bar
_SMALL = (350.0, 230.0)  # in a narrower or lower cell of the figure letters are smaller
_LABELS = 30.0  # what the tick labels and the label of an axis take


def figure_of(ax: Axes) -> Figure:
    """Return the figure of the axes, the outermost one."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes that can be drawn on have one
    return figure


def has_layout(ax: Axes) -> bool:
    """Return whether a layout engine makes room for what stands around the plots."""
    return figure_of(ax).get_layout_engine() is not None


def lay_out(ax: Axes) -> None:
    """Let the layout engine place the axes as far as they are drawn."""
    figure = figure_of(ax)
    if (layout := figure.get_layout_engine()) is not None:
        with warnings.catch_warnings(action="ignore"):  # drawing gives them again
            layout.execute(figure)


def size_of(ax: Axes) -> tuple[float, float]:
    """Measure the width and the height of the axes."""
    box, inch = ax.get_window_extent(), figure_of(ax).dpi
    return box.width * 72 / inch, box.height * 72 / inch


def is_narrow(ax: Axes) -> bool:
    """Return whether a figure is narrow and high as a telephone, without room beside the plot."""
    width, height = figure_of(ax).get_size_inches() * 72
    return bool(width < min(_NARROW, height))


def cell_of(ax: Axes) -> tuple[float, float]:
    """Measure the part of the figure that the axes and all around them have.

    It stays the same while other plots beside them are drawn.
    """
    width, height = figure_of(ax).get_size_inches() * 72
    grid = spec.get_gridspec() if (spec := ax.get_subplotspec()) else None
    return (width / grid.ncols, height / grid.nrows) if grid else (width, height)


def is_small(ax: Axes) -> bool:
    """Return whether a panel is so small that its letters are smaller."""
    return any(size < least for size, least in zip(cell_of(ax), _SMALL, strict=True))


def columns_of(ax: Axes) -> float:
    """Measure the axes' width in em of small text."""
    return size_of(ax)[0] / SMALL


def room_left(ax: Axes) -> float:
    """Return how much there is between the figure's left edge and the plot."""
    return float(ax.get_position().x0 * figure_of(ax).get_figwidth() * 72)


def room_right(ax: Axes) -> float:
    """Return how much there is between the plot and the figure's right edge."""
    return float((1 - ax.get_position().x1) * figure_of(ax).get_figwidth() * 72)


def room_above(ax: Axes) -> float:
    """Return how much the caller's layout leaves above the plot."""
    if has_layout(ax):
        return 0.4 * cell_of(ax)[1]  # for so much a layout engine makes room
    box = ax.get_position()
    others = [other.get_position() for other in figure_of(ax).axes]
    over = [
        other.y0
        for other in others
        if other.y0 >= box.y1 and other.x0 < box.x1 and other.x1 > box.x0
    ]
    points = float(figure_of(ax).get_figheight()) * 72
    return float(min(over, default=1.0) - box.y1) * points - _LABELS * bool(over)


def room_below(ax: Axes) -> float:
    """Return how much the caller's layout leaves below the plot."""
    if is_small(ax):
        return 0.0
    if has_layout(ax):
        return 0.4 * cell_of(ax)[1]  # for so much a layout engine makes room
    box = ax.get_position()
    under = [other.get_position().y1 for other in figure_of(ax).axes if other is not ax]
    points = float(figure_of(ax).get_figheight()) * 72
    return float(box.y0 - max((y for y in under if y <= box.y0), default=0.0)) * points
