"""Number the calendar periods of a frequency, by the clocks of a time zone."""

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

# pandas spells these differently for periods than for offsets; the short ones are better known.
_SPELLINGS = {"M": "MS", "Q": "QS", "Y": "YS"}
_ISO_WEEK = re.compile(r"(\d{4})-W(\d\d)", re.ASCII)
_THURSDAY = 3  # the weekday of 1970-01-01, counted from Monday
_MOST = 100_000  # periods of a day or longer in one; the limit avoids an overflow of int64
_MONTHLY = (
    ((offsets.MonthBegin, offsets.MonthEnd), 1),
    ((offsets.QuarterBegin, offsets.QuarterEnd), 3),
    ((offsets.YearBegin, offsets.YearEnd), 12),
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def monday_of(week: str) -> date | None:
    """Return the first day of an ISO week such as "2026-W47"; None if the text is not an ISO week.

    Raises
    ------
    ValueError
        If the year does not have this week.
    """
    found = _ISO_WEEK.fullmatch(week)
    return date.fromisocalendar(int(found[1]), int(found[2]), 1) if found else None


@dataclass(frozen=True)
class Calendar:
    """Periods of one frequency, numbered. Period 0 contains 1970-01-01.

    Attributes
    ----------
    unit
        NumPy's unit, "ms" or "M".
    size
        The length of a period, in this unit.
    first
        The start of period 0, in this unit since 1970.
    tz
        The time zone.
    """

    unit: str
    size: int
    first: int
    tz: str = "UTC"

    def number(self, times: pd.Series) -> np.ndarray:
        """Return the number of each time's period; that of a missing time is the smallest int64."""
        local = times.dt.tz_convert(self.tz).dt.tz_localize(None).to_numpy(dtype="datetime64[ms]")
        count = local.astype(f"datetime64[{self.unit}]").view("int64")
        return np.where(count == coerce.NAT, coerce.NAT, (count - self.first) // self.size)

    def exist(self, numbers: np.ndarray) -> np.ndarray:
        """Return which periods exist: setting the clocks forward skips an hour."""
        exist: np.ndarray = self.number(pd.Series(self.start(numbers))) == numbers
        return exist

    def start(self, numbers: np.ndarray) -> pd.api.extensions.ExtensionArray:
        """Return the first instant of each period (`datetime64[ms, tz]`).

        A period that the clocks skip starts at the same instant as the next one.
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
    """Return the calendar of a pandas frequency.

    Weeks ("W") start on Monday, as in pandas; "W-SAT" starts on Sunday. Multiples, such as "2W",
    are counted from the period that contains 1970-01-01.

    Raises
    ------
    ArgumentError
        If it is not a frequency, or does not have a fixed place in the calendar (business days).

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
            '"YS", or a multiple such as "6h"'
        )
    return replace(made, tz=tz)


def _calendar(offset: Any) -> Calendar | None:  # noqa: ANN401 - pandas' offsets have no common class
    """Return the calendar of an offset; None if it does not have a fixed place."""
    if isinstance(offset, offsets.Tick):
        whole, rest = divmod(offset.nanos, 1_000_000)
        return None if rest else Calendar("ms", whole, 0)
    if offset.n > _MOST:
        return None
    if isinstance(offset, offsets.Week):
        weekday = getattr(offset, "weekday", None)  # not in pandas' type stubs
        weekday = 6 if weekday is None else weekday
        first = -((_THURSDAY - 1 - weekday) % 7)
        return Calendar("ms", offset.n * 7 * DAY, first * DAY)
    if isinstance(offset, offsets.Day):
        return Calendar("ms", offset.n * DAY, 0)
    for kinds, months in _MONTHLY:
        if isinstance(offset, kinds):
            first = 0 if months == 1 else _first_month(offset, months)
            return Calendar("M", offset.n * months, first)
    return None


def _first_month(offset: Any, size: int) -> int:  # noqa: ANN401 - four classes, no common one
    """Return the month, counted from January 1970, in which period 0 of a calendar begins."""
    name = offset.rule_code.rpartition("-")[2]  # the month of an anchor such as YE-MAR
    month = _MONTHS.index(name)
    first = month if isinstance(offset, (offsets.QuarterBegin, offsets.YearBegin)) else month + 1
    return -(-first % size)
