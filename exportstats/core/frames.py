"""Make, check and concatenate tables. Every table passes through this module."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from exportstats.core import coerce, conversion, schema
from exportstats.core.identity import keep_latest
from exportstats.core.schema import STATES, TASKS, Column, Table, state_of
from exportstats.errors import AccountUnknownWarning, SchemaError, report_rows, warn
from exportstats.text import did_you_mean, name_type

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

# The start and the end of each derived column of tasks, and the milliseconds to add.
SOURCES = {
    "duration": ("creation_time", "completion_time", 0),
    "window": ("from_time", "to_time", 1),
}


def table_of(of: str) -> Table:
    """Return the table that `of` names."""
    if of not in schema.TABLES:
        raise SchemaError(f"of={of!r}; give one of {', '.join(schema.TABLES)}")
    return schema.TABLES[of]


def empty(table: Table = TASKS) -> pd.DataFrame:
    """Return a table without rows."""
    return _empty(table).copy()


@cache
def _empty(table: Table) -> pd.DataFrame:
    return settle(conversion.coerce_rows(pd.DataFrame({table.id: []}), table)[0], table)[0]


def conform(
    data: Any,  # noqa: ANN401 - any Arrow stream
    *,
    of: Literal["tasks", "log_groups", "deliveries", "api_calls", "incoming"] = "tasks",
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
        What the rows are: "tasks", "log_groups", "deliveries", "api_calls" or "incoming".
    times_in
        The unit of times that are numbers ("s", "ms", "us", "ns"), or the time zone of times
        without one ("UTC", "Europe/Berlin").
    strict
        Raise an error if a row cannot be read. Otherwise such rows are left out and reported in a
        `BadRowsWarning` with their place and reason.

    Returns
    -------
    DataFrame
        One row per task, with the columns of docs/schema.md. Times are `datetime64[ms, UTC]`,
        durations `timedelta64[ms]`.

    Raises
    ------
    SchemaError
        The frame has no `task_id`, or a column has a dtype that cannot be converted.
    BadRowsError
        No row can be read; or `strict`, and one cannot.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> tasks = xs.conform(pd.DataFrame({"taskId": ["a"], "creation_time": [1437584472856],
    ...                                  "completion_time": [1437584472986], "team": ["web"]}))
    >>> tasks["duration"].iloc[0], tasks["team"].iloc[0]
    (Timedelta('0 days 00:00:00.130000'), 'web')
    """
    table, how = table_of(of), coerce.TimesIn.read(times_in)
    frame = data if isinstance(data, pd.DataFrame) else conversion.from_arrow(data)
    typed, refused = conversion.coerce_rows(frame, table, how)
    aware = conversion.rename(frame.select_dtypes("datetimetz").columns, table)
    conversion.warn_of_units(typed, (name for name in table.times if name not in aware), how)
    bounded, changed = conversion.bound(typed, table)
    rows, doubtful = settle(bounded, table)
    report_rows(*map(_placed, (refused, changed, doubtful)), of=len(frame), strict=strict)
    return rows


def concat(tables: Sequence[pd.DataFrame], *, of: str = "tasks") -> pd.DataFrame:
    """Concatenate tables and keep each task once, in its latest state.

    Parameters
    ----------
    tables
        Tables of tasks, or of what `of` names.
    of
        As for `conform`.

    Returns
    -------
    DataFrame
        One table. A column that only some tables have is missing in the other rows.

    Raises
    ------
    SchemaError
        An item is not such a table, or `of` is unknown.

    Warns
    -----
    AccountUnknownWarning
        The tables have no region, and may be from several regions.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> early = xs.conform(pd.DataFrame({"task_id": ["a"], "status": ["RUNNING"]}))
    >>> late = xs.conform(pd.DataFrame({"task_id": ["a"], "status": ["COMPLETED"]}))
    >>> xs.concat([late, early])["status_code"].to_list()
    ['COMPLETED']
    """
    kind = table_of(of)
    if not len(tables):
        return empty(kind)
    rows = stack([check(table, kind) for table in tables])
    if kind is TASKS:
        _warn_of_unknown_regions(rows, np.repeat(np.arange(len(tables)), list(map(len, tables))))
    settled, doubtful = settle(rows, kind)
    report_doubtful(doubtful, of=len(rows))
    return settled


def report_doubtful(reasons: pd.Series, of: int) -> None:
    """Report rows that contradict another row; `of` is the number of all rows."""
    none = _placed(reasons[:0])
    report_rows(none, none, _placed(reasons), of=of)


def _warn_of_unknown_regions(rows: pd.DataFrame, part: np.ndarray) -> None:
    """Warn of tables that may be from several regions: they share log groups but no task."""
    unknown = pd.DataFrame({"part": part, "created": coerce.millis(rows["creation_time"])})
    unknown["group"] = rows["log_group_name"].astype("str").array
    unknown = unknown[(rows["region"].isna() & rows["creation_time"].notna()).to_numpy()]
    spans = spans_of(unknown, ["group"], "part", "created")
    if spans["overlaps"].any() and not rows.duplicated(list(TASKS.key)).any():
        warn(
            AccountUnknownWarning(
                "the tables have no region, share log groups and have tasks from the same time; if "
                "they are from several regions, add it to each: tasks.assign(region=...)"
            )
        )


def spans_of(rows: pd.DataFrame, by: list[str], part: str, time: str) -> pd.DataFrame:
    """Return the time span of each part of each group, and whether it overlaps an earlier one."""
    spans = rows.groupby([*by, part])[time].agg(["min", "max"]).reset_index()
    spans = spans.sort_values([*by, "min"])
    before = spans.groupby(by)["max"].transform(lambda ends: ends.cummax().shift())
    return spans.assign(overlaps=spans["min"] <= before)


def stack(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate frames; a column that is a category of text in all of them stays one."""
    frames = list(frames)
    if len(frames) == 1:
        return frames[0]
    for name in frames[0].columns:
        if all(name in frame and coerce.is_category(frame[name]) for frame in frames):
            texts = (frame[name].cat.categories.to_numpy(object) for frame in frames)
            are_states = str(name).endswith("status_code")  # also that of a retry
            order = in_order(set().union(*texts), states=are_states)
            columns = [frame[name].cat.set_categories(order, ordered=False) for frame in frames]
            frames = [
                frame.assign(**{name: column})
                for frame, column in zip(frames, columns, strict=True)
            ]
    return pd.concat(frames, ignore_index=True)


def in_order(categories: Iterable[str], *, states: bool) -> pd.Index:
    """Sort categories: the known states in the order of a task's life, then alphabetically."""
    first = STATES if states else ()
    # an empty index must be text too, or it could not be concatenated with others
    return pd.Index([*first, *sorted(set(categories) - set(first))], dtype="str")


def check_columns(columns: Sequence[str], known: Iterable[str] | None = None) -> None:
    """Raise a `SchemaError` if `columns` is not a list of names, or a name is not known."""
    remedy = f"give a list of names, such as {[*TASKS.key]}"
    if not isinstance(columns, (list, tuple)) or not all(isinstance(one, str) for one in columns):
        raise SchemaError(f"columns={columns!r}; {remedy}")
    for one in columns:
        if known is not None and one not in (names := [*known]):
            near = did_you_mean(one, names)
            raise SchemaError(
                f"columns={columns!r}: there is no column {one!r}{near}; give some of "
                f"{', '.join(names)}"
            )


def sources_of(columns: Iterable[str], table: Table = TASKS) -> frozenset[str]:
    """Return the columns to read for some columns: they, the key, and what they derive from."""
    names = {*columns}
    sources = (SOURCES[name][:2] for name in names & {*SOURCES} if table is TASKS)
    return frozenset(names.union(table.key, *sources))


def check(
    frame: object, table: Table = TASKS, names: Collection[str] | None = None
) -> pd.DataFrame:
    """Return a frame as a table, or raise a `SchemaError` that names the first wrong column.

    With `names`, only these columns are needed and checked.

    Equivalent dtypes are converted, for example text that pandas turned from a category to `str`,
    or times in another unit or zone. A frame that needs no conversion is returned unchanged.
    """
    one = f"a table of {table.name}"
    if not isinstance(frame, pd.DataFrame):
        more = "; of an archive, archive.tasks() is one" if hasattr(frame, "map") else ""
        raise SchemaError(
            f"{one} is a DataFrame, not {name_type(frame)}; {table.makers} makes one{more}"
        )
    if set(frame.index.names).intersection(frame.columns):  # groupby refuses such a name
        frame = frame.rename_axis([None] * frame.index.nlevels)
    columns: dict[str, pd.Series] = {}
    for column in table.columns:
        if names is not None and column.name not in names:
            continue
        if column.name not in frame:
            raise SchemaError(f"{one} needs the column {column.name}; {table.makers} makes one")
        values = frame[column.name]
        if values.ndim > 1:
            raise SchemaError(f"the frame has two columns named {column.name}; rename or drop one")
        if coerce.is_exact(values, column):
            continue
        means_the_same = values.dtype.kind in _KINDS.get(column.kind, "O") or values.isna().all()
        made, bad = coerce.to_column(values, column) if means_the_same else (values, np.True_)
        if bad.any():
            raise SchemaError(
                f"the column {column.name} of the {table.name} is {values.dtype}, not "
                f"{column.dtype}; {table.makers} converts it"
            )
        is_category = column.kind in ("category", "status")
        columns[column.name] = _tidy(made, column) if is_category else made
    if table is not TASKS and (repeated := frame.duplicated(list(table.key))).any():
        first = ", ".join(map(str, frame.loc[repeated.to_numpy(), list(table.key)].iloc[0]))
        raise SchemaError(f"{first} is in the table more than once; keep one row")
    return frame.assign(**columns) if columns else frame


def require(
    table: object,
    what: str,
    remedy: str,
    *,
    columns: Mapping[Any, str | None],
    levels: Iterable[str] = (),
) -> None:
    """Check that a result has each column once, with its dtype if one is given, and index levels.

    Raises
    ------
    SchemaError
        If it does not. The message names what is missing and ends with the remedy.
    """
    if not isinstance(table, pd.DataFrame):
        raise SchemaError(f"a {what} is a DataFrame, not {name_type(table)}; {remedy}")
    for name, dtype in columns.items():
        if (count := list(table.columns).count(name)) != 1:
            raise SchemaError(
                f"the column {name} is {'there twice' if count else 'missing'}; {remedy}"
            )
        if dtype and str(table[name].dtype) != dtype:
            raise SchemaError(
                f"the column {name} of the {what} is {table[name].dtype}, not {dtype}; {remedy}"
            )
    for name in levels:
        if name not in table.index.names:
            raise SchemaError(f"the index has no level {name}; {remedy}")


# The dtypes that `check` accepts for a column, as NumPy's kinds; objects and text are "O".
_KINDS = {"time": "MO", "length": "mO", "count": "iufO", "rate": "iufO"}


def settle(typed: pd.DataFrame, table: Table = TASKS) -> tuple[pd.DataFrame, pd.Series]:
    """Remove duplicates, order the categories and add the derived columns.

    Return the table, and a reason for each row that contradicts another, indexed as `typed` is.
    """
    kept, doubtful = keep_latest(typed, table)
    return derive(tidy(kept.reset_index(drop=True), table), table), doubtful


def tidy(rows: pd.DataFrame, table: Table = TASKS) -> pd.DataFrame:
    """Put the categories of the columns that are there in order, without unused ones."""
    texts = [
        column
        for column in table.base
        if column.kind in ("category", "status") and column.name in rows
    ]
    return rows.assign(**{column.name: _tidy(rows[column.name], column) for column in texts})


def derive(rows: pd.DataFrame, table: Table = TASKS) -> pd.DataFrame:
    """Add the derived columns of those that are there, and put the user's own columns last."""
    made = {
        name: length(rows[start], rows[end], more)
        for name, (start, end, more) in SOURCES.items()
        if table is TASKS and start in rows and end in rows
    }
    rows = rows.assign(**made)
    known = [name for name in table.names if name in rows]
    return rows[[*known, *(name for name in rows if name not in table.names)]]


def length(start: pd.Series, end: pd.Series, more: int = 0) -> pd.Series:
    """Return end - start + more milliseconds, NaT where it is negative or missing."""
    first, last = coerce.millis(start), coerce.millis(end)
    known = (first != coerce.NAT) & (last >= first)  # NaT is the smallest integer
    length = np.where(known, last - first + more, coerce.NAT)
    return pd.Series(length.view("timedelta64[ms]"), index=start.index)


def _tidy(values: pd.Series, column: Column) -> pd.Series:
    """Drop unused categories, and sort them so that the order of the rows does not matter."""
    codes, names = values.cat.codes.to_numpy(), values.cat.categories
    used = np.zeros(len(names) + 1, dtype=bool)
    used[codes] = True  # a missing value has the code -1, which selects the last element
    if column.kind == "status":
        names = names.map(state_of)
    order = in_order(names[used[:-1]], states=column.kind == "status")
    moved = np.append(order.get_indexer(names), -1)
    tidy = pd.Categorical.from_codes(moved[codes], order, validate=False)
    return pd.Series(tidy, index=values.index)


def _placed(reasons: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"place": [f"row {row}" for row in reasons.index], "reason": [*reasons]})
