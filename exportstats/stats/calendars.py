"""Calendar periods: which one an instant lies in, and when it began, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from pandas.tseries import offsets
from pandas.tseries.frequencies import to_offset

from exportstats.core import coerce
from exportstats.core.schema import DAY
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

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
    """

    unit: str
    size: int
    first: int

    def number(self, times: pd.Series) -> np.ndarray:
        """Return the number of the period of each time; a missing time gives the smallest int64."""
        count = (
            times.to_numpy(dtype="datetime64[ms]").astype(f"datetime64[{self.unit}]").view("int64")
        )
        return np.where(count == coerce.NAT, coerce.NAT, (count - self.first) // self.size)

    def start(self, numbers: np.ndarray) -> pd.api.extensions.ExtensionArray:
        """Return the first instant of each period that there is: `datetime64[ms, UTC]`."""
        known = numbers != coerce.NAT
        count = np.where(known, numbers, 0) * self.size + self.first
        millis = count.view(f"datetime64[{self.unit}]").astype("datetime64[ms]").view("int64")
        return coerce.times(np.where(known, millis, coerce.NAT))


def calendar_of(freq: str) -> Calendar:
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
    return made


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
