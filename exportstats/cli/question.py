"""A question: a command whose answer is one table, printed and optionally drawn."""

from __future__ import annotations

import functools
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import click

from exportstats.cli.failing import say
from exportstats.cli.options import FORMAT, PLOT
from exportstats.cli.source import sourced
from exportstats.cli.wanted import FILTERS
from exportstats.io.whole import whole_file
from exportstats.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from exportstats.cli.options import Kind


# How to format some columns, by name.
Write: TypeAlias = "Mapping[str, Callable[[Any], str]]"


class Answer(NamedTuple):
    """What a command prints and draws.

    Attributes
    ----------
    table
        The table for machines.
    title
        The title for people.
    view
        The table for people, least important columns last; by default `table`.
    write
        How to format some columns for people; others are formatted by their dtype.
    plot
        Draws the chart.
    notes
        Messages for people, printed on stderr. A pair is a message and a command to run.
    shown
        The number of rows to show in a terminal; by default all.
    exit_code
        The exit code of the command.
    """

    table: pd.DataFrame
    title: str
    view: pd.DataFrame | None = None
    write: Write = MappingProxyType({})
    plot: Callable[[], Any] | None = None
    notes: Iterable[str | tuple[str, str]] = ()
    shown: int | None = None
    exit_code: int = 0


def question(
    *options: Callable[..., Any],
    filters: Sequence[str] = tuple(FILTERS),
    what: str = "tasks",
    asks_aws: bool = False,
    is_drawn: bool = True,
) -> Callable[[Callable[..., Answer]], click.Command]:
    """Make a command of a function that returns an `Answer`; `sourced` has its arguments."""

    def decorate(function: Callable[..., Answer]) -> click.Command:
        @functools.wraps(function)
        def run(*, kind: Kind, chart: Path | None = None, **given: Any) -> None:  # noqa: ANN401 - what click parsed
            from exportstats.cli import output

            answer = function(**given)
            output.show(answer, kind)
            if kind in ("table", "markdown"):
                for note in answer.notes:
                    say(note) if isinstance(note, str) else say(*note)
            if chart is not None and answer.plot is not None:
                draw(answer.plot, chart)
            click.get_current_context().exit(answer.exit_code)

        every = (*options, FORMAT, *([PLOT] if is_drawn else []))
        return sourced(*every, filters=filters, what=what, asks_aws=asks_aws)(run)

    return decorate


def draw(plot: Callable[[], Any], path: Path) -> None:
    """Draw a chart and save it, as a whole file or not at all."""
    os.environ.setdefault("MPLBACKEND", "Agg")  # a command opens no window
    figure = plot().figure
    with whole_file(path) as file:
        figure.savefig(file, format=path.suffix[1:].lower(), dpi=150)
    say(f"the chart is in {path}")


def title_of(tasks: pd.DataFrame) -> str:
    """Return the number of tasks, when they were created, and when they were observed."""
    if not len(tasks):
        return "no tasks"
    title = counted(len(tasks))
    if len(created := tasks["creation_time"].dropna()):
        days = [f"{time:%Y-%m-%d}" for time in (created.min(), created.max())]
        title += f", created {' to '.join(dict.fromkeys(days))}"
    if len(observed := tasks["observed_at"].dropna()):
        title += f", observed {observed.max():%Y-%m-%d %H:%M} UTC"
    return title
