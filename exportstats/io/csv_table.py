"""Tables of tasks as CSV: what is missing, and text that is empty, told apart by quotes.

A column has the name that it has in a table of tasks, times are ISO 8601 in UTC, and text that a
spreadsheet would take for a formula begins with an apostrophe, which reading takes off again.
"""

from __future__ import annotations

import io
import re
from functools import partial
from typing import IO, TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from exportstats.core import coerce, schema
from exportstats.io import records
from exportstats.io.blocks import number, parse_blocks
from exportstats.io.source import BATCH, BLOCK
from exportstats.text import guard_formula, unguard_formula

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from exportstats.io.records import Rows
    from exportstats.io.source import Source

_NEXT_ROW = re.compile(rb"\n()")
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^,"\r\n][^,\r\n]*)|)(,|\r\n|\n|\r|\Z)')
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what Python makes of such bytes if told to
_TEXT = pa.large_string()
_TIME = pa.timestamp("ms", tz="UTC")
_TIMES = {column.name for column in schema.BASE_COLUMNS if column.kind == "time"}
_ISO_LENGTH = len("2026-11-24T00:00:00.000Z")


def write_csv(tables: Iterable[pd.DataFrame], stream: IO[bytes]) -> None:
    """Write the base columns of tables, one below the other."""
    header = True
    for tasks in tables:
        columns = {
            column.name: pa.array(_guarded(tasks[column.name]), type=_TEXT)
            for column in schema.BASE_COLUMNS
        }
        csv.write_csv(pa.table(columns), stream, csv.WriteOptions(include_header=header))
        header = False


def _guarded(values: pd.Series) -> list[str | None]:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = coerce.iso_text(values)
    plain = values.astype(object)
    return [guard_formula(value) if isinstance(value, str) else None for value in plain]


def read_csv(source: Source, pool: Executor) -> Iterator[Rows]:
    """Read a table as `write_csv` writes it, or as a spreadsheet saves it again.

    Its rows are numbered as a spreadsheet numbers them: the header is row 1.

    Raises
    ------
    FileFormatError
        The header is none, has no `task_id`, or has a name twice.
    """
    columns = _take_header(source)
    what, count = f"{source.name}, row", 2
    read = partial(_read_exact, columns=columns)
    while source.fill(BATCH):
        start, failed = source.taken, 0
        stop = len(source.data) if source.ended else None
        for parsed, length in parse_blocks(source, pool, read, _NEXT_ROW, stop=stop):
            if (rows := parsed.result()) is None:
                failed = length
                break
            yield number(rows, what, count)
            count += len(rows.table) + len(rows.refused)
            source.take(length)
        if failed or source.taken == start:
            rows, size = _take_rows(source, failed, columns)
            yield number(rows, what, count)
            count += size


def _take_header(source: Source) -> list[str]:
    source.fill(BLOCK)
    text = source.data[source.at : source.at + BLOCK].decode("utf-8", "replace")
    fields, end = _record(text, 0, whole=True)
    columns = [name or "" for name in fields or ()]
    if "task_id" not in columns:
        have = ", ".join(columns[:20]) or text[:40]
        raise source.fault(
            f"a CSV of tasks has a column task_id, and commas between columns; this has: {have}"
        )
    twice = [name for name in schema.NAMES if columns.count(name) > 1]
    if twice:
        raise source.fault(f"two columns are named {twice[0]}; rename or drop one")
    source.take(len(text[:end].encode()))
    return columns


def _read_exact(block: bytes, name: Callable[[int], str], *, columns: Sequence[str]) -> Rows | None:
    """Read rows that are just as `write_csv` writes them, or give None."""
    try:
        table = csv.read_csv(
            pa.BufferReader(block),
            # one block for all: at a border of blocks Arrow takes "\r\n" in quotes for "\r"
            read_options=csv.ReadOptions(
                block_size=len(block) + 1, use_threads=False, column_names=columns
            ),
            parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(columns, _TEXT),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    # Arrow lets much pass; what it read is right if it would be written like that.
    again = io.BytesIO()
    csv.write_csv(table, again, csv.WriteOptions(include_header=False))
    return _typed(table, name) if again.getvalue() == block else None


def _take_rows(source: Source, failed: int, columns: Sequence[str]) -> tuple[Rows, int]:
    """Take at least one row, and on to the end of what failed; give how many those are too."""
    whole = source.fill(failed + BLOCK) <= failed + BLOCK and source.ended
    window = source.data[source.at : source.at + failed + BLOCK]
    text = window.decode("utf-8", "surrogateescape")
    end = max(len(window[:failed].decode("utf-8", "surrogateescape")), 1)
    at = count = 0
    found: list[list[str | None]] = []
    numbers: list[int] = []
    broken: list[tuple[int, str]] = []
    while at < end:
        fields, after = _record(text, at, whole=whole)
        if _NOT_UTF8.search(text, at, after):
            reason = "not UTF-8"
        elif fields is None:
            reason = "its quotes do not match"
        elif len(fields) == len(columns) or fields == [None]:
            reason = ""
        else:
            reason = f"it has {len(fields)} fields, not {len(columns)}"
        if reason:
            broken.append((count, reason))
            # Its quotes may be what is wrong: were they believed, other rows might be lost in it.
            after = text.find("\n", at) + 1 or len(text)
        elif fields and fields != [None]:  # a blank line is no row, but has a number
            found.append(fields)
            numbers.append(count)
        count += 1
        at = after
    source.take(len(text[:at].encode("utf-8", "surrogateescape")))
    values = [[row[at] for row in found] for at in range(len(columns))]
    table = pa.table([pa.array(column, type=_TEXT) for column in values], names=list(columns))
    return _typed(table, str).among(numbers, broken), count


def _record(text: str, at: int, *, whole: bool) -> tuple[list[str | None] | None, int]:
    """Give the fields of the row that begins there, None if there is none, and where it ends."""
    fields: list[str | None] = []
    while found := _FIELD.match(text, at):
        quoted, plain, end = found.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if end != ",":
            break
    return fields if found and (end or whole) else None, at


def _typed(table: pa.Table, name: Callable[[int], str]) -> Rows:
    wanted = [column.name for column in schema.BASE_COLUMNS if column.name in table.column_names]
    columns = {column: _unguarded(table[column]) for column in wanted}
    for column in _TIMES.intersection(wanted):
        columns[column] = _times(columns[column])
    return records.read_columns(pa.table(columns), name)


def _unguarded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pc.any(pc.starts_with(values, "'")).as_py() is not True:
        return values
    plain = [None if value is None else unguard_formula(value) for value in values.to_pylist()]
    return pa.chunked_array([pa.array(plain, type=_TEXT)])


def _times(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Make times of a column in which all are as we write them; leave others as they are."""
    lengths = set(pc.min_max(pc.binary_length(values)).as_py().values())
    try:
        return values.cast(_TIME) if lengths <= {None, _ISO_LENGTH} else values
    except pa.ArrowInvalid:
        return values
