"""How a command shows a table: for people in the terminal or Markdown, for machines as CSV or JSON.

For people, durations are in words and names fit the width; for machines, durations are seconds,
times are ISO 8601 in UTC, and nothing is shortened.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click
import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exportstats.cli.failing import say
from exportstats.core import coerce, schema
from exportstats.io.whole import whole_file
from exportstats.text import escape_markdown, harmless, plain, shorten, write_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exportstats.cli.options import Kind

# Columns of the tables for people that hold no numbers.
_DATES = ("period", "first", "last", "created", "ended")
_WORDS = ("reason", "why", "example", "prefix", "delivered", "slot", "state", "message")
_NAMES = {*(column.name for column in schema.TASKS.base), *_DATES, *_WORDS}
_STYLES = {"COMPLETED": "green", "FAILED": "red", "RUNNING": "blue", "PENDING": "cyan"}
_NARROWEST = 4
_WIDEST = 512  # no name of AWS's is longer, but a file may hold anything
_MOST = 10_000  # rows that somebody may read
_WHERE, _SHORT = ("account_id", "region"), 8
_WIDE = 110  # columns of a terminal that has room for
_FOR_WIDE = ["example", "slot", "ended", "message"]
_ID, _WHOLE = "task_id", 36  # what one copies is whole
_PROSE = ("reason", "message")  # the columns of sentences, which take up to so many lines
_LINES = 4


def title_of(tasks: pd.DataFrame) -> str:
    """Say how many tasks there are, of when, and when that was so."""
    if not len(tasks):
        return "no tasks"
    title = f"{len(tasks):,} task{'s' if len(tasks) > 1 else ''}"
    if len(created := tasks["creation_time"].dropna()):
        title += ", created " + " to ".join(dict.fromkeys(dates(created.agg(["min", "max"]))))
    if len(observed := tasks["observed_at"].dropna()):
        title += f", observed {minutes(observed.agg(['max'])).iloc[0]} UTC"
    return title


def show(table: pd.DataFrame, view: pd.DataFrame, kind: Kind, *, title: str) -> None:
    """Print a table: `table` itself for machines, `view` for people."""
    if kind == "csv":
        click.echo(coerce.for_machines(table).map(harmless).to_csv(index=False), nl=False)
    elif kind == "json":
        flat = coerce.for_machines(table).astype(object)
        # in ASCII, so that a terminal has nothing to obey
        click.echo(json.dumps(flat.where(flat.notna(), None).to_dict("records"), indent=2))
    elif view.empty:
        click.echo(title)
    elif kind == "markdown":
        click.echo(_to_markdown(view[:_MOST], title))
    else:
        _print(view[:_MOST], title)
    if kind in ("table", "markdown") and len(view) > _MOST:
        say(f"{len(view) - _MOST:,} more rows are not shown; --format csv or json has them all")


def draw(plot: Callable[[], Any], chart: Path | None) -> None:
    """Draw into a file, if one was asked for, and say where it is; else import no matplotlib."""
    if chart is None:
        return
    os.environ.setdefault("MPLBACKEND", "Agg")  # a command opens no window
    save(plot(), chart)
    say(f"the chart is in {chart}")


def save(axes: Any, path: Path) -> None:  # noqa: ANN401 - matplotlib is not imported here
    """Save a chart, whole or not at all."""
    with whole_file(path) as file:
        axes.figure.savefig(file, format=path.suffix[1:].lower(), dpi=150)


def in_words(lengths: pd.Series) -> pd.Series:
    """Write durations for people."""
    seconds = lengths.dt.total_seconds()
    return pd.Series([write_duration(s, compact=True) for s in seconds], index=lengths.index)


def dates(times: pd.Series) -> pd.Series:
    """Write times as dates; whatever the year, which pandas' own formats cannot."""
    return coerce.date_text(times)


def times(values: pd.Series) -> pd.Series:
    """Write times to the minute, those at midnight as dates."""
    return minutes(values).str.removesuffix(" 00:00")


def minutes(times: pd.Series) -> pd.Series:
    """Write times to the minute."""
    return coerce.iso_text(times).str.replace(":[^:]*$", "", regex=True).str.replace("T", " ")


def without_the_obvious(view: pd.DataFrame) -> pd.DataFrame:
    """Leave out account and region where all rows have the same."""
    return view.drop(columns=[name for name in _WHERE if len(view[name].unique()) <= 1])


def _cells(view: pd.DataFrame) -> list[list[str]]:
    """Return the text of each cell; what is missing is unknown."""
    return [
        ["(unknown)" if pd.isna(value) else plain(str(value)) for value in row]
        for row in view.itertuples(index=False)
    ]


def _to_markdown(view: pd.DataFrame, title: str) -> str:
    head = [escape_markdown(str(name)) for name in view.columns]
    rule = [":--" if name in _NAMES else "--:" for name in view.columns]
    rows = [[escape_markdown(cell) for cell in row] for row in _cells(view)]
    lines = ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]
    return "\n".join([escape_markdown(title), "", *lines])


def _print(view: pd.DataFrame, title: str) -> None:
    console = Console(highlight=False)
    table, width = fitted(view, console)
    console.width = max(console.width, width)
    console.print(Text(plain(title), style="bold"))
    console.print()
    console.print(table)


def fitted(view: pd.DataFrame, console: Console) -> tuple[Table, int]:
    """Make a table that fits the terminal, and tell its width; names give way, numbers do not."""
    if console.is_terminal and console.width < _WIDE:
        view = view.drop(columns=_FOR_WIDE, errors="ignore")
    cells = _cells(view)
    widths = [
        min(max(map(cell_len, column)), _WIDEST)
        for column in zip(view.columns, *cells, strict=True)
    ]
    names = [at for at, name in enumerate(view.columns) if name in _NAMES]
    gap, gaps = 2, len(widths) - 1
    if console.is_terminal:
        gap = 2 if sum(widths) + 2 * gaps <= console.width else 1
        dates = [at for at in names if view.columns[at] in _DATES]
        room = console.width - gap * gaps
        where = [at for at in names if view.columns[at] in _WHERE]
        ids = [at for at in names if view.columns[at] == _ID]
        _shrink(widths, ids, room, least=_WHOLE)
        _shrink(widths, where, room, least=_SHORT)  # a log group's name says more than its place
        _shrink(
            widths, [at for at in names if view.columns[at] not in (*_DATES, _ID, "state")], room
        )
        _shrink(widths, dates, room)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, gap - 1, 0, 0), show_edge=False)
    for at, name in enumerate(view.columns):
        table.add_column(
            Text(shorten(name, widths[at])),
            justify="left" if at in names else "right",
            width=widths[at],
            no_wrap=name not in _PROSE,
            overflow="fold",
        )
    most = [
        width * (_LINES if name in _PROSE else 1)
        for width, name in zip(widths, view.columns, strict=True)
    ]
    for row in cells:
        table.add_row(
            *(_styled(shorten(cell, width)) for cell, width in zip(row, most, strict=True))
        )
    return table, sum(widths) + gap * gaps


def _shrink(widths: list[int], names: list[int], room: int, least: int = _NARROWEST) -> None:
    """Narrow the widest of the names until all columns fit, or all are as narrow as they may."""
    while names and sum(widths) > room:
        widest = max(names, key=widths.__getitem__)
        if widths[widest] <= least:
            return
        widths[widest] -= 1


def _styled(cell: str) -> Text:
    return Text(cell, style=_STYLES.get(cell, ""))
