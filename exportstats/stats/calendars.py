"""Number the calendar periods of a frequency, by the clocks of a time zone."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from exportstats.core import coerce
from exportstats.errors import ArgumentError

_THURSDAY = 3  # the weekday of the day 0, 1970-01-01
# the names of pandas' offsets, and of the same periods
_PERIODS = {name: name for name in ("ms", "s", "min", "h", "D", "W")}
_PERIODS |= {"M": "M", "MS": "M", "ME": "M", "QS": "Q", "QE": "Q", "YS": "Y", "YE": "Y"}
_SPELLINGS = {"M": "MS", "Q": "QS", "Y": "YS"}  # the short names are better known
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_ISO_WEEK = re.compile(r"(\d{4})-W(\d\d)", re.ASCII)
_MOST = 100_000  # periods in one; the limit avoids an overflow of int64


def weekday_of(day: np.ndarray) -> np.ndarray:
    """Return the weekday of days since 1970. Monday is 0."""
    weekday: np.ndarray = (day + _THURSDAY) % 7
    return weekday


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
    freq
        pandas' name of a single period, such as "W-SUN".
    multiple
        How many of these are one period of this calendar.
    tz
        The time zone.
    """

    freq: str
    multiple: int
    tz: str = "UTC"

    @property
    def _first(self) -> int:
        return pd.Period("1970-01-01", self.freq).ordinal

    def number(self, times: pd.Series) -> np.ndarray:
        """Return the number of each time's period; that of a missing time is the smallest int64."""
        local = times.dt.tz_convert(self.tz).dt.tz_localize(None)
        count = local.dt.to_period(self.freq).array.asi8
        return np.where(count == coerce.NAT, coerce.NAT, (count - self._first) // self.multiple)

    def exist(self, numbers: np.ndarray) -> np.ndarray:
        """Return which periods exist: setting the clocks forward skips an hour."""
        exist: np.ndarray = self.number(pd.Series(self.start(numbers))) == numbers
        return exist

    def start(self, numbers: np.ndarray) -> pd.api.extensions.ExtensionArray:
        """Return the first instant of each period (`datetime64[ms, tz]`).

        A period that the clocks skip starts at the same instant as the next one.
        """
        count = np.where(numbers == coerce.NAT, coerce.NAT, numbers * self.multiple + self._first)
        periods = pd.PeriodIndex(pd.arrays.PeriodArray(count, pd.PeriodDtype(self.freq)))
        local = periods.to_timestamp().as_unit("ms")
        first = np.ones(len(local), dtype=bool)
        return local.tz_localize(self.tz, first, "shift_forward").array


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
    with suppress(ValueError, TypeError, OverflowError, AttributeError):
        offset = to_offset(_SPELLINGS.get(freq, freq))
        name, _, anchor = offset.rule_code.partition("-")
        if name in _PERIODS and 0 < offset.n <= _MOST:
            if name in ("QS", "YS"):  # pandas names these periods by their last month
                anchor = _MONTHS[_MONTHS.index(anchor) - 1]
            return Calendar(f"{_PERIODS[name]}-{anchor}".rstrip("-"), offset.n, tz)
    raise ArgumentError(
        f'freq={freq!r}; give a calendar frequency of pandas: "h", "D", "W", "MS", "QS" or "YS", '
        'or a multiple such as "6h"'
    )
