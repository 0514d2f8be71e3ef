"""Find the weekdays on which a log group is never exported, such as the weekend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import DAY
from exportstats.stats import matching, windows
from exportstats.stats.calendars import weekday_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Millis = NDArray[np.int64]

# After this many weeks in which a weekday was not exported, nothing is due on it.
WEEKS_WITHOUT = 4
# Only weeks count in which at least this many days were exported.
DAYS_EXPORTED = 4
# A day with less than this in a window counts as not exported.
_SLACK = 3_600_000
_WEEK = 7  # days


def find_rest_days(
    gaps: pd.DataFrame, groups: pd.DataFrame, undelivered: pd.DataFrame
) -> pd.DataFrame:
    """Find the days on which nothing is due, because their weekday is never exported.

    A weekday that is not exported in `WEEKS_WITHOUT` weeks is a rest day from the next week on,
    until it is exported again. If it was not exported before either, these weeks count too.

    Parameters
    ----------
    gaps
        The gaps after the first export of each log group. `group` is the row in `groups`.
    groups
        The log groups, as returned by `rhythm.learn`.
    undelivered
        The tasks that did not export their windows. A day in such a window is not a rest day.

    Returns
    -------
    DataFrame
        One row per rest day: `group`; `start` and `end` (milliseconds); and `since`, the first of
        the successive weeks without this day. A day begins at the `phase` of the log group.
    """
    phase = groups["phase"].to_numpy()
    first_day = (coerce.millis(groups["first_window"]) - phase + _SLACK) // DAY
    code, day = _days_within(*_joined(gaps), phase)
    low = day.min() - _WEEK if len(day) else 0
    span = int(day.max() - low) + 2 if len(day) else 1

    def key(code: Millis, day: Millis) -> Millis:
        """Return one sortable number for a log group and a day."""
        number: Millis = code * span + np.clip(day - low, 0, span - 1)
        return number

    keys = key(code, day)
    # of the week up to each day
    missing = np.arange(1, len(keys) + 1) - np.searchsorted(keys, key(code, day - 6))
    is_good = np.minimum(day - first_day[code] + 1, _WEEK) - missing >= DAYS_EXPORTED
    tried, begin, last = _tried(undelivered, groups, phase)
    change = np.zeros(len(keys) + 1, dtype="int64")
    np.add.at(change, np.searchsorted(keys, key(tried, begin)), 1)
    np.add.at(change, np.searchsorted(keys, key(tried, last), side="right"), -1)
    left = np.flatnonzero(change.cumsum()[:-1] == 0)
    weekday = weekday_of(day)
    left = left[np.lexsort([day[left], weekday[left], code[left]])]
    code, day, weekday, good = code[left], day[left], weekday[left], is_good[left].astype("int64")
    begins = np.append(
        True, (np.diff(code) != 0) | (np.diff(weekday) != 0) | (np.diff(day) != _WEEK)
    )
    begins = begins[: len(day)]
    run = np.cumsum(begins) - 1
    before = good.cumsum() - good
    before -= before[begins][run]
    in_all = np.bincount(run, weights=good)[run]
    since = day[begins][run]
    never = since - _WEEK < first_day[code]
    rests = np.where(never, in_all, before) >= WEEKS_WITHOUT
    start = (day * DAY + phase[code])[rests]
    return pd.DataFrame(
        {
            "group": code[rests],
            "start": start,
            "end": start + DAY,
            "since": (since * DAY + phase[code])[rests],
        }
    ).sort_values(["group", "start"], ignore_index=True)


def without_rest(gaps: pd.DataFrame, group: Millis, rest: pd.DataFrame) -> pd.DataFrame:
    """Return the parts of gaps outside of rest days. `group` is the log group of each gap, or -1.

    Returns
    -------
    DataFrame
        The columns `row` (the position of the gap), `start` and `end` (milliseconds).
    """
    start, end = coerce.millis(gaps["start"]), coerce.millis(gaps["end"])
    code, low, high = (rest[name].to_numpy() for name in ("group", "start", "end"))
    axis = windows.axis_of(int(group.max(initial=0)) + 1, start, end, low, high)
    known = np.flatnonzero(group >= 0)
    known = known[np.argsort(axis.pack(group[known], start[known]))]
    ends, begins = (axis.pack(group[known], edge[known]) for edge in (end, start))
    first = np.searchsorted(ends, axis.pack(code, low), side="right")
    after = np.searchsorted(begins, axis.pack(code, high))
    day, place = _repeated(first, np.maximum(after - first, 0))
    row = known[place]
    edges = np.maximum(low[day], start[row]), np.minimum(high[day], end[row])
    left = windows.find_uncovered(windows.Intervals(row, *edges), start, end)
    return pd.DataFrame({"row": left.group, "start": left.start, "end": left.end})


def _joined(gaps: pd.DataFrame) -> tuple[Millis, Millis, Millis]:
    """Return the group, start and end of gaps, joined where one ends and the next one starts.

    Log groups with too few gaps of a day are left out. Rest days are not exported in some weeks of
    which other days were, so they lie in as many gaps.
    """
    code, start, end = gaps["group"].to_numpy(), *map(coerce.millis, (gaps["start"], gaps["end"]))
    order = np.lexsort([start, code])
    code, start, end = code[order], start[order], end[order]
    begins = np.append(True, (code[1:] != code[:-1]) | (start[1:] != end[:-1]))[: len(code)]
    ends = np.append(begins[1:], True)[: len(code)]
    code, start, end = code[begins], start[begins], end[ends]
    long = end - start >= DAY - 2 * _SLACK
    code, start, end = code[long], start[long], end[long]
    many = np.bincount(code)[code] >= WEEKS_WITHOUT
    return code[many], start[many], end[many]


def _days_within(code: Millis, start: Millis, end: Millis, phase: Millis) -> tuple[Millis, Millis]:
    """Return the log group and the number of each whole day within some intervals."""
    first = -((phase[code] + _SLACK - start) // DAY)
    after = (end - phase[code] + _SLACK) // DAY
    which, day = _repeated(first, np.maximum(after - first, 0))
    return code[which], day


def _tried(
    undelivered: pd.DataFrame, groups: pd.DataFrame, phase: Millis
) -> tuple[Millis, Millis, Millis]:
    """Return the log group, the first and the last day of the windows of some tasks."""
    code = matching.locate(undelivered, groups)
    start, end = (coerce.millis(undelivered[name]) for name in ("from_time", "to_time"))
    whole = (code >= 0) & (start != coerce.NAT) & (start <= end)
    code, start, end = code[whole], start[whole], end[whole]
    first = (start - phase[code] + _SLACK) // DAY
    last = -((phase[code] + _SLACK - 1 - end) // DAY) - 1
    known = first <= last
    return code[known], first[known], last[known]


def _repeated(first: Millis, count: Millis) -> tuple[Millis, Millis]:
    """Return, for each of `count` numbers from `first` on, the position of `first` and itself."""
    position = np.repeat(np.arange(len(first)), count)
    begin = np.cumsum(count) - count
    return position, first[position] + np.arange(len(position)) - begin[position]
