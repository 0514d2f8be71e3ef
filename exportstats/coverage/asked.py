"""What is asked for: a range of time, and what counts as covered in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core import coerce, frames, schema
from exportstats.errors import ArgumentError
from exportstats.stats.as_of import instant, to_millis

if TYPE_CHECKING:
    from exportstats.stats.as_of import Instant

_OF_LOG_GROUPS = ("creation_time", "retention", "observed_at")


@dataclass(frozen=True)
class Asked:
    """The arguments of a question, checked; times and lengths in milliseconds.

    Attributes
    ----------
    start, end
        The range, half-open.
    tolerance
        Gaps that are not longer count as covered.
    margin
        How long after its window's end a task has to be created for late events to be in.
    as_of
        The instant to answer for, or None to take the states as they are.
    log_groups
        What is known of log groups, one row each, or None.
    deliveries
        The keys of the tasks of which nothing lies in S3, or None.
    """

    start: int
    end: int
    tolerance: int = 0
    margin: int = 0
    as_of: pd.Timestamp | None = None
    log_groups: pd.DataFrame | None = None
    deliveries: pd.DataFrame | None = None


def ask(
    start: Instant,
    end: Instant,
    *,
    tolerance: str | pd.Timedelta = "0ms",
    margin: str | pd.Timedelta = "12h",
    as_of: Instant = None,
    log_groups: pd.DataFrame | None = None,
    deliveries: pd.DataFrame | None = None,
    tz: str = "UTC",
) -> Asked:
    """Check the arguments of a question; without `start` or `end` all of the time there is.

    Dates are those of `tz`.

    Raises
    ------
    ArgumentError
        An instant without a time zone, a range that ends before it starts, or a length of time
        that is invalid or negative.
    SchemaError
        A side table has wrong columns, or the same row twice.
    """
    first = schema.FIRST if start is None else to_millis(instant(start, "start", tz))
    last = schema.LAST + 1 if end is None else to_millis(instant(end, "end", tz))
    if first >= last:
        raise ArgumentError(
            f"end={end!r} is not after start={start!r}; give the range from start to before end"
        )
    if log_groups is not None:
        log_groups = frames.check(log_groups, schema.LOG_GROUPS)
        log_groups = _with_text(log_groups[[*schema.LOG_GROUP, *_OF_LOG_GROUPS]])
    if deliveries is not None:
        deliveries = frames.check(deliveries, schema.DELIVERIES)
        nothing = deliveries["delivered"].isin(["empty", "gone"])
        deliveries = _with_text(deliveries.loc[nothing, list(schema.KEY)])
    return Asked(
        first,
        last,
        tolerance=length(tolerance, "tolerance"),
        margin=length(margin, "margin"),
        as_of=None if as_of is None else instant(as_of, "as_of"),
        log_groups=log_groups,
        deliveries=deliveries,
    )


def length(value: object, name: str) -> int:
    """Read a length of time, in milliseconds.

    Raises
    ------
    ArgumentError
        It is invalid or negative.
    """
    try:
        found = pd.to_timedelta(value)  # type: ignore[call-overload]
    except (ValueError, TypeError):
        found = None
    if not isinstance(found, pd.Timedelta) or found < pd.Timedelta(0):
        raise ArgumentError(f'{name}={value!r}; give a length of time, as in "1min"')
    return int(found.to_timedelta64().astype("timedelta64[ms]").view("int64"))


def _with_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Make all categories text, those of a column without any value too, and label rows anew."""
    columns: dict[str, pd.Series] = {}
    for name in map(str, frame.columns):
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            values, _ = coerce.to_category(frame[name])
            text = pd.Index(values.cat.categories, dtype="str")
            columns[name] = values.cat.rename_categories(text)
    return frame.assign(**columns).reset_index(drop=True)
