"""Parse instants and periods, and reconstruct what was known at an instant."""

from __future__ import annotations

import re
import zoneinfo
from datetime import date, datetime
from functools import partial
from numbers import Real
from typing import Any, TypeVar, cast

import pandas as pd

from exportstats.core import schema, shards
from exportstats.errors import ArgumentError
from exportstats.stats.calendars import monday_of

_Tasks = TypeVar("_Tasks", bound=shards.Tasks)

_FIRST, _END = (
    pd.Timestamp(millis, unit="ms", tz="UTC") for millis in (schema.FIRST, schema.LAST + 1)
)
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?", re.ASCII)
_PERIOD = re.compile(r"\d{4}(-?Q[1-4]|-\d\d(-\d\d)?)?", re.ASCII)
_READ_COLUMNS = ("status_code", "creation_time", "completion_time", "observed_at")
_END_COLUMNS = ("status_message", "completion_time", "duration")


def zone(tz: str) -> str:
    """Return the name of a time zone after checking it.

    Raises
    ------
    ArgumentError
        If there is no such time zone.
    """
    try:
        zoneinfo.ZoneInfo(tz)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ArgumentError(
            f'tz={tz!r} is not a time zone; give one, such as "Europe/Berlin"'
        ) from error
    return tz


def instant(value: object, name: str, tz: str = "UTC") -> pd.Timestamp:
    """Return an instant in UTC, in milliseconds. A date stands for its midnight in `tz`.

    Raises
    ------
    ArgumentError
        If the value is not an instant, has a time of day but no time zone, or is not between 1970
        and 2999.
    """
    try:
        stamp = None if isinstance(value, (bool, int, float)) else _stamp(value, tz)
    except (ValueError, TypeError):
        stamp = None
    if not isinstance(stamp, pd.Timestamp) or stamp.tzinfo is None:
        raise ArgumentError(
            f'{name}={value!r}; give a date such as "2026-11-23", or an instant with its time '
            'zone, such as "2026-11-23T06:00Z"'
        )
    if not _FIRST <= stamp <= _END:
        raise ArgumentError(f"{name}={value!r}; give an instant from 1970 to 2999")
    return stamp.tz_convert("UTC").as_unit("ms")


def _stamp(value: Any, tz: str) -> Any:  # noqa: ANN401 - anything a caller may pass
    """Return the timestamp of a time or a date; only a date may lack a time zone."""
    stamp: Any = pd.to_datetime(value.start_time if isinstance(value, pd.Period) else value)
    if not isinstance(stamp, pd.Timestamp) or stamp.tzinfo is not None:
        return stamp
    is_date = _DATE.fullmatch(value) if isinstance(value, str) else stamp == stamp.normalize()
    return midnight(stamp, tz) if is_date else None


def midnight(day: object, tz: str) -> pd.Timestamp:
    """Return the first instant of a day in a time zone; a change of clocks may skip midnight."""
    return pd.Timestamp(day).tz_localize(tz, ambiguous=True, nonexistent="shift_forward")  # type: ignore[arg-type]


def period(value: object, name: str, tz: str = "UTC") -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the start of a period in `tz` and its end (exclusive), both in UTC.

    Raises
    ------
    ArgumentError
        If the value is neither a year, quarter, month, ISO week or day, nor two instants in order.
    """
    if isinstance(value, (tuple, list)) and len(value) == 2:  # noqa: PLR2004 - start and end
        first, end = (instant(edge, name, tz) for edge in value)
        if first >= end:
            raise ArgumentError(f"{name}={value!r}; the end must be after the start")
        return first, end
    try:
        found = _period(value)
        edges = found.start_time, (found + 1).start_time
    except (ValueError, TypeError, OverflowError):
        raise ArgumentError(
            f'{name}={value!r}; give a month such as "2026-11", an ISO week such as "2026-W47", a '
            "day, a quarter or a year, or a start and an end"
        ) from None
    first, end = (instant(midnight(edge, tz), name) for edge in edges)
    return first, end


def _period(value: Any) -> pd.Period:  # noqa: ANN401 - anything a caller may pass
    if isinstance(value, pd.Period):
        return value
    if isinstance(value, str):
        if monday := monday_of(value):
            return pd.Period(monday, freq="W")
        if not _PERIOD.fullmatch(value):
            raise ValueError(value)
        return pd.Period(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return pd.Period(value, freq="D")
    raise TypeError(value)


def to_millis(stamp: pd.Timestamp) -> int:
    """Return the milliseconds since 1970 of an instant returned by `instant`."""
    return int(stamp.to_datetime64().view("int64"))


def to_length(value: object) -> pd.Timedelta | None:
    """Return a length of time; None if it is not one, or a number without a unit, except 0."""
    try:
        found = pd.to_timedelta(value)  # type: ignore[call-overload]
    except (ValueError, TypeError):
        return None
    if not isinstance(found, pd.Timedelta):
        return None
    is_number = isinstance(value, Real) or (
        isinstance(value, str) and re.fullmatch(r"[-+\d.\s]+", value) is not None
    )
    return None if is_number and found else found


def length(value: object, name: str) -> int:
    """Return a length of time in milliseconds.

    Raises
    ------
    ArgumentError
        If it is not valid or negative, or has no unit.
    """
    found = to_length(value)
    if found is None or found < pd.Timedelta(0):
        raise ArgumentError(
            f'{name}={value!r}; give a length of time with its unit, such as "1min"'
        )
    return int(found.to_timedelta64().astype("timedelta64[ms]").view("int64"))


def known_at(tasks: _Tasks, as_of: str | date | pd.Period | None) -> _Tasks:
    """Return the tasks as they were known at `as_of`; if it is None, return them unchanged.

    Tasks created later are left out. A task that ended later is RUNNING, without a duration,
    completion time or status message. Every `observed_at` becomes `as_of`.
    """
    if as_of is None:
        return tasks
    keep = partial(_known_at, as_of=instant(as_of, "as_of"))
    known = shards.select(tasks, keep, _READ_COLUMNS)
    return cast("_Tasks", known)


def _known_at(tasks: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    created = tasks[~(tasks["creation_time"] > as_of)]
    observed = pd.Series(as_of, index=created.index, dtype=tasks["observed_at"].dtype)
    later = created["completion_time"] > as_of
    if not later.any():
        return created.assign(observed_at=observed)
    return created.assign(
        status_code=created["status_code"].where(~later, "RUNNING"),
        observed_at=observed,
        **{name: created[name].where(~later) for name in _END_COLUMNS if name in created},
    )
