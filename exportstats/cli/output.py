"""Print a table: for people in the terminal or as Markdown, for machines as CSV or JSON.

For people, durations are in words and names are shortened to the width. For machines, durations
are in seconds, times are ISO 8601 in UTC, and nothing is shortened.
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
from exportstats.report.machine import for_machines
from exportstats.text import escape_markdown, harmless, plain, shorten, write_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exportstats.cli.options import Kind

# Columns of the tables for people that are not numbers.
_DATES = ("period", "first", "last", "created", "ended")
_WORDS = ("reason", "why", "example", "prefix", "delivered", "slot", "state", "message")
_NAMES = {*(column.name for column in schema.TASKS.base), *_DATES, *_WORDS}
_STYLES = {"COMPLETED": "green", "FAILED": "red", "RUNNING": "blue", "PENDING": "cyan"}
_NARROWEST = 4
_WIDEST = 512  # the longest name at AWS, but a file may contain anything
_MOST = 10_000  # rows for people
_WHERE, _SHORT = ("account_id", "region"), 8
_WIDE = 110  # the width of a terminal that has space for these columns
_FOR_WIDE = ["example", "slot", "ended", "message"]
_ID, _WHOLE = "task_id", 36  # never shortened, so that it can be copied
_PROSE = ("reason", "message")  # columns of sentences, which take up to so many lines
_LINES = 4


def title_of(tasks: pd.DataFrame) -> str:
    """Return the number of tasks, when they were created, and when they were observed."""
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
        click.echo(for_machines(table).map(harmless).to_csv(index=False), nl=False)
    elif kind == "json":
        flat = for_machines(table).astype(object)
        # in ASCII, so that it contains no control characters
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
    """Draw a chart to a file, if one was asked for; otherwise do not import matplotlib."""
    if chart is None:
        return
    os.environ.setdefault("MPLBACKEND", "Agg")  # a command opens no window
    save(plot(), chart)
    say(f"the chart is in {chart}")


def save(axes: Any, path: Path) -> None:  # noqa: ANN401 - matplotlib is not imported here
    """Save a chart completely or not at all."""
    with whole_file(path) as file:
        axes.figure.savefig(file, format=path.suffix[1:].lower(), dpi=150)


def in_words(lengths: pd.Series) -> pd.Series:
    """Return durations in words."""
    seconds = lengths.dt.total_seconds()
    return pd.Series([write_duration(s, compact=True) for s in seconds], index=lengths.index)


def dates(times: pd.Series) -> pd.Series:
    """Return times as dates of any year, which pandas' own formats cannot do."""
    return coerce.iso_text(times).str[:10]


def minutes(times: pd.Series) -> pd.Series:
    """Return times to the minute."""
    return coerce.iso_text(times).str.replace(":[^:]*$", "", regex=True).str.replace("T", " ")


def without_the_obvious(view: pd.DataFrame) -> pd.DataFrame:
    """Drop the account and the region if they are the same in all rows."""
    return view.drop(columns=[name for name in _WHERE if len(view[name].unique()) <= 1])


def _cells(view: pd.DataFrame) -> list[list[str]]:
    """Return the text of each cell; a missing value is "(unknown)"."""
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
    console.print(Text(plain(title), style="bold"), soft_wrap=True)
    console.print()
    rows = [[str(name) for name in view.columns], *_cells(view)]
    if not console.is_terminal and any(len(cell) > _WIDEST for row in rows for cell in row):
        _print_unaligned(rows)
        return
    table, width = fitted(view, console)
    console.width = max(console.width, width)
    console.print(table)


def _print_unaligned(rows: list[list[str]]) -> None:
    """Print rows whole; a cell that is far too wide moves its own row only, or all would grow."""
    widths = [
        max(cell_len(cell) for cell in column if len(cell) <= _WIDEST)
        for column in zip(*rows, strict=True)
    ]
    for row in rows:
        cells = zip(row, widths, strict=True)
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in cells]
        click.echo("  ".join(padded).rstrip())


def fitted(view: pd.DataFrame, console: Console) -> tuple[Table, int]:
    """Return a table that fits the terminal, and its width; names are shortened, numbers not."""
    if console.is_terminal and console.width < _WIDE:
        view = view.drop(columns=_FOR_WIDE, errors="ignore")
    cells = _cells(view)
    widths = [max(map(cell_len, column)) for column in zip(view.columns, *cells, strict=True)]
    if console.is_terminal:
        widths = [min(width, console.width) for width in widths]
    names = [at for at, name in enumerate(view.columns) if name in _NAMES]
    gap, gaps = 2, len(widths) - 1
    if console.is_terminal:
        gap = 2 if sum(widths) + 2 * gaps <= console.width else 1
        dates = [at for at in names if view.columns[at] in _DATES]
        room = console.width - gap * gaps
        where = [at for at in names if view.columns[at] in _WHERE]
        ids = [at for at in names if view.columns[at] == _ID]
        _shrink(widths, ids, room, least=_WHOLE)
        _shrink(widths, where, room, least=_SHORT)  # before the names of log groups
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
    """Narrow the widest of the named columns until all columns fit, or none can be narrower."""
    while names and sum(widths) > room:
        widest = max(names, key=widths.__getitem__)
        if widths[widest] <= least:
            return
        widths[widest] -= 1


def _styled(cell: str) -> Text:
    return Text(cell, style=_STYLES.get(cell, ""))
