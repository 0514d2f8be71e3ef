"""The room that a chart has on and around its axes, in points."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from exportstats.charts.style import SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NARROW = 360.0  # in narrower portrait figures, names stand above the bars
_SMALL = (350.0, 230.0)  # in narrower or lower cells of a figure, text is smaller
_LABELS = 30.0  # height of the tick labels and the label of an axis


def figure_of(ax: Axes) -> Figure:
    """Return the outermost figure of the axes."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes that can be drawn on have one
    return figure


def has_layout(ax: Axes) -> bool:
    """Return whether a layout engine makes room for text around the plots."""
    return figure_of(ax).get_layout_engine() is not None


def lay_out(ax: Axes) -> None:
    """Let the layout engine place the axes for what is drawn so far."""
    figure = figure_of(ax)
    if (layout := figure.get_layout_engine()) is not None:
        with warnings.catch_warnings(action="ignore"):  # drawing repeats them
            layout.execute(figure)


def size_of(ax: Axes) -> tuple[float, float]:
    """Return the width and height of the axes."""
    box, inch = ax.get_window_extent(), figure_of(ax).dpi
    return box.width * 72 / inch, box.height * 72 / inch


def is_narrow(ax: Axes) -> bool:
    """Return whether a figure is a narrow portrait, without room beside the plot."""
    width, height = figure_of(ax).get_size_inches() * 72
    return bool(width < min(_NARROW, height))


def cell_of(ax: Axes) -> tuple[float, float]:
    """Return the width and height of the figure's cell with the axes and their surroundings.

    It does not change while plots beside it are drawn.
    """
    width, height = figure_of(ax).get_size_inches() * 72
    grid = spec.get_gridspec() if (spec := ax.get_subplotspec()) else None
    return (width / grid.ncols, height / grid.nrows) if grid else (width, height)


def is_small(ax: Axes) -> bool:
    """Return whether the axes are so small that their text must be smaller."""
    return any(size < least for size, least in zip(cell_of(ax), _SMALL, strict=True))


def columns_of(ax: Axes) -> float:
    """Return the width of the axes in em of small text."""
    return size_of(ax)[0] / SMALL


def room_left(ax: Axes) -> float:
    """Return the room between the left edge of the figure and the plot."""
    return float(ax.get_position().x0 * figure_of(ax).get_figwidth() * 72)


def room_right(ax: Axes) -> float:
    """Return the room between the plot and the right edge of the figure."""
    return float((1 - ax.get_position().x1) * figure_of(ax).get_figwidth() * 72)


def room_above(ax: Axes) -> float:
    """Return the room above the plot in the caller's layout."""
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
    """Return the room below the plot in the caller's layout."""
    if is_small(ax):
        return 0.0
    if has_layout(ax):
        return 0.4 * cell_of(ax)[1]  # for so much a layout engine makes room
    box = ax.get_position()
    under = [other.get_position().y1 for other in figure_of(ax).axes if other is not ax]
    points = float(figure_of(ax).get_figheight()) * 72
    return float(box.y0 - max((y for y in under if y <= box.y0), default=0.0)) * points
