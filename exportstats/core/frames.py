"""Make, check and concatenate tables. Every table passes through this module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from exportstats.core import coerce
from exportstats.core.identity import keep_latest
from exportstats.core.schema import (
    DELIVERIES,
    FIRST,
    LAST,
    LOG_GROUPS,
    STATES,
    TASKS,
    Column,
    Table,
    squeeze,
    state_of,
)
from exportstats.errors import SchemaError, UnusedWarning, report_rows, warn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TABLES = {"tasks": TASKS, "log_groups": LOG_GROUPS, "deliveries": DELIVERIES}


def empty(table: Table = TASKS) -> pd.DataFrame:
    """Return a table without rows.

    Examples
    --------
    >>> len(empty()), list(empty().columns) == list(TASKS.names)
    (0, True)
    """
    nothing = pd.DataFrame({table.id: pd.Series([], dtype="str")})
    return settle(coerce_rows(nothing, table)[0], table)[0]


def conform(
    data: Any,  # noqa: ANN401 - any Arrow stream
    *,
    of: Literal["tasks", "log_groups", "deliveries"] = "tasks",
    times_in: str | None = None,
    strict: bool = False,
) -> pd.DataFrame:
    """Convert a DataFrame to a table of tasks.

    Columns may have the names of the table or of AWS, in any casing. Nested names have a dot or an
    underscore, as from `json_normalize`. Times may be aware timestamps, numbers (milliseconds since
    1970, UTC) or ISO 8601 text with an offset. Missing columns are filled with missing values,
    other columns are kept, and `duration` and `window` are computed. A task that appears more than
    once is kept once, in its latest state. Times before 1970 or after 2999 are changed with a
    warning: the start and end of a window are set to that bound, other times to missing.

    Parameters
    ----------
    data
        A pandas DataFrame, or any frame that exports an Arrow stream (Polars, DuckDB, PyArrow).
    of
        What the rows are: "tasks", "log_groups" or "deliveries".
    times_in
        The unit of times that are numbers ("s", "ms", "us", "ns"), or the time zone of times
        without one ("UTC", "Europe/Berlin").
    strict
        Raise an error if a row cannot be read. Otherwise such rows are left out and reported in a
        `BadRowsWarning` with their place and reason.

    Returns
    -------
    DataFrame
        A new table with one row per task. Times are `datetime64[ms, UTC]`, durations
        `timedelta64[ms]`.

    Raises
    ------
    SchemaError
        The frame has no `task_id`, or a column has a dtype that cannot be converted.
    BadRowsError
        No row can be read; or `strict`, and one cannot.

    Examples
    --------
    >>> tasks = conform(pd.DataFrame({"taskId": ["a"], "creation_time": [1437584472856],
    ...                               "completion_time": [1437584472986], "team": ["web"]}))
    >>> tasks["duration"].iloc[0], tasks["team"].iloc[0]
    (Timedelta('0 days 00:00:00.130000'), 'web')
    """
    if of not in TABLES:
        raise SchemaError(f"of={of!r}; give one of {', '.join(TABLES)}")
    table, how = TABLES[of], coerce.TimesIn.read(times_in)
    frame = _to_pandas(data)
    typed, refused = coerce_rows(frame, table, how)
    zoned = rename(
        frame.columns[[isinstance(one, pd.DatetimeTZDtype) for one in frame.dtypes]], table
    )
    times = (column.name for column in table.base if column.kind == "time")
    say_units(typed, (name for name in times if name not in zoned), how)
    bounded, changed = bound(typed, table)
    rows, doubtful = settle(bounded, table)
    report_rows(*map(_placed, (refused, changed, doubtful)), of=len(frame), strict=strict)
    return rows


def rename(names: Iterable[Any], table: Table) -> dict[str, list[str]]:
    """Return the source columns of each column of a table, the exact name first."""
    found: dict[str, list[str]] = {}
    every = list(names)
    if twice := [name for name in every if every.count(name) > 1]:
        raise SchemaError(f"the frame has two columns named {twice[0]}; rename or drop one")
    names = [name for name in every if isinstance(name, str)]
    for name in names:
        column = table.meanings.get(squeeze(name))
        if column is not None:
            found.setdefault(column.name, []).append(name)
    for name, given in found.items():
        given.sort(key=lambda one, name=name: (one != name, names.index(one)))  # type: ignore[misc]
    return found


def own_columns(names: Iterable[Any], table: Table) -> list[Any]:
    """Return the columns that the table does not define, without indexes left by pandas."""
    return [
        name
        for name in names
        if not isinstance(name, str)
        or not (squeeze(name) in table.meanings or name.startswith("__index_level_"))
    ]


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
            f"For AWS's own JSON use xs.read_{table.name.replace(' ', '_')}"
        )
    values: dict[str, pd.Series] = {}
    reasons = np.full(len(frame), "", dtype=object)
    for column in table.base:
        names = sources.get(column.name, [])
        given = _given(frame, names).rename(column.name)
        scale = 1 if column.name in names else column.scale
        values[column.name], bad = coerce.to_column(given, column, how, scale)
        for row in np.flatnonzero(bad & (reasons == "")):
            reasons[row] = f"{column.name} {_why(given.iloc[row], column)}"
    ids = values[table.id]
    reasons[(ids.isna() | (ids == "")).to_numpy() & (reasons == "")] = f"no {table.id}"
    own = {name: frame[name] for name in own_columns(frame, table)}
    typed = pd.DataFrame(values | own, copy=False)
    faulty = reasons != ""
    if not faulty.any():
        return typed, _NO_REASONS
    return typed[~faulty], pd.Series(reasons, index=frame.index, dtype=object)[faulty]


def bound(typed: pd.DataFrame, table: Table = TASKS) -> tuple[pd.DataFrame, pd.Series]:
    """Limit all times to 1970 to 2999. Return the rows, and a note for each changed value."""
    changed, columns = [_NO_REASONS], {}
    for name in (column.name for column in table.base if column.kind == "time"):
        numbers = coerce.millis(typed[name])
        early = (numbers < FIRST) & (numbers != coerce.NAT)
        late = numbers > LAST
        if not (early.any() or late.any()):
            continue
        cut = name in ("from_time", "to_time")
        numbers = np.where(early, FIRST if cut else coerce.NAT, numbers)
        numbers = np.where(late, LAST if cut else coerce.NAT, numbers)
        columns[name] = pd.Series(coerce.times(numbers), index=typed.index)
        what = "set to that bound" if cut else "set to missing"
        for out, where in ((early, "before 1970"), (late, "after 2999")):
            note = f"{name} is {where}: {what}"
            changed.append(pd.Series(note, index=typed.index[out], dtype=object))
    return typed.assign(**columns), pd.concat(changed)


def say_units(typed: pd.DataFrame, names: Iterable[str], how: coerce.TimesIn) -> None:
    """Warn of times that look like numbers in another unit than they were read in."""
    found = {name: coerce.likely_unit(typed[name], how.unit) for name in names}
    if units := [unit for unit, count in found.values() if count]:
        what = ", ".join(f"{count:,} of {name}" for name, (_, count) in found.items() if count)
        message = (
            f"times look like {coerce.UNITS[units[0]]}, not like {coerce.UNITS[how.unit]} "
            f'({what}); times_in="{units[0]}" (--times-in {units[0]}) reads them so'
        )
        warn(UnusedWarning(message, partial=True))


def settle(typed: pd.DataFrame, table: Table = TASKS) -> tuple[pd.DataFrame, pd.Series]:
    """Remove duplicates, order the categories and add the derived columns.

    Return the table, and a reason for each row that contradicts another, indexed as `typed` is.
    """
    kept, doubtful = keep_latest(typed, table)
    kept = kept.reset_index(drop=True)
    tidy = {
        column.name: _tidy_categories(kept[column.name], column)
        for column in table.base
        if column.kind in ("category", "status")
    }
    return derive(kept.assign(**tidy), table), doubtful


def derive(rows: pd.DataFrame, table: Table = TASKS) -> pd.DataFrame:
    """Add the derived columns, and put the user's own columns last."""
    if table is TASKS:
        rows = rows.assign(
            duration=_length(rows["creation_time"], rows["completion_time"], 0),
            window=_length(rows["from_time"], rows["to_time"], 1),
        )
    return rows[[*table.names, *(name for name in rows if name not in table.names)]]


def concat(tables: Sequence[pd.DataFrame], *, of: str = "tasks") -> pd.DataFrame:
    """Concatenate tables and keep each task once, in its latest state.

    Parameters
    ----------
    tables
        Tables of tasks.
    of
        As for `conform`.

    Returns
    -------
    DataFrame
        One table of tasks. A column that only some tables have is missing in the other rows.

    Raises
    ------
    SchemaError
        One of them is not a table of tasks.

    Examples
    --------
    >>> early = conform(pd.DataFrame({"task_id": ["a"], "status": ["RUNNING"]}))
    >>> late = conform(pd.DataFrame({"task_id": ["a"], "status": ["COMPLETED"]}))
    >>> concat([late, early])["status_code"].to_list()
    ['COMPLETED']
    """
    kind = TABLES[of]
    rows = stack([check(table, kind) for table in tables]) if len(tables) else empty(kind)
    settled, doubtful = settle(rows, kind)
    report_rows(_placed(_NO_REASONS), _placed(_NO_REASONS), _placed(doubtful), of=len(rows))
    return settled


def stack(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate frames; a column that is a category in all of them stays one."""
    frames = list(frames)
    if len(frames) == 1:
        return frames[0]
    stacked = pd.concat(frames, ignore_index=True)
    for name in stacked.columns:
        parts = [frame[name] for frame in frames if name in frame]
        if len(parts) == len(frames) and all(map(_is_category_of_text, parts)):
            whole = pd.Series(union_categoricals(parts, ignore_order=True))
            stacked[name] = whole.cat.set_categories(
                in_order(whole.cat.categories, states=name == "status_code")
            )
    return stacked


def _is_category_of_text(values: pd.Series) -> bool:
    dtype = values.dtype
    return isinstance(dtype, pd.CategoricalDtype) and (
        dtype.categories.dtype == "str" or not len(dtype.categories)
    )


def in_order(categories: Iterable[str], *, states: bool) -> pd.Index:
    """Sort categories: the known states in the order of a task's life, then alphabetically."""
    first = STATES if states else ()
    # an empty index must be text too, or it could not be concatenated with others
    return pd.Index([*first, *sorted(set(categories) - set(first))], dtype="str")


def check(frame: object, table: Table = TASKS) -> pd.DataFrame:
    """Return a frame as a table, or raise a `SchemaError` that names the first wrong column.

    Equivalent dtypes are converted: text that pandas turned from a category to `str`, times in
    another unit or zone. A frame that needs no conversion is returned itself.
    """
    one = f"a table of {table.name}"
    if not isinstance(frame, pd.DataFrame):
        raise SchemaError(
            f"{one} is a DataFrame, not {type(frame).__name__}; {table.makers} makes one"
        )
    if set(frame.index.names).intersection(frame.columns):  # pandas groups by neither of the two
        frame = frame.rename_axis([None] * frame.index.nlevels)
    columns: dict[str, pd.Series] = {}
    for column in table.columns:
        there = list(frame.columns).count(column.name)
        if there > 1:
            raise SchemaError(f"the frame has two columns named {column.name}; rename or drop one")
        if not there:
            raise SchemaError(f"{one} needs the column {column.name}; {table.makers} makes one")
        values = frame[column.name]
        if coerce.is_exact(values, column):
            continue
        made, bad = (
            coerce.to_column(values, column)
            if values.dtype == object
            or _means_the_same(values, column)
            or values.isna().all()  # such as pd.NaT, which has no zone
            else (values, np.ones(1, dtype=bool))
        )
        if bad.any():
            raise SchemaError(
                f"the column {column.name} of the {table.name} is {values.dtype}, not "
                f"{column.dtype}; {table.makers} converts it"
            )
        if column.kind in ("category", "status"):
            made = _tidy_categories(made, column)
        columns[column.name] = made
    again = frame.duplicated(list(table.key)) if table is not TASKS else pd.Series()
    if again.any():
        first = ", ".join(map(str, frame[list(table.key)].to_numpy()[again.to_numpy().argmax()]))
        raise SchemaError(f"{first} is in the table twice; keep one of the rows")
    return frame.assign(**columns) if columns else frame


def from_arrow(data: Any) -> pd.DataFrame:  # noqa: ANN401 - any Arrow stream
    """Convert an Arrow stream to a DataFrame, without an index and with exact integers."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and not needed for pandas frames

    # by default pandas makes floats of integers with missing values, which rounds large ones
    whole = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
    frame: pd.DataFrame = pa.table(data).to_pandas(types_mapper=whole.get, ignore_metadata=True)
    return frame


_NO_REASONS = pd.Series([], index=pd.Index([], dtype="int64"), dtype=object)


def _to_pandas(data: Any) -> pd.DataFrame:  # noqa: ANN401 - any Arrow stream
    if isinstance(data, pd.DataFrame):
        return data
    if not hasattr(data, "__arrow_c_stream__"):
        raise SchemaError(
            f"a {type(data).__name__} is not a table, because it exports no Arrow stream. "
            "Pass a pandas, Polars, DuckDB or PyArrow table; for files use xs.read_tasks"
        )
    return from_arrow(data)


def _unnested(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Expand columns of objects, such as `status`, into columns with dotted names."""
    for name in frame.columns[[dtype.kind == "O" for dtype in frame.dtypes]]:
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


def _given(frame: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """Return a column of a frame; where the first name lacks a value, the next fills it."""
    found = pd.Series(None, index=frame.index, dtype=object)
    for at, name in enumerate(names):
        part = frame[name]
        if isinstance(part.dtype, pd.ArrowDtype):
            part = from_arrow(part.to_frame("values"))["values"]
        found = part if at == 0 else found.astype(object).where(found.notna(), part.astype(object))
    return found


def _why(value: object, column: Column) -> str:
    if column.kind == "time":
        return coerce.why_no_time(value)
    return "is not text" if column.kind in ("text", "category", "status") else "is not a number"


def _tidy_categories(values: pd.Series, column: Column) -> pd.Series:
    """Drop unused categories, and sort them so that the order of the rows does not matter."""
    codes = values.cat.codes.to_numpy()
    names = pd.Index(values.cat.categories, dtype="str")
    used = np.bincount(codes.astype(np.intp) + 1, minlength=len(names) + 1)[1:] > 0
    # a missing value has the code -1, which selects the last element
    moved = np.full(len(names) + 1, -1)
    if column.kind == "status":
        names = names.map(state_of).astype("str")
        order = in_order(names[used], states=True)
        moved[:-1] = order.get_indexer(names)
    else:
        kept = np.flatnonzero(used)
        kept = kept[names[kept].argsort()]
        order = names[kept]
        moved[kept] = np.arange(len(kept))
    tidy = pd.Categorical.from_codes(moved[codes], order, validate=False)
    return pd.Series(tidy, index=values.index)


def _length(start: pd.Series, end: pd.Series, more: int) -> pd.Series:
    """Return end - start + more milliseconds, NaT where it is negative or missing."""
    first, last = coerce.millis(start), coerce.millis(end)
    known = (first != coerce.NAT) & (last >= first)  # NaT is the smallest of all
    length = np.where(known, last - first + more, coerce.NAT)
    return pd.Series(length.view("timedelta64[ms]"), index=start.index)


def _means_the_same(values: pd.Series, column: Column) -> bool:
    kind = values.dtype.kind if hasattr(values.dtype, "kind") else "O"
    if column.kind == "time":
        return isinstance(values.dtype, pd.DatetimeTZDtype)
    if column.kind == "length":
        return kind == "m"
    if column.kind in ("count", "rate"):
        return kind in "iuf"
    return isinstance(values.dtype, (pd.CategoricalDtype, pd.StringDtype))


def _placed(reasons: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"place": [f"row {row}" for row in reasons.index], "reason": [*reasons]})
