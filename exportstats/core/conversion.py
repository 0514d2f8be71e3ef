"""Convert the rows of any frame to the columns of a table; `coerce` converts each column."""

from __future__ import annotations

import ast
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import FIRST, LAST, TASKS, Column, Table, squeeze, state_of
from exportstats.errors import SchemaError, UnusedWarning, warn
from exportstats.text import name_type

if TYPE_CHECKING:
    from collections.abc import Iterable


# as Athena, PowerShell and .NET write an object as text
_OBJECT = re.compile(r"@?\{.*[:=].*\}|\w+(?:\.\w+){2,}", re.DOTALL)


def rename(names: Iterable[Any], table: Table) -> dict[str, list[str]]:
    """Return the source columns of each column of a table, the exact name first."""
    every = list(names)
    if twice := [name for name in every if every.count(name) > 1]:
        raise SchemaError(f"the frame has two columns named {twice[0]}; rename or drop one")
    found: dict[str, list[str]] = {}
    for name in every:
        if column := isinstance(name, str) and table.meanings.get(squeeze(name)):
            found.setdefault(column.name, []).append(name)
    return {name: sorted(given, key=name.__ne__) for name, given in found.items()}


def own_columns(names: Iterable[Any], table: Table) -> list[Any]:
    """Return the columns that the table does not define, without indexes left by pandas."""
    return [
        name
        for name in names
        if not isinstance(name, str)
        or not (squeeze(name) in table.meanings or name.startswith("__index_level_"))
    ]


def from_arrow(data: Any) -> pd.DataFrame:  # noqa: ANN401 - any Arrow stream
    """Convert an Arrow stream to a DataFrame, without an index and with exact integers."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and not needed for pandas frames

    if (what := name_type(data)) == "pyspark DataFrame":  # its own conversion to Arrow fails
        raise SchemaError(
            "a Spark DataFrame stays in Spark with xs.from_spark(df); df.toArrow() is a table"
        )
    if not hasattr(data, "__arrow_c_stream__"):
        raise SchemaError(
            f"a {what} is not a table, because it exports no Arrow stream. "
            "Pass a pandas, Polars, DuckDB or PyArrow table; for files use xs.read_tasks"
        )
    # by default pandas converts integers with missing values to floats, which rounds large ones
    whole = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
    frame: pd.DataFrame = pa.table(data).to_pandas(types_mapper=whole.get, ignore_metadata=True)
    return frame


def coerce_rows(
    frame: pd.DataFrame, table: Table = TASKS, how: coerce.TimesIn = coerce.MILLIS
) -> tuple[pd.DataFrame, pd.Series]:
    """Return the rows that can be read, in their final dtypes, and a reason for each other row.

    Both are indexed by the row number in `frame`.
    """
    rename(frame.columns, table)
    frame = _unnested(frame.reset_index(drop=True), table)
    sources = rename(frame.columns, table)
    if table.id not in sources:
        have = ", ".join(map(str, frame.columns[:20])) or "none"
        raise SchemaError(
            f"a table of {table.name} needs the column {table.id}; this frame has: {have}. "
            f"For AWS's own JSON use xs.read_{table.identifier}"
        )
    nothing = pd.Series(index=frame.index, dtype=object)
    values: dict[str, pd.Series] = {}
    reasons: dict[int, str] = {}
    for column in table.base:
        names = sources.get(column.name, [])
        made, _ = coerce.to_column(nothing, column)
        for name in names:
            given = frame[name].rename(column.name)
            if isinstance(given.dtype, pd.ArrowDtype):
                given = from_arrow(given.to_frame())[column.name]
            scale = 1 if name == column.name else column.scale
            part, bad = coerce.to_column(given, column, how, scale)
            for row in np.flatnonzero(bad).tolist():
                reasons.setdefault(row, f"{column.name} {coerce.fault_of(given.iloc[row], column)}")
            made, differing = (part, []) if name == names[0] else _fill(made, part, column)
            for row in differing:
                reasons.setdefault(row, f"{names[0]} and {name} differ")
        values[column.name] = made
    for column in table.base:
        if not column.nullable:
            needed = values[column.name]
            for row in np.flatnonzero(needed.isna() | (needed == "")).tolist():
                reasons.setdefault(row, f"no {column.name}")
    own = {name: frame[name] for name in own_columns(frame, table)}
    typed = pd.DataFrame(values | own, copy=False)
    typed = typed.drop(index=list(reasons)) if reasons else typed
    return typed, pd.Series(reasons, dtype=object).sort_index()


def bound(typed: pd.DataFrame, table: Table = TASKS) -> tuple[pd.DataFrame, pd.Series]:
    """Limit all times to 1970 to 2999; return the rows and a note on each changed value."""
    notes, columns = [pd.Series(dtype=object)], {}

    def note(rows: np.ndarray, text: str) -> None:
        notes.append(pd.Series(text, index=typed.index[rows], dtype=object))

    for name in filter(typed.__contains__, table.times):
        numbers = coerce.millis(typed[name])
        is_window = name in ("from_time", "to_time")
        early, late = (numbers < FIRST) & (numbers != coerce.NAT), numbers > LAST
        for out, edge, where in ((early, FIRST, "before 1970"), (late, LAST, "after 2999")):
            if out.any():
                numbers = np.where(out, edge if is_window else coerce.NAT, numbers)
                columns[name] = pd.Series(coerce.times(numbers), index=typed.index)
                what = "set to that bound" if is_window else "set to missing"
                note(out, f"{name} is {where}: {what}")
    accounts = typed["account_id"].cat.categories
    if len(short := accounts[accounts.str.fullmatch(r"\d{11}")]):
        lost = typed["account_id"].isin(short).to_numpy()
        note(lost, "account_id has 11 digits, not 12: it lost a leading zero, so read it as text")
    if len(odd := accounts[accounts.str.fullmatch(r"\d+\.0|\d{4}-\d{4}-\d{4}")]):
        rows = typed["account_id"].isin(odd).to_numpy()
        note(rows, "account_id is not twelve digits: write it as text, without a dot or hyphens")
    if "status_code" in typed:
        states = typed["status_code"].astype("category").cat.categories
        rows = typed["status_code"].isin([*filter(_OBJECT.fullmatch, states)]).to_numpy()
        note(rows, "status_code is an object written as text: write JSON, or only its code")
    return typed.assign(**columns), pd.concat(notes)


def warn_of_units(typed: pd.DataFrame, names: Iterable[str], how: coerce.TimesIn) -> None:
    """Warn of times that look like numbers in another unit than `how.unit`.

    Read as milliseconds, the seconds of 2001 to 2103 are times in early 1970, before any export.
    """
    numbers = {name: coerce.millis(typed[name]) for name in names}
    words = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
    for unit in (unit for unit in words if unit != how.unit):
        low, high = (
            edge * 1000 * coerce.PER_SECOND[unit] // coerce.PER_SECOND[how.unit]
            for edge in coerce.RECENT
        )
        counts = {name: np.sum((some >= low) & (some < high)) for name, some in numbers.items()}
        if any(counts.values()):
            what = ", ".join(f"{count:,} of {name}" for name, count in counts.items() if count)
            message = f"times look like {words[unit]}, not like {words[how.unit]} ({what}); "
            remedy = f'use times_in="{unit}"'
            low, high = (edge * 1000 for edge in coerce.RECENT)
            if any(((some >= low) & (some < high)).any() for some in numbers.values()):
                remedy += f", unless others are in {words[how.unit]}: then first convert some"
            warn(UnusedWarning(message + remedy, partial=True))
            return


def _unnested(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Expand columns of objects, such as `status`, into columns with dotted names."""
    for name in frame.columns[[dtype.kind == "O" for dtype in frame.dtypes]]:
        if squeeze(str(name)) in table.nested:
            read = [*map(object_of, frame[name])]
            frame = frame.assign(**{name: pd.Series(read, frame.index, dtype=object)})
        values = (value for value in frame[name] if not isinstance(value, (float, type(None))))
        if not isinstance(next(values, None), dict) or not isinstance(name, str):
            continue
        objects = frame[name].map(lambda value: isinstance(value, dict))
        inner = pd.DataFrame([*frame[name].where(objects, {})], dtype=object).add_prefix(f"{name}.")
        if any(squeeze(str(path)) in table.meanings for path in inner):
            rest = frame[name].mask(objects)
            frame = frame.drop(columns=name).join(inner)
            frame = frame.assign(**{name: rest}) if rest.notna().any() else frame
    return frame


def object_of(value: Any) -> Any:  # noqa: ANN401 - any value of a column
    """Return the object of a text with JSON or with Python's `repr`, and other values unchanged."""
    if isinstance(value, str) and value.startswith("{"):
        for read in (json.loads, ast.literal_eval):
            with suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                found = read(value)
                return found if isinstance(found, dict) else value
    return value


def _fill(made: pd.Series, other: pd.Series, column: Column) -> tuple[pd.Series, list[int]]:
    """Fill missing values from a second source; also return the rows where both differ."""
    one, two = made.astype(object), other.astype(object)
    if column.kind == "status":
        one, two = (part.map(state_of, na_action="ignore").astype(object) for part in (one, two))
    both = np.flatnonzero(one.notna() & two.notna())
    differ = both[one.to_numpy()[both] != two.to_numpy()[both]]
    return coerce.to_column(one.fillna(two), column)[0], differ.tolist()
