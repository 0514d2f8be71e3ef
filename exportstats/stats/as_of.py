"""Instants and periods as a user gives them, and what was known at an instant."""

from __future__ import annotations

import re
import zoneinfo
from datetime import date, datetime
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import pandas as pd

from exportstats.core import schema, shards
from exportstats.errors import ArgumentError
from exportstats.stats.calendars import monday_of

_Tasks = TypeVar("_Tasks", bound=shards.Tasks)
Instant: TypeAlias = str | date | pd.Timestamp | pd.Period | None
Period: TypeAlias = str | date | pd.Period | tuple[Instant, Instant]

_FIRST, _END = (
    pd.Timestamp(millis, unit="ms", tz="UTC") for millis in (schema.FIRST, schema.LAST + 1)
)
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?", re.ASCII)
_PERIOD = re.compile(r"\d{4}(-?Q[1-4]|-\d\d(-\d\d)?)?", re.ASCII)
_OF_THE_END = ("status_message", "completion_time", "duration")


def zone(tz: str) -> str:
    """Check the name of a time zone.

    Raises
    ------
    ArgumentError
        There is no such time zone.
    """
    try:
        zoneinfo.ZoneInfo(tz)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ArgumentError(f'tz={tz!r} is no time zone; give one as in "Europe/Berlin"') from error
    return tz


def instant(value: object, name: str, tz: str = "UTC") -> pd.Timestamp:
    """Make an instant in milliseconds and UTC; a date is its midnight in `tz`.

    Raises
    ------
    ArgumentError
        It is no instant, has a time of day but no time zone, or lies where no time of a table can.
    """
    try:
        stamp = None if isinstance(value, (bool, int, float)) else _stamp(value, tz)
    except (ValueError, TypeError):
        stamp = None
    if not isinstance(stamp, pd.Timestamp) or stamp.tzinfo is None:
        raise ArgumentError(
            f'{name}={value!r}; give a date, as in "2026-11-23", or an instant with its time '
            'zone, as in "2026-11-23T06:00Z"'
        )
    if not _FIRST <= stamp <= _END:
        raise ArgumentError(f"{name}={value!r}; give an instant from 1970 to 2999")
    return stamp.tz_convert("UTC").as_unit("ms")


def _stamp(value: Any, tz: str) -> Any:  # noqa: ANN401 - anything a caller may pass
    """Make a timestamp of a time or a date; only a date needs no time zone."""
    stamp: Any = pd.to_datetime(value.start_time if isinstance(value, pd.Period) else value)
    if not isinstance(stamp, pd.Timestamp) or stamp.tzinfo is not None:
        return stamp
    is_date = _DATE.fullmatch(value) if isinstance(value, str) else stamp == stamp.normalize()
    return midnight(stamp, tz) if is_date else None


def midnight(day: object, tz: str) -> pd.Timestamp:
    """Return the first instant of a day in a time zone, whose clocks may skip midnight."""
    return pd.Timestamp(day).tz_localize(tz, ambiguous=True, nonexistent="shift_forward")  # type: ignore[arg-type]


def period(value: object, name: str, tz: str = "UTC") -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the first instant of a period in `tz`, and the first after it, both in UTC.

    Raises
    ------
    ArgumentError
        It is no year, quarter, month, ISO week or day, and no two instants, the first before the
        second.
    """
    if isinstance(value, (tuple, list)) and len(value) == 2:  # noqa: PLR2004 - start and end
        first, end = (instant(edge, name, tz) for edge in value)
        if first >= end:
            raise ArgumentError(f"{name}={value!r}; the end is not after the start")
        return first, end
    try:
        found = _period(value)
        edges = found.start_time, (found + 1).start_time
    except (ValueError, TypeError, OverflowError):
        raise ArgumentError(
            f'{name}={value!r}; give a month, as in "2026-11", an ISO week, as in "2026-W47", a '
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
    """Return the milliseconds since 1970 of an instant that `instant` made."""
    return int(stamp.to_datetime64().view("int64"))


def known_at(tasks: _Tasks, as_of: Instant) -> _Tasks:
    """Return the tasks as they were known at an instant; without one, as they are.

    A task created later is not there; one that ended later is RUNNING, and neither its duration nor
    the message of its end is known. All of them are then observed at this instant.
    """
    if as_of is None:
        return tasks
    known = shards.select(tasks, partial(_known_at, as_of=instant(as_of, "as_of")))
    return cast("_Tasks", known)


def _known_at(tasks: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    there = tasks[~(tasks["creation_time"] > as_of)]
    seen = pd.Series(as_of, index=there.index, dtype=tasks["observed_at"].dtype)
    later = there["completion_time"] > as_of
    if not later.any():
        return there.assign(observed_at=seen)
    return there.assign(
        status_code=there["status_code"].where(~later, "RUNNING"),
        observed_at=seen,
        **{name: there[name].where(~later) for name in _OF_THE_END},
    )
