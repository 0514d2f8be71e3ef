"""The decorator of all charts, and the part of the docstring that they share."""

from __future__ import annotations

import functools
import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any, Protocol

from matplotlib import pyplot as plt

from exportstats.charts.layout import figure_of
from exportstats.charts.panel import begin
from exportstats.charts.tables import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

# For charts that can be drawn on the axes of another.
SERIES = "`label` is the name in the legend, and `color` the colour of the whole series."

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
    The axes of the chart. `set_title` replaces the title. A colour bar has its own axes.

Raises
------
SchemaError
    If the table does not have the required columns and index levels.
{errors}
"""


class NothingToDrawError(Exception):
    """Raised if there is nothing to draw, with the text to show in the empty axes."""


class Plot(Protocol):
    """A function that draws a table."""

    def __call__(self, table: pd.DataFrame, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the table, and return the axes."""


def chart(
    title: str,
    *,
    maker: str,
    part: str = "",
    columns: Sequence[str | tuple[str, str]] = (),
    levels: Sequence[str] = (),
    kwargs: str,
) -> Callable[[Callable[..., None]], Plot]:
    """Make a chart of a function that draws a table on a panel.

    The function may raise `NothingToDrawError`. It writes the header of the panel itself, because
    some parts of a chart can only be drawn when everything around the plot is in place.

    Parameters
    ----------
    title
        The title of the chart, unless the caller sets one.
    maker
        The function that makes the table.
    part
        Which table of several it is.
    columns, levels
        The columns and index levels that the table must have.
    kwargs
        The description of the keyword arguments.
    """

    def decorate(draw: Callable[..., None]) -> Plot:
        @functools.wraps(draw)
        def plot(table: pd.DataFrame, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
            require(table, maker=maker, part=part, columns=columns, levels=levels)
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
        plot.__doc__ = _document(
            draw.__doc__ or "", _describe(maker, part, columns, levels), kwargs
        )
        return plot

    return decorate


def _signature_of(draw: Callable[..., None]) -> inspect.Signature:
    _, *others, kwargs = inspect.signature(draw).parameters.values()
    ax = inspect.Parameter("ax", kwargs.KEYWORD_ONLY, default=None, annotation="Axes | None")
    return inspect.Signature([*others, ax, kwargs], return_annotation="Axes")


def _document(text: str, table: str, kwargs: str) -> str:
    """Insert the part that all charts share into a docstring, before its examples."""
    parameters = _PARAMETERS.format(table=_indent(table))
    before, heading, after = inspect.cleandoc(text).partition("Examples\n")
    before, _, own = before.partition("Parameters\n----------\n")
    own = own.rstrip() + "\n" if own else ""
    names = re.findall(r"^\w+$", own, re.MULTILINE)
    errors = "".join(f"ArgumentError\n    If `{name}` is not valid.\n" for name in names)
    shared = _SHARED.format(kwargs=_indent(kwargs), errors=errors)
    return before + parameters + own + shared + heading + after


def _describe(
    maker: str, part: str, columns: Sequence[str | tuple[str, str]], levels: Sequence[str]
) -> str:
    """Describe the parameter `table`."""
    names = dict.fromkeys(name if isinstance(name, str) else name[0] for name in columns)
    many = "level" if len(levels) == 1 else "levels"
    read = [f"the columns {_quoted(names)}"] if names else []
    read += [f"the index {many} {_quoted(levels)}"] if levels else []
    needs = f" The chart uses {' and '.join(read)}." if read else ""
    makers = re.sub(r"\w+", lambda word: word[0] if word[0] == "or" else f"`{word[0]}`", maker)
    return f"The table {f'`{part}` ' if part else ''}that {makers} returns.{needs}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _indent(text: str) -> str:
    return textwrap.fill(text, 92, initial_indent=" " * 4, subsequent_indent=" " * 4)
