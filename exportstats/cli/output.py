"""How a command shows a table: for people in the terminal or Markdown, for machines as CSV or JSON.

For people, durations are in words and names fit the width; for machines, durations are seconds,
times are ISO 8601 in UTC, and nothing is shortened.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exportstats import coerce, schema
from exportstats.errors import ArgumentError
from exportstats.files import whole_file
from exportstats.text import escape_markdown, guard_formula, plain, shorten, write_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exportstats.cli.options import Kind

# Columns of the tables for people that hold no numbers.
_NAMES = {
    *(column.name for column in schema.BASE_COLUMNS),
    *("period", "reason", "first", "last", "example"),
}
_STYLES = {"COMPLETED": "green", "FAILED": "red", "RUNNING": "blue", "PENDING": "cyan"}
_NARROWEST = 8


def title_of(tasks: pd.DataFrame) -> str:
    """Say how many tasks there are, of when, and when that was so."""
    if not len(tasks):
        return "no tasks"
    created, observed = tasks["creation_time"], tasks["observed_at"].max()
    title = f"{len(tasks):,} task{'s' if len(tasks) > 1 else ''}"
    if created.notna().any():
        title += f", created {created.min():%Y-%m-%d} to {created.max():%Y-%m-%d}"
    return title + ("" if pd.isna(observed) else f", observed {observed:%Y-%m-%d %H:%M} UTC")


def show(table: pd.DataFrame, view: pd.DataFrame, kind: Kind, *, title: str) -> None:
    """Print a table: `table` itself for machines, `view` for people."""
    if kind == "csv":
        click.echo(_for_machines(table).map(_guarded).to_csv(index=False), nl=False)
    elif kind == "json":
        click.echo(_for_machines(table).to_json(orient="records", indent=2, force_ascii=False))
    elif kind == "markdown":
        click.echo(_to_markdown(view, title))
    else:
        _print(view, title)


def draw(plot: Callable[[Any], Any], table: pd.DataFrame, chart: Path | None) -> None:
    """Draw a table into a file, if one was asked for, and say where it is."""
    if chart is None:
        return
    os.environ.setdefault("MPLBACKEND", "Agg")  # a command opens no window
    save(plot(table), chart)
    click.echo(f"exportstats: the chart is in {chart}", err=True)


def save(axes: Any, path: Path) -> None:  # noqa: ANN401 - matplotlib is not imported here
    """Save a chart, whole or not at all."""
    figure = axes.figure
    known = figure.canvas.get_supported_filetypes()
    ending = path.suffix.removeprefix(".").lower()
    if ending not in known:
        raise ArgumentError(f"{path} has no ending of a picture; give one as in chart.png")
    with whole_file(path) as file:
        figure.savefig(file, format=ending, dpi=150)


def in_words(lengths: pd.Series) -> pd.Series:
    """Write durations for people."""
    seconds = lengths.dt.total_seconds()
    return pd.Series([write_duration(s, compact=True) for s in seconds], index=lengths.index)


def _for_machines(table: pd.DataFrame) -> pd.DataFrame:
    """Give the index as columns, durations as seconds, times as text, all else as it is."""
    flat = table.reset_index() if table.index.names != [None] else table.reset_index(drop=True)
    columns: dict[str, pd.Series] = {}
    for name in flat.columns:
        values = flat[name]
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            columns[name] = coerce.iso_text(values)
        elif values.dtype.kind == "m":
            columns[f"{name}_seconds"] = values.dt.total_seconds()
        else:
            columns[name] = values
    return pd.DataFrame(columns)


def _guarded(value: object) -> object:
    return guard_formula(value) if isinstance(value, str) else value


def _cells(view: pd.DataFrame) -> list[list[str]]:
    """Give the text of each cell; what is missing is unknown."""
    return [
        ["(unknown)" if pd.isna(value) else plain(str(value)) for value in row]
        for row in view.itertuples(index=False)
    ]


def _is_number(values: pd.Series) -> bool:
    return values.name not in _NAMES


def _to_markdown(view: pd.DataFrame, title: str) -> str:
    head = [escape_markdown(str(name)) for name in view.columns]
    rule = ["--:" if _is_number(view[name]) else ":--" for name in view.columns]
    rows = [[escape_markdown(cell) for cell in row] for row in _cells(view)]
    lines = ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]
    return "\n".join([escape_markdown(title), "", *lines])


def _print(view: pd.DataFrame, title: str) -> None:
    """Print a table that fits the terminal; names give way, numbers do not."""
    console = Console(highlight=False, soft_wrap=not os.isatty(1))
    cells = _cells(view)
    widths = [max(map(len, column)) for column in zip(view.columns, *cells, strict=True)]
    names = [at for at, name in enumerate(view.columns) if not _is_number(view[name])]
    if console.is_terminal:
        numbers = sum(width for at, width in enumerate(widths) if at not in names)
        room = console.width - numbers - 2 * len(widths)
        _shrink(widths, names, room)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    for at, name in enumerate(view.columns):
        table.add_column(str(name), justify="left" if at in names else "right", no_wrap=True)
    for row in cells:
        table.add_row(*(_styled(shorten(cell, widths[at])) for at, cell in enumerate(row)))
    console.print(Text(title, style="bold"))
    console.print(table)


def _shrink(widths: list[int], names: list[int], room: int) -> None:
    """Narrow the widest of the names until all of them fit."""
    while names and sum(widths[at] for at in names) > room:
        widest = max(names, key=widths.__getitem__)
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1


def _styled(cell: str) -> Text:
    return Text(cell, style=_STYLES.get(cell, ""))
