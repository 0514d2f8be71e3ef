"""Read and write tables as CSV.

Columns have the names of the table, and times are ISO 8601 in UTC. An empty cell is a missing
value. Some text is protected by an apostrophe, which reading removes: empty text, text with outer
blanks, words for missing values, and text that a spreadsheet takes for a formula.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import chain, count, islice
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from exportstats.core import coerce, conversion
from exportstats.core.schema import SLOT, squeeze
from exportstats.errors import FileFormatError, SchemaError
from exportstats.io.rows import REPEATED, TIME, Rows, read_columns
from exportstats.text import counted, guard_formula

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from exportstats.core.schema import Column, Table
    from exportstats.io.source import Source

_MISSING = ("", "null", "none", "nan", "nat", "<na>", "n/a", "#n/a")
_BLANKS = " \t\xa0"
_CHUNK = 10_000  # rows that are held as Python objects at once
_TYPED = {
    TIME: r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",  # as written here
    pa.int64(): r"^-?(0|[1-9]\d{0,17})$",
    pa.float64(): r"^-?(0|[1-9]\d{0,17})(\.\d+)?([eE][-+]\d+)?$",
}
_DAYS = re.compile(r"[345]\d{4}([.,]\d+)?\s*")  # days since 1900: the years 1982 to 2064
_TEXT_FORMULA = re.compile('="([^"]*)"')
_REMEDY = "export it from there as text"
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def write_csv(tables: Iterable[pd.DataFrame], stream: IO[bytes], kind: Table) -> None:
    """Write tables one after another, including the user's own columns."""
    text = codecs.getwriter("utf-8")(stream, "backslashreplace")
    # with all cells quoted, a lost quote affects two rows, not all rows up to the next quote
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for number, rows in enumerate(tables):
        columns = {}
        for column in kind.base:
            values = rows[column.name]
            if column.kind == "length":
                values = (values.dt.total_seconds() * 1000 // column.scale).astype("Int64")
            columns[column.json if column.scale > 1 else column.name] = values
        for name in conversion.own_columns(map(str, rows.columns), kind):
            columns[_mark(name)] = rows[name]
        if number == 0:
            writer.writerow(columns)
        writer.writerows(zip(*map(_cells, columns.values()), strict=True))


def _cells(values: pd.Series) -> list[str | None]:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = coerce.iso_text(values)
    mark = cache(_mark)  # most columns have repeated values
    plain = values.astype(object).where(values.notna(), None)
    return [None if value is None else mark(str(value)) for value in plain]


def _mark(text: str) -> str:
    """Put an apostrophe before text that needs protection."""
    bare = text.lstrip("'")
    missing = bare.strip(_BLANKS).lower() in _MISSING
    return f"'{text}" if missing or bare.strip(_BLANKS) != bare else guard_formula(text)


def _unmark(cell: str) -> str:
    """Remove outer blanks, or the apostrophe that `_mark` added, or ="" around text for Excel."""
    if cell[:1] == "'" and _mark(cell[1:]) == cell:
        return cell[1:]
    bare = cell.strip(_BLANKS)
    return formula[1] if (formula := _TEXT_FORMULA.fullmatch(bare)) else bare


def read_csv(source: Source, kind: Table, how: coerce.TimesIn) -> Rows:
    """Read a table written by `write_csv`, a spreadsheet or a database.

    Rows are numbered as in a spreadsheet, where the header is row 1.
    """
    lines = chain.from_iterable(
        io.StringIO(block.decode("utf-8", "surrogateescape"), newline="")
        for block in source.blocks()
    )
    numbers: list[int] = []
    refused: list[tuple[int, str]] = []
    try:
        names, above, reader = _read_header(lines, kind)
        columns = [kind.meanings.get(squeeze(name)) for name in names]
        rows = _read_rows(reader, names, columns, refused)
        parts = [pa.table([_array((), column) for column in columns], names)]
        while chunk := [*islice(rows, _CHUNK)]:
            at, *cells = zip(*chunk, strict=True)
            numbers += at
            parts.append(pa.table([*map(_array, cells, columns)], names))
        whole = pa.concat_tables(parts)
        table = whole.select([])
        for name, column, values in zip(names, columns, whole.columns, strict=True):
            if name or values.null_count < len(values):
                table = table.append_column(name, _typed(values, column))
        found = read_columns(table, kind, how)
    except SchemaError as error:
        raise FileFormatError(f"{source.name}: {error}") from error
    found = found.renumbered(np.array(numbers, dtype="int64"), refused)
    return replace(found, what=f"{source.name}, row", first=above + 2)


def _read_header(lines: Iterator[str], kind: Table) -> tuple[list[str], int, Any]:
    """Return the column names, the number of lines above them, and a reader of the rows below."""
    above, header = next(
        (above, line)
        for above, line in enumerate(lines)
        if line.strip() and not line.startswith(("sep=", "#TYPE "))  # from Excel and PowerShell
    )
    between = max(",;\t", key=header.count)
    whole = chain([header], lines)
    reader = csv.reader(whole, delimiter=between, strict=True, skipinitialspace=True)
    try:
        names = [_unmark(_NOT_UTF8.sub("\ufffd", cell)) for cell in next(reader)]
    except csv.Error as error:
        raise SchemaError(f"its header cannot be read: {error}") from error
    if kind.id not in conversion.rename(filter(None, names), kind):
        raise SchemaError(
            f"a CSV of {kind.name} needs a column {kind.id}, and commas between columns; "
            f"this one has: {', '.join(names[:20])[:200]}"
        )
    return names, above, reader


def _read_rows(
    reader: Any,  # noqa: ANN401 - the csv module hides its type
    names: list[str],
    columns: Sequence[Column | None],
    refused: list[tuple[int, str]],
) -> Iterator[tuple[Any, ...]]:
    """Yield the number and the cells of each row; append faulty rows to `refused`.

    The header may be repeated, as `cat` leaves it.
    """
    key, column = next(
        (at, column) for at, column in enumerate(columns) if column and not column.nullable
    )
    heads = {names[key], column.name, column.json}
    for number in count():
        above = reader.line_num
        try:
            cells = next(reader)
            fault = _fault(cells, columns) if any(cells) else ""
        except StopIteration:
            return
        except csv.Error as error:
            cells, fault = [], str(error)
        lines = reader.line_num - above
        if fault and (lines > 1 or not cells):
            fault = f"its quotes do not match: {fault}, in {counted(lines, 'line')}"
        if fault:
            refused.append((number, fault))
        elif any(cells) and cells[key].lstrip("\ufeff") in heads:
            if [_unmark(cell.lstrip("\ufeff")) for cell in cells] != names:
                raise SchemaError(
                    f"after {counted(number, 'row')} it has another header, with other columns; "
                    "save the parts as several files"
                )
        elif any(cells):
            yield number, *cells, *[""] * (len(columns) - len(cells))


def _fault(cells: list[str], columns: Sequence[Column | None]) -> str:
    """Return why a row cannot be read, or nothing."""
    # the last cells of a row may be missing, if those are the user's own columns
    if len(cells) > len(columns) or any(columns[len(cells) :]):
        return f"it has {len(cells)} fields, not {len(columns)}"
    if _NOT_UTF8.search("".join(cells)):
        return "not UTF-8; save it as UTF-8"
    for cell, column in zip(cells, columns, strict=False):
        if cell and column and (column.kind == "time" or column.name == "account_id"):
            if coerce.ROUNDED.fullmatch(cell.strip()):  # rounding may merge two accounts
                return f"{column.name} was rounded by a spreadsheet; {_REMEDY}"
            if column.kind == "time" and _DAYS.fullmatch(cell):
                return f"{column.name} is a spreadsheet's day number; {_REMEDY} with a time zone"
    return ""


def _array(cells: Collection[str], column: Column | None) -> pa.Array:
    """Return the text of a column's cells; words for missing values are kept in own columns."""
    missing = {*_MISSING} if column and column.nullable else {""}
    if column and (column.kind == "time" or column.name in SLOT):
        missing.add("na")  # as R writes it; elsewhere it may be text
    values = {
        cell: None if cell.strip(_BLANKS).lower() in missing else _unmark(cell)
        for cell in set(cells)
    }
    repeated = column and column.kind in ("category", "status")
    return pa.array(map(values.get, cells), REPEATED if repeated else pa.large_string())


def _typed(values: pa.ChunkedArray, column: Column | None) -> pa.ChunkedArray:
    """Convert a column to times, or an own column to times or numbers, if all texts match."""
    types = _TYPED if column is None else [TIME] if column.kind == "time" else []
    for wanted in types:
        if pc.all(pc.match_substring_regex(values, _TYPED[wanted])).as_py():
            with suppress(pa.ArrowInvalid):
                return values.cast(wanted)
    return values
