"""Print a table for people (in the terminal or as Markdown) or for machines (CSV or JSON).

For people, durations are in words, and the table is made to fit the terminal. For machines,
durations are in seconds, times are ISO 8601 in UTC, and nothing is left out.
"""

from __future__ import annotations

import dataclasses
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click
import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exportstats.cli.failing import say
from exportstats.core import coerce, display, schema
from exportstats.report.machine import for_machines
from exportstats.text import escape_markdown, harmless, plain, shorten, write_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from exportstats.cli.options import Kind
    from exportstats.cli.question import Answer

_COLORS = {
    "COMPLETED": "green",
    "FAILED": "red",
    "RUNNING": "blue",
    "PENDING": "cyan",
    "PENDING_CANCEL": "yellow",
    "CANCELLED": "yellow",
}
_WIDEST = 512  # characters of the longest name in AWS; a file may contain longer ones
_MOST = 10_000  # rows of a table for people
_NARROWEST = 14  # characters of a name, before a column is left out
# Columns of names, which are shortened in the middle; other text is sentences.
_NAMES = {column.name for column in schema.TASKS.base} - {"status_message"}
_IDS = (*schema.KEY, "example_task_id")
_WIDE = 40  # characters that are enough for sentences
_LINES = 4  # of sentences in a cell
_GAP = 2


@dataclasses.dataclass
class _Column:
    """A column for people.

    Attributes
    ----------
    name
        Its name.
    cells
        Its text, row by row.
    kind
        "id", which is never shortened; "text"; "time"; or "number", aligned to the right.
    """

    name: str
    cells: list[str]
    kind: str

    @cached_property
    def width(self) -> int:
        """The width of its widest cell."""
        return max(map(cell_len, (self.name, *self.cells)))

    @cached_property
    def least(self) -> int:
        """The smallest width at which it can be read."""
        if self.kind != "text":
            return self.width
        if self.is_prose:
            words = [word for cell in (self.name, *self.cells) for word in cell.split()]
            return min(max(self.width // 2, *map(cell_len, words)), self.width, _WIDE)
        return min(max(_NARROWEST, cell_len(self.name)), self.width)

    @cached_property
    def is_prose(self) -> bool:
        """Whether its cells are sentences, which may take several lines."""
        return self.kind == "text" and self.name not in _NAMES

    @property
    def is_shared(self) -> bool:
        """Whether its value, the same in all rows, can move to the title.

        Of a single row, only the account and region can.
        """
        movable = self.name in schema.SLOT if len(self.cells) == 1 else self.kind != "number"
        return movable and len(set(self.cells)) == 1


def show(answer: Answer, kind: Kind) -> None:
    """Print the table of an answer for machines, or its view for people."""
    if kind == "csv":
        click.echo(for_machines(answer.table).map(harmless).to_csv(index=False), nl=False)
        return
    if kind == "json":
        flat = for_machines(answer.table).astype(object)
        # json escapes all but ASCII, and so all control characters
        click.echo(json.dumps(flat.where(flat.notna(), None).to_dict("records"), indent=2))
        return
    console = console_of()
    in_terminal = kind == "table" and console.is_terminal
    limit = answer.shown if in_terminal and answer.shown else _MOST
    if in_terminal:
        for part in fitted(answer, console, rows=limit):
            console.print(part)
    elif kind == "markdown":
        click.echo("\n".join(_to_markdown(answer)))
    else:
        click.echo("\n".join(_aligned(answer)))
    if (more := len(answer.table if answer.view is None else answer.view) - limit) > 0:
        say(f"{more:,} more rows are not shown; use --format csv or json for all")


def console_of() -> Console:
    """Return the console, with colour as --color asks for."""
    color = click.get_current_context().color
    system: Any = "standard" if color else "auto"
    return Console(
        highlight=False, color_system=system, no_color=None if color is None else not color
    )


def _columns_of(answer: Answer, rows: int = _MOST) -> list[_Column]:
    """Return the columns for people as text, formatted by `write` or else by their dtype."""
    view = answer.table.reset_index() if answer.view is None else answer.view
    if not len(view):
        return []
    labels, write = answer.table.index.names, answer.write
    return [
        _column(plain(str(name)), values, write.get(str(name)), is_label=name in labels)
        for name, values in view[:rows].items()
    ]


def _column(
    name: str, values: pd.Series, write: Callable[[Any], str] | None, *, is_label: bool
) -> _Column:
    kind = values.dtype.kind
    if write is not None:
        return _Column(name, [plain(write(value)) for value in values], "number")
    if kind == "M":
        return _Column(name, _times(values).fillna("-").to_list(), "time")
    write = _compact if kind == "m" else display.writer_of(values.dtype, name, is_label=is_label)
    is_number = kind == "m" or (kind in "iuf" and not is_label)
    missing = "-" if is_number else "(unknown)"
    cells = [missing if pd.isna(value) else write(value) for value in values]
    return _Column(name, cells, "number" if is_number else "id" if name in _IDS else "text")


def _compact(length: pd.Timedelta) -> str:
    return write_duration(length.total_seconds(), compact=True)


def _times(values: pd.Series) -> pd.Series:
    """Write times to the minute, or as dates if all of them are midnight."""
    exact = coerce.iso_text(values)
    if exact.dropna().str.endswith("T00:00:00.000Z").all():
        return exact.str[:10]
    return exact.str[:16].str.replace("T", " ")


def _to_markdown(answer: Answer) -> Iterator[str]:
    """Yield the lines of a title and a table in Markdown."""
    yield escape_markdown(answer.title)
    if columns := _columns_of(answer):
        head = [escape_markdown(column.name) for column in columns]
        rule = ["--:" if column.kind == "number" else ":--" for column in columns]
        rows = zip(*(map(escape_markdown, column.cells) for column in columns), strict=True)
        yield ""
        for row in (head, rule, *rows):
            yield f"| {' | '.join(row)} |"


def _aligned(answer: Answer) -> Iterator[str]:
    """Yield aligned lines without shortening; a far too wide cell only shifts its own row."""
    yield click.style(plain(answer.title), bold=True)
    if not (columns := _columns_of(answer)):
        return
    yield ""
    widths = [
        max(width for cell in (column.name, *column.cells) if (width := cell_len(cell)) <= _WIDEST)
        for column in columns
    ]
    rows = zip(*([column.name, *column.cells] for column in columns), strict=True)
    for at, row in enumerate(rows):
        cells = []
        for cell, width, column in zip(row, widths, columns, strict=True):
            blanks = " " * (width - cell_len(cell))
            shown = click.style(cell, fg=_COLORS[cell]) if at and cell in _COLORS else cell
            cells.append(blanks + shown if column.kind == "number" else shown + blanks)
        yield (" " * _GAP).join(cells).rstrip()
        if at == 0:
            yield "─" * (sum(widths) + _GAP * (len(widths) - 1))


def fitted(answer: Answer, console: Console, *, rows: int) -> Iterator[RenderableType]:
    """Yield a title, a table that fits the terminal, and a note on omitted columns.

    If the table is too wide, values that all rows share move to the title. Then text is shortened,
    and then the last columns are omitted, except for identifiers.
    """
    columns, title = _columns_of(answer, rows), answer.title
    room = console.width
    left_out: list[str] = []
    if _needed(columns) > room:
        columns, shared = _without_shared(columns)
        title = ", ".join([title, *shared])
    while len(columns) > 1 and _needed(columns, least=True) > room:
        spare = [column for column in columns[1:] if column.name not in schema.KEY] or columns
        left_out.insert(0, spare[-1].name)
        columns.remove(spare[-1])
    gap = _GAP if _needed(columns) <= room else 1
    widths = [column.width for column in columns]
    inside = room - gap * (len(columns) - 1)
    _shrink(widths, [column.least for column in columns], inside)
    _shrink(widths, [1] * len(widths), inside)  # cells then take several lines
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, gap - 1, 0, 0), show_edge=False)
    for column, width in zip(columns, widths, strict=True):
        right = column.kind == "number"
        table.add_column(
            Text(column.name), justify="right" if right else "left", width=width, overflow="fold"
        )
    most = [
        width * (_LINES if column.is_prose else 1) if column.kind == "text" else _WIDEST
        for column, width in zip(columns, widths, strict=True)
    ]
    for row in zip(*(column.cells for column in columns), strict=True):
        cells = [shorten(cell, width) for cell, width in zip(row, most, strict=True)]
        table.add_row(*(Text(cell, style=_COLORS.get(cell, "")) for cell in cells))
    yield Text(plain(title), style="bold")
    if table.rows:
        yield Text()
        yield table
    if left_out:
        yield Text(f"columns not shown: {', '.join(left_out)}; use a wider terminal", style="dim")


def _needed(columns: list[_Column], *, least: bool = False) -> int:
    """Return the width that a table needs, with full text or, if `least`, with the shortest."""
    if least:
        return sum(column.least for column in columns) + len(columns) - 1
    return sum(column.width for column in columns) + _GAP * (len(columns) - 1)


def _without_shared(columns: list[_Column]) -> tuple[list[_Column], list[str]]:
    """Separate the values that all rows share from the columns."""
    kept = [column for column in columns if not column.is_shared]
    if not kept:
        return columns, []
    shared = [
        f"{column.name} {column.cells[0]}"
        for column in columns
        if column.is_shared and column.cells[0]
    ]
    times = {cell for column in kept if column.kind == "time" for cell in column.cells} - {"-"}
    for day_or_year, rest in ((slice(10), slice(11, None)), (slice(4), slice(5, None))):
        same = {time[day_or_year] for time in times}
        if len(same) == 1 and all(time[rest] for time in times):
            for at, column in enumerate(kept):
                if column.kind == "time":
                    cells = [cell[rest] or cell for cell in column.cells]
                    kept[at] = _Column(column.name, cells, "time")
            return kept, [*shared, f"times of {same.pop()} UTC"]
    return kept, shared


def _shrink(widths: list[int], least: list[int], room: int) -> None:
    """Narrow the widest columns until all fit or none can be narrower."""
    while sum(widths) > room and (
        wide := [at for at, width in enumerate(widths) if width > least[at]]
    ):
        widths[max(wide, key=widths.__getitem__)] -= 1
