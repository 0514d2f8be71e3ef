"""Read and write tables as CSV.

Columns have their names in the table, and times are ISO 8601 in UTC. Empty text is quoted, missing
values are not. Text that a spreadsheet would take for a formula gets an apostrophe in front, which
reading removes.
"""

from __future__ import annotations

import io
import re
from collections import deque
from contextlib import suppress
from csv import Error as CsvError, reader as csv_reader
from dataclasses import replace
from itertools import chain
from typing import IO, TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from exportstats.core import coerce, frames
from exportstats.core.frames import own_columns
from exportstats.core.schema import squeeze
from exportstats.errors import FileFormatError, SchemaError
from exportstats.io.rows import TIME, Rows, read_columns
from exportstats.text import guard_formula, unguard_formula

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exportstats.core.schema import Table
    from exportstats.io.source import Source

_TEXT = pa.large_string()
_NUMBER = r"^-?(0|[1-9]\d{0,17})(\.\d+)?([eE][-+]\d+)?$"
_ROUNDED = r"^\d([.,]\d+)?[eE]\+?\d+$"
_ISO_LENGTH = len("2026-11-24T00:00:00.000Z")


def write_csv(tables: Iterable[pd.DataFrame], stream: IO[bytes], kind: Table) -> None:
    """Write tables one below the other, the user's own columns included."""
    header = True
    for rows in tables:
        columns = {}
        for column in kind.base:
            values = rows[column.name]
            if column.kind == "length":
                values = values.dt.total_seconds() * 1000 // column.scale
                values = values.astype("Int64")
            name = column.json if column.scale > 1 else column.name
            columns[name] = pa.array(_guarded(values))
        for name in own_columns(map(str, rows.columns), kind):
            columns[guard_formula(name)] = pa.array(_guarded(rows[name]))
        csv.write_csv(pa.table(columns), stream, csv.WriteOptions(include_header=header))
        header = False


def _guarded(values: pd.Series) -> list[str | None]:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = coerce.iso_text(values)
    plain = values.astype(object).where(values.notna(), None)
    return [None if value is None else guard_formula(str(value)) for value in plain]


def read_csv(source: Source, kind: Table, how: coerce.TimesIn) -> Rows:
    """Read a table that `write_csv` or a spreadsheet wrote.

    Rows are numbered as in a spreadsheet: the header is row 1.
    """
    text, mark = _marked(source.read_rest().lstrip())
    bad: dict[int, str] = {}
    short: dict[int, str] = {}

    def refuse(row: csv.InvalidRow) -> str:
        number, width = row.number - above - lines - 1, row.actual_columns
        if least <= width < row.expected_columns:
            short[number] = row.text + between * (row.expected_columns - width)
        else:
            swallowed = row.text.count("\n")
            quotes = f" in {swallowed + 1} lines: its quotes do not match" if swallowed else ""
            bad[number] = f"it has {width} fields, not {row.expected_columns}{quotes}"
        return "skip"

    try:
        names, between, above, lines = _read_header(text, kind)
        # a row may lack its last fields, if those columns are the user's own
        least = max(at for at, name in enumerate(names, 1) if not own_columns([name], kind))
        raw = _parse(text, names, between, above + lines, refuse)
        at = np.setdiff1d(np.arange(len(raw) + len(bad) + len(short)), [*bad, *short])
        if short:
            padded = "\n".join(short.values()).encode()
            raw = pa.concat_tables([raw, _parse(padded, names, between, 0)])
            order = np.argsort(np.append(at, [*short]), kind="stable")
            raw, at = raw.take(order), np.append(at, [*short])[order]
        columns = {}
        empty = np.ones(len(raw), dtype=bool)
        strict = None
        for name, values in zip(names, raw.columns, strict=True):
            if name or values.null_count < len(values):
                made = _text(values)
                columns[name] = _numbers(made) if own_columns([name], kind) else made
            empty &= values.is_null().to_numpy()
            bad |= {int(at[row]): reason for row, reason in _spoiled(name, values, mark)}
            for row in _with(values, "\n"):
                strict = _is_strict(text, between) if strict is None else strict
                value = values[row].as_py()
                if not strict and between in value:  # part of another row
                    lined = value.count("\n") + 1
                    bad[int(at[row])] = f"its quotes do not match: {lined} lines are in one field"
        kept = ~empty & ~np.isin(at, list(bad))
        rows = read_columns(pa.table(columns).filter(pa.array(kept)), kind, how)
    except (SchemaError, pa.ArrowException) as error:
        raise FileFormatError(f"{source.name}: {error}") from error
    return replace(rows.among(at[kept], bad.items()), what=f"{source.name}, row", first=above + 2)


def _parse(
    text: bytes,
    names: list[str],
    between: str,
    above: int,
    refuse: Callable[[csv.InvalidRow], str] | None = None,
) -> pa.Table:
    """Parse all rows below the header; each field stays text."""
    return csv.read_csv(
        pa.BufferReader(text),
        # one block, because Arrow reads a quoted "\r\n" between two blocks as "\r"
        read_options=csv.ReadOptions(
            block_size=len(text) + 1, use_threads=False, column_names=names, skip_rows=above
        ),
        parse_options=csv.ParseOptions(
            delimiter=between,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=refuse,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, _TEXT),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _marked(text: bytes) -> tuple[bytes, str]:
    """Add a final line end if it is missing, and replace bytes that are not UTF-8 by a mark.

    The mark is a character that the text does not have; it is empty if all of it is UTF-8.
    """
    text += b"" if text.endswith(b"\n") else b"\n"
    try:
        text.decode()
    except UnicodeDecodeError:
        mark = next(c for c in map(chr, range(0x10FFFF, 0, -1)) if c.encode() not in text)
        broken = text.decode("utf-8", "surrogateescape")
        return re.sub("[\udc80-\udcff]", mark, broken).encode(), mark
    return text, ""


def _with(values: pa.ChunkedArray, part: str) -> list[int]:
    """Return the positions of values that contain a text."""
    found = pc.fill_null(pc.match_substring(values, part), fill_value=False)
    # Arrow's own search for them crashes on a column without a chunk in older releases
    return np.flatnonzero(found.to_numpy()).tolist()


def _spoiled(name: str, values: pa.ChunkedArray, mark: str) -> Iterator[tuple[int, str]]:
    """Yield the positions of the values that no longer say what they did, each with the reason."""
    for row in _with(values, mark) if mark else ():
        yield row, "not UTF-8; save it as UTF-8"
    if squeeze(name) == "accountid":  # two accounts may have become one
        rounded = pc.fill_null(pc.match_substring_regex(values, _ROUNDED), fill_value=False)
        for row in np.flatnonzero(rounded.to_numpy()).tolist():
            yield row, "account_id was rounded by a spreadsheet; export it from there as text"


def _is_strict(text: bytes, between: str) -> bool:
    """Return whether every quote begins or ends a field, or is doubled."""
    lines = io.TextIOWrapper(io.BytesIO(text), "utf-8", newline="")
    try:
        deque(csv_reader(lines, delimiter=between, strict=True), 0)
    except CsvError:
        return False
    return True


def _read_header(text: bytes, kind: Table) -> tuple[list[str], str, int, int]:
    """Return the column names, the delimiter, and how many lines are above and in the header."""
    lines = io.TextIOWrapper(io.BytesIO(text), "utf-8", "replace")
    above, header = 0, lines.readline()
    if header.startswith(("sep=", "#TYPE ")):  # added by Excel and PowerShell
        above, header = 1, lines.readline()
    between = max(",;\t", key=header.count)
    parsed = csv_reader(chain([header], lines), delimiter=between, strict=True)
    try:
        names = [unguard_formula(name) for name in next(parsed)]
    except CsvError as error:
        raise SchemaError(f"its header cannot be read: {error}") from error
    if kind.id not in frames.rename(filter(None, names), kind):
        raise SchemaError(
            f"a CSV of {kind.name} needs a column {kind.id}, and commas between columns; "
            f"this one has: {', '.join(names[:20])[:200]}"
        )
    return names, between, above, parsed.line_num


def _numbers(values: pa.Array) -> pa.Array:
    """Convert text to numbers if all of it is numbers."""
    if values.null_count == len(values) or values.type == TIME:
        return values
    if not pc.all(pc.match_substring_regex(values, _NUMBER)).as_py():
        return values
    broken = pc.any(pc.match_substring_regex(values, "[.eE]")).as_py()
    return values.cast(pa.float64() if broken else pa.int64())


def _text(raw: pa.ChunkedArray) -> pa.Array:
    """Remove the apostrophes of `guard_formula`, and convert times that `write_csv` wrote."""
    values = raw.combine_chunks()
    if pc.any(pc.starts_with(values, "'")).as_py():
        plain = [value and unguard_formula(value) for value in values.to_pylist()]
        values = pa.array(plain, _TEXT)
    if set(pc.min_max(pc.binary_length(values)).as_py().values()) == {_ISO_LENGTH}:
        with suppress(pa.ArrowInvalid):
            return values.cast(TIME)
    return values
