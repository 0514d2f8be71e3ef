"""Calendar periods: which one an instant lies in, and when it began, by the clocks of a zone."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries import offsets
from pandas.tseries.frequencies import to_offset

from exportstats.core import coerce
from exportstats.core.schema import DAY
from exportstats.errors import ArgumentError

# pandas spells these differently for periods than for offsets; people know the short ones.
_SPELLINGS = {"M": "MS", "Q": "QS", "Y": "YS"}
_ISO_WEEK = re.compile(r"(\d{4})-W(\d\d)", re.ASCII)
_THURSDAY = 3  # 1970-01-01, counted from Monday
_MOST = 100_000  # of a day or longer at once; nobody means more, and in milliseconds they fit
_MONTHLY = (
    ((offsets.MonthBegin, offsets.MonthEnd), 1),
    ((offsets.QuarterBegin, offsets.QuarterEnd), 3),
    ((offsets.YearBegin, offsets.YearEnd), 12),
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def monday_of(week: str) -> date | None:
    """Return the first day of an ISO week, as in "2026-W47"; None if the text is not one.

    Raises
    ------
    ValueError
        The calendar has no such week.
    """
    found = _ISO_WEEK.fullmatch(week)
    return date.fromisocalendar(int(found[1]), int(found[2]), 1) if found else None


@dataclass(frozen=True)
class Calendar:
    """Periods of one frequency, numbered; period 0 is the one that has 1970-01-01 in it.

    Attributes
    ----------
    unit
        numpy's unit of the count, "ms" or "M".
    size
        How many of these units a period has.
    first
        Where period 0 begins, in these units since 1970.
    tz
        The time zone whose clocks are read.
    """

    unit: str
    size: int
    first: int
    tz: str = "UTC"

    def number(self, times: pd.Series) -> np.ndarray:
        """Return the number of the period of each time; a missing time gives the smallest int64."""
        local = times.dt.tz_convert(self.tz).dt.tz_localize(None).to_numpy(dtype="datetime64[ms]")
        count = local.astype(f"datetime64[{self.unit}]").view("int64")
        return np.where(count == coerce.NAT, coerce.NAT, (count - self.first) // self.size)

    def exist(self, numbers: np.ndarray) -> np.ndarray:
        """Return which periods there are: clocks that are set forward skip an hour."""
        there: np.ndarray = self.number(pd.Series(self.start(numbers))) == numbers
        return there

    def start(self, numbers: np.ndarray) -> pd.api.extensions.ExtensionArray:
        """Return the first instant of each period: `datetime64[ms, tz]`.

        Where clocks skip an hour, an hour that is not there starts when the next one does.
        """
        known = numbers != coerce.NAT
        count = np.where(known, numbers, 0) * self.size + self.first
        millis = count.view(f"datetime64[{self.unit}]").astype("datetime64[ms]").view("int64")
        local = coerce.times(np.where(known, millis, coerce.NAT))
        if self.tz == "UTC":
            return local
        first = np.ones(len(local), dtype=bool)
        return (
            pd.DatetimeIndex(local)
            .tz_localize(None)
            .tz_localize(self.tz, first, "shift_forward")
            .array
        )


def calendar_of(freq: str, tz: str = "UTC") -> Calendar:
    """Make the calendar of a frequency as pandas spells it.

    Weeks ("W") start on Monday, as pandas' own do; "W-SAT" starts on Sunday. Several at once, as
    in "2W", are counted from the one that has 1970-01-01 in it.

    Raises
    ------
    ArgumentError
        It is no frequency, or none with a fixed place in the calendar (business days).

    Examples
    --------
    >>> import pandas as pd
    >>> weeks = calendar_of("W")
    >>> times = pd.Series(pd.to_datetime(["2026-11-22 23:59Z", "2026-11-23 00:00Z"]))
    >>> [str(day.date()) for day in weeks.start(weeks.number(times))]
    ['2026-11-16', '2026-11-23']
    """
    try:
        offset = to_offset(_SPELLINGS.get(freq, freq))
    except (ValueError, TypeError, OverflowError):
        offset = None
    made = None if offset is None or offset.n <= 0 else _calendar(offset)
    if made is None:
        raise ArgumentError(
            f'freq={freq!r}; give a calendar frequency of pandas: "h", "D", "W", "MS", "QS" or '
            '"YS", or several of one, as in "6h"'
        )
    return replace(made, tz=tz)


def _calendar(offset: Any) -> Calendar | None:  # noqa: ANN401 - pandas' offsets have no common class
    """Make the calendar of an offset, if it has a fixed place."""
    if isinstance(offset, offsets.Tick):
        whole, rest = divmod(offset.nanos, 1_000_000)
        return None if rest else Calendar("ms", whole, 0)
    if offset.n > _MOST:
        return None
    if isinstance(offset, offsets.Week):
        weekday = getattr(offset, "weekday", None)  # pandas' types do not tell of it
        weekday = 6 if weekday is None else weekday
        first = (weekday + 1 - _THURSDAY) % 7 - 7
        return Calendar("ms", offset.n * 7 * DAY, first * DAY)
    if isinstance(offset, offsets.Day):
        return Calendar("ms", offset.n * DAY, 0)
    for kinds, months in _MONTHLY:
        if isinstance(offset, kinds):
            first = 0 if months == 1 else _first_month(offset, months)
            return Calendar("M", offset.n * months, first)
    return None


def _first_month(offset: Any, size: int) -> int:  # noqa: ANN401 - four classes, no common one
    """Return the last month at or before January 1970 at which a period begins."""
    name = offset.rule_code.rpartition("-")[2]  # as in YE-MAR: the month that it is anchored to
    month = _MONTHS.index(name)
    first = month if isinstance(offset, (offsets.QuarterBegin, offsets.YearBegin)) else month + 1
    return first % size - (size if first % size else 0)
