"""Parse the week of a report, and compute the weeks before it."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass

import pandas as pd

from exportstats.errors import ArgumentError
from exportstats.stats import as_of
from exportstats.stats.calendars import monday_of

_FIRST_YEAR, _LAST_YEAR = 1990, 2200  # a report also needs the time before and after its week


@dataclass(frozen=True)
class Span:
    """A time range in a time zone, half-open.

    Raises
    ------
    ArgumentError
        If the range is outside the supported years.

    Attributes
    ----------
    name
        The name, as in "week 2026-W47".
    start, end
        The start and end, in the time zone.
    """

    name: str
    start: pd.Timestamp
    end: pd.Timestamp

    def __post_init__(self) -> None:
        """Check the years."""
        if self.start.year < _FIRST_YEAR or self.end.year > _LAST_YEAR:
            raise ArgumentError(
                f"{self.name} is no time of export tasks; give one of the years {_FIRST_YEAR} to "
                f"{_LAST_YEAR}"
            )

    @property
    def edges(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Return start and end."""
        return self.start, self.end

    def shifted(self, by: dt.timedelta) -> Span:
        """Return the span moved by some days, at the same local time."""
        return Span(self.name, _later(self.start, by), _later(self.end, by))

    def before(self, many: int, of: int = 1) -> Span:
        """Return `of` spans as one. The last of them is `many` spans before this one."""
        return Span(self.name, _back(self, self.start, many + of - 1), _back(self, self.end, many))


def span_of(week: str | tuple[str | dt.date, str | dt.date], tz: str, now: pd.Timestamp) -> Span:
    """Parse the `week` of a report.

    Parameters
    ----------
    week
        "last", the last complete ISO week before `now`; an ISO week as in "2026-W47"; or a start
        and an end.
    tz
        The time zone in which weeks begin.
    now
        The current time (aware).

    Raises
    ------
    ArgumentError
        If the week or the time zone is invalid.
    """
    zone = zoneinfo.ZoneInfo(as_of.zone(tz))
    if week == "last":
        today = now.tz_convert(zone).date()
        monday = today - dt.timedelta(days=today.weekday() + 7)
        return _week(monday, zone)
    if isinstance(week, str):
        return _week(_monday(week), zone)
    if not isinstance(week, (tuple, list)) or len(week) != 2:  # type: ignore[redundant-expr]  # noqa: PLR2004 - start and end
        raise ArgumentError(
            f'week={week!r}; give "last", an ISO week as in "2026-W47", or a start and an end'
        )
    start, end = (as_of.instant(edge, "week", tz).tz_convert(zone) for edge in week)
    if start >= end:
        raise ArgumentError(f"week={week!r}; the end must be after the start")
    return Span(f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}", start, end)


def _monday(text: str) -> dt.date:
    remedy = f'week={text!r} is not a week; give "last" or an ISO week as in "2026-W47"'
    try:
        monday = monday_of(text)
    except ValueError as error:
        raise ArgumentError(remedy) from error
    if monday is None:
        raise ArgumentError(remedy)
    return monday


def _week(monday: dt.date, zone: zoneinfo.ZoneInfo) -> Span:
    try:
        days = monday, monday + dt.timedelta(days=7)
        start, end = (pd.Timestamp(day).as_unit("ms").tz_localize(zone) for day in days)
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"the week of {monday} is not in the calendar") from error
    year, number, _ = monday.isocalendar()
    return Span(f"week {year}-W{number:02}", start, end)


def _back(span: Span, edge: pd.Timestamp, many: int) -> pd.Timestamp:
    """Move a time back by multiples of the length of a span, in local time."""
    start, end = (time.tz_localize(None) for time in (span.start, span.end))
    return _later(edge, -many * (end - start))


def _later(edge: pd.Timestamp, by: dt.timedelta) -> pd.Timestamp:
    """Add a timedelta in local time. A nonexistent hour becomes the next one."""
    moved: pd.Timestamp = (edge.tz_localize(None) + by).tz_localize(
        edge.tz, ambiguous=True, nonexistent="shift_forward"
    )
    return moved.as_unit("ms")
