"""Group rows by columns and calendar periods, vectorised.

Missing values form a group of their own, the last one, so that counts add up to all tasks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema, shards
from exportstats.errors import ArgumentError
from exportstats.stats.calendars import calendar_of
from exportstats.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

PERIOD = "period"
# Columns that the statistics add to the groups before they compute their results.
_INNER = ("status_code", "period", "duration", "reason", "tasks", "n", "lag", "is_current")
# What is read to group tasks by their state, or by the period of their creation.
STATE_COLUMNS = ("status_code", "creation_time", "observed_at")
DURATION_COLUMNS = (*STATE_COLUMNS, "duration")
# Above this number, empty periods are left out: a single task in 2999 would need millions.
MOST_PERIODS = 10_000
# Up to this number of possible groups, a lookup table is used; above, they are sorted.
_MOST_LISTED = 1 << 22
# If more combinations are possible than fit into int64, all columns but one are numbered first.
_MOST_NUMBERED = 1 << 62


class Groups(NamedTuple):
    """Rows in groups.

    Attributes
    ----------
    codes
        The group of each row.
    keys
        The values of each group, one row each, sorted, missing last.
    """

    codes: np.ndarray
    keys: pd.DataFrame


def names_of(
    by: str | Sequence[str] | None, tasks: shards.Tasks, answer: Sequence[str] = ()
) -> list[str]:
    """Return the columns to group by after checking them; those of shards are checked when read.

    The columns and index levels of the result are `answer`.

    Raises
    ------
    ArgumentError
        If a column does not exist, is in the result itself, or is given twice; or if values are
        given instead of names.
    """
    if isinstance(by, (pd.Series, pd.Index)):
        raise ArgumentError(
            f"by= is a {type(by).__name__} of values; add them as a column, such as "
            'tasks.assign(weekday=values), and give its name, such as by="weekday"'
        )
    try:
        names = [] if by is None else [by] if isinstance(by, str) else list(by)
    except TypeError:
        raise ArgumentError(f"by={by!r}; give the name of a column, or a list of names") from None
    for name in names:
        if name in (*_INNER, *answer):
            raise ArgumentError(
                f"by={name!r} is a column of the result itself; leave it out, or rename the column"
            )
    if len(set(names)) < len(names):
        raise ArgumentError(f"by={names!r} names a column twice")
    if isinstance(tasks, pd.DataFrame):
        _refuse_unknown(tasks, [name for name in names if name not in schema.NAMES])
    return names


def columns_of(tasks: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the columns to group by; an empty table need not have them.

    Raises
    ------
    ArgumentError
        If a column does not exist.
    """
    if len(tasks):
        _refuse_unknown(tasks, names)
    missing = [name for name in names if name not in tasks.columns]
    return tasks.assign(**dict.fromkeys(missing, ""))[[*names]]


def _refuse_unknown(tasks: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in tasks.columns:
            known = [str(name) for name in tasks.columns if name not in _INNER]
            near = did_you_mean(str(name), known)
            raise ArgumentError(f"by={name!r}; give one or several of {', '.join(known)}{near}")


def with_own(answer: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """Add the user's own columns of the tasks to a result with one row per task.

    A column that the result already has is not replaced.
    """
    own = tasks.loc[:, ~tasks.columns.isin([*schema.NAMES, *answer.columns])]
    return pd.concat([answer, own.set_axis(answer.index)], axis=1) if len(own.columns) else answer


def group_by_state(
    tasks: pd.DataFrame, names: Sequence[str], freq: str | None = None, tz: str = "UTC"
) -> Groups:
    """Group tasks by columns and state, and with `freq` by the `period` of their creation.

    Periods are numbers, see `Calendar.number`; `grid` makes times of them.
    """
    keys = columns_of(tasks, names).assign(status_code=tasks["status_code"])
    if freq is None:
        return group(keys, [*names, "status_code"])
    keys[PERIOD] = calendar_of(freq, tz).number(tasks["creation_time"])
    return group(keys, [*names, PERIOD, "status_code"])


def group(frame: pd.DataFrame, names: Sequence[str]) -> Groups:
    """Group the rows that are equal in some columns; without columns, all are one group."""
    if not names:
        return Groups(np.zeros(len(frame), dtype="int64"), pd.DataFrame(index=[0]))
    columns = [codes_of(frame[name]) for name in names]
    sizes = [len(found) for _, found in columns]
    if math.prod(sizes) >= _MOST_NUMBERED:
        first, (at, found) = group(frame, names[:-1]), columns[-1]
        used, codes = _renumber(first.codes * len(found) + at, len(first.keys) * len(found))
        row, at = np.divmod(used, len(found))
        others = first.keys.take(row).reset_index(drop=True)
        return Groups(codes, others.assign(**{names[-1]: found.take(at)}))
    codes = columns[0][0].astype("int64")
    for at, found in columns[1:]:
        codes *= len(found)
        codes += at
    used, codes = _renumber(codes, math.prod(sizes))
    places = np.unravel_index(used, sizes)
    values = [found.take(at) for (_, found), at in zip(columns, places, strict=True)]
    keys = dict(zip(names, values, strict=True))
    return Groups(codes, pd.DataFrame(keys, index=pd.RangeIndex(len(used))))


def grid(
    frame: pd.DataFrame, names: Sequence[str], freq: str | None = None, tz: str = "UTC"
) -> Groups:
    """Group the rows of `group_by_state`; with `freq`, each group has every period."""
    groups = group(frame, names)
    if freq is None:
        return groups
    calendar = calendar_of(freq, tz)
    codes, found = codes_of(frame[PERIOD])
    numbers = found.to_numpy()
    periods = _every(numbers)
    periods = periods[calendar.exist(periods)]
    missing = numbers == coerce.NAT
    dated = periods[:-1] if missing.any() else periods
    at = np.where(missing, len(dated), np.searchsorted(dated, numbers))
    keys = repeat(groups.keys, len(periods))
    keys[PERIOD] = calendar.start(np.tile(periods, len(groups.keys)))
    return Groups(groups.codes * len(periods) + at[codes], keys)


def _every(numbers: np.ndarray) -> np.ndarray:
    """Return all periods from the first to the last, and the missing one last."""
    known = numbers[numbers != coerce.NAT]
    if len(known) and known.max() - known.min() < MOST_PERIODS:
        known = np.arange(known.min(), known.max() + 1)
    else:
        known = np.unique(known)
    return np.append(known, coerce.NAT) if (numbers == coerce.NAT).any() else known


def last_observed(tasks: shards.Tasks) -> pd.Timestamp | None:
    """Return when tasks were last observed, or None if that is unknown."""
    found = shards.collect(tasks, _last_observed, ["observed_at"])["observed_at"].max()
    return None if found is pd.NaT else found


def _last_observed(tasks: pd.DataFrame) -> pd.DataFrame:
    return tasks[["observed_at"]].agg(["max"])


def unfinished(last: pd.Timestamp | None, freq: str | None, tz: str) -> dict[Hashable, str]:
    """Return the attributes of a table of periods: the start of the period that has not ended yet.

    It is text, because `to_parquet` writes attributes as JSON. `last` is the last observation.
    """
    if freq is None or last is None:
        return {}
    calendar = calendar_of(freq, tz)
    start = pd.DatetimeIndex(calendar.start(calendar.number(pd.Series([last]))))[0]
    return {"unfinished": start.isoformat()}


def repeat(keys: pd.DataFrame, times: int) -> pd.DataFrame:
    """Return each row of keys several times in a row."""
    return keys.loc[np.repeat(keys.index, times)].reset_index(drop=True)


def index_of(keys: pd.DataFrame) -> pd.Index:
    """Return an index with one level per key; the single label "all" without keys."""
    if not len(keys.columns):
        return pd.Index(["all"] * len(keys))
    if len(keys.columns) == 1:
        only: pd.Index = pd.Index(keys[keys.columns[0]])
        return only
    return pd.MultiIndex.from_frame(keys)


def codes_of(values: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Return the position of each value among the sorted values, missing last, and these values.

    Among the values of categories and of integers, there may be some that do not occur.
    """
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iu" and len(values):
        low, many = values.min(), int(values.max()) - int(values.min()) + 1
        if many <= MOST_PERIODS:
            above = (values.to_numpy() - low).view(f"u{values.dtype.itemsize}")  # may overflow
            every = np.arange(many).astype(values.dtype) + low
            return above.astype("int64"), pd.Index(every)
    if isinstance(values.dtype, pd.CategoricalDtype):
        found: pd.Index = pd.CategoricalIndex(values.cat.categories, dtype=values.dtype)
        codes = values.cat.codes.to_numpy()
    else:
        codes, found = _factorize(values)
    if codes.min(initial=0) >= 0:
        return codes, found
    codes = np.where(codes < 0, np.int64(len(found)), codes)
    return codes, found.append(pd.Index([None], dtype=found.dtype))


def _factorize(values: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Return a number for each different value, and the values, sorted.

    Raises
    ------
    ArgumentError
        If values are not hashable, such as lists.
    """
    try:
        codes, found = pd.factorize(values)
    except TypeError as error:
        raise ArgumentError(f"by={values.name!r}, but {error}; make its values text") from error
    try:
        order = found.argsort()
    except TypeError:  # values of several types
        order = np.array(
            sorted(range(len(found)), key=lambda at: (str(type(found[at])), str(found[at])))
        )
    rank = np.full(len(found) + 1, -1)
    rank[order] = np.arange(len(found))
    return rank[codes], found.take(order)


def _renumber(codes: np.ndarray, many: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes in use, sorted, and each row's code when these are numbered from 0."""
    if many > _MOST_LISTED:
        used, numbers = np.unique(codes, return_inverse=True)
        return used, numbers
    seen = np.zeros(many, dtype=bool)
    seen[codes] = True
    used = np.flatnonzero(seen)
    if len(used) == many:
        return used, codes
    return used, (np.cumsum(seen) - 1).take(codes)
