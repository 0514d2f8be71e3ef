"""What every chart begins with, and the part of the docstring that all share."""

from __future__ import annotations

import functools
import inspect
import textwrap
from typing import TYPE_CHECKING, Any, Protocol

from matplotlib import pyplot as plt

from exportstats.charts.layout import figure_of
from exportstats.charts.panel import begin
from exportstats.charts.tables import require

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

# Of a chart that can stand on the axes of another.
SERIES = "`label` is their name in the legend, `color` their one colour."

_PARAMETERS = """\
Parameters
----------
table
{table}
"""
_SHARED = """\
ax
    Where to draw; a new figure if None.
**kwargs
{kwargs}

Returns
-------
Axes
    What it drew on. Its `set_title` replaces the title; a colour bar has axes of its own.

Raises
------
SchemaError
    The frame has another shape.

"""


class NothingToDrawError(Exception):
    """An absence, with the words for it that a chart shows in an empty frame."""


class Plot(Protocol):
    """A function that draws a table."""

    def __call__(self, table: pd.DataFrame, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw it, and return what it was drawn on."""


def chart(
    title: str,
    *,
    maker: str,
    columns: Sequence[str] = (),
    levels: Sequence[str] = (),
    kwargs: str,
) -> Callable[[Callable[..., None]], Plot]:
    """Make a chart of a function that draws a table on a panel.

    It may raise `NothingToDrawError`, and writes the panel's header itself: some parts of a chart
    can only be drawn when all that stands around it has its place.

    Parameters
    ----------
    title
        Of the chart, unless the caller writes one.
    maker
        The function that makes the table.
    columns, levels
        What the table and its index have to have.
    kwargs
        What the keywords are for.
    """

    def decorate(draw: Callable[..., None]) -> Plot:
        @functools.wraps(draw)
        def plot(table: pd.DataFrame, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
            require(table, maker=maker, columns=columns, levels=levels)
            panel = begin(ax, title)
            try:
                draw(panel, table, **kwargs)
            except NothingToDrawError as absence:
                panel.draw_nothing(str(absence))
            except BaseException:
                if ax is None:
                    plt.close(figure_of(panel.ax))
                raise
            return panel.ax

        plot.__signature__ = _signature_of(draw)  # type: ignore[attr-defined]
        plot.__doc__ = _document(draw.__doc__ or "", _describe(maker, columns, levels), kwargs)
        return plot

    return decorate


def _signature_of(draw: Callable[..., None]) -> inspect.Signature:
    _, *others, kwargs = inspect.signature(draw).parameters.values()
    ax = inspect.Parameter("ax", kwargs.KEYWORD_ONLY, default=None, annotation="Axes | None")
    return inspect.Signature([*others, ax, kwargs], return_annotation="Axes")


def _document(text: str, table: str, kwargs: str) -> str:
    """Complete a docstring with what is the same for all charts, before its examples."""
    parameters = _PARAMETERS.format(table=_indent(table))
    before, heading, after = inspect.cleandoc(text).partition("Examples\n")
    before, _, own = before.partition("Parameters\n----------\n")
    own = own.rstrip() + "\n" if own else ""
    return before + parameters + own + _SHARED.format(kwargs=_indent(kwargs)) + heading + after


def _describe(maker: str, columns: Sequence[str], levels: Sequence[str]) -> str:
    """Describe the table that a chart draws."""
    read = [f"the columns {', '.join(columns)}"] if columns else []
    read += [f"the index's level {level}" for level in levels]
    return f"What {maker} returns" + (f"; read are {' and '.join(read)}." if read else ".")


def _indent(text: str) -> str:
    return textwrap.fill(text, 92, initial_indent=" " * 4, subsequent_indent=" " * 4)
