"""How much of a range is covered: of each log group in all, and day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import DAY, LOG_GROUP
from exportstats.coverage import exports, gaps, premature, windows
from exportstats.coverage.asked import ask
from exportstats.errors import ArgumentError
from exportstats.stats import grouping
from exportstats.stats.as_of import zone

if TYPE_CHECKING:
    from exportstats.core import shards
    from exportstats.coverage.asked import Asked
    from exportstats.coverage.exports import Exports
    from exportstats.stats.as_of import Instant

# A column a day; nobody looks at more.
_MOST_DAYS = 10_000


def coverage_summary(
    tasks: shards.Tasks,
    *,
    start: Instant,
    end: Instant,
    log_groups: pd.DataFrame | None = None,
    tolerance: str | pd.Timedelta = "0ms",
    as_of: Instant = None,
    deliveries: pd.DataFrame | None = None,
    margin: str | pd.Timedelta = "12h",
) -> pd.DataFrame:
    """Summarise how much of a range COMPLETED tasks cover, log group by log group.

    Parameters
    ----------
    tasks, start, end, log_groups, tolerance, as_of, deliveries
        As in `find_gaps`.
    margin
        What is covered only by tasks created sooner than this after the end of their window is
        premature: late events may be missing.

    Returns
    -------
    DataFrame
        Index: `account_id`, `region`, `log_group_name`, in order. The range of a log group begins
        at its creation if that is later than `start`; those created at `end` or later are left
        out. Columns: `covered_fraction` of the range, `gaps`, how many, `missing` and
        `overlapping`, how much of it none and more than one task covers (`timedelta64[ms]`),
        `premature_fraction` of the range, and `covered_until`, where the first gap starts
        (`datetime64[ms, UTC]`): the end of the range without a gap, its start if nothing covers
        that.

    Raises
    ------
    ArgumentError
        An instant without a time zone, a range that does not end after its start, or a tolerance
        or margin that is no length of time.
    SchemaError
        A table that is none, or a log group that stands there twice.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> day = 86_400_000
    >>> frame = pd.DataFrame({"task_id": ["a"], "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED", "from_time": [0],
    ...                       "to_time": [3 * day - 1], "creation_time": [5 * day]})
    >>> summary = coverage_summary(frames.conform(frame),
    ...                            start="1970-01-01T00:00Z", end="1970-01-05T00:00Z")
    >>> summary[["covered_fraction", "gaps", "missing"]].reset_index(drop=True)
       covered_fraction  gaps missing
    0              0.75     1  1 days
    """
    asked = ask(
        start,
        end,
        log_groups=log_groups,
        tolerance=tolerance,
        as_of=as_of,
        deliveries=deliveries,
        margin=margin,
    )
    found = exports.collect(tasks, _summarise, asked)
    found = exports.sort_rows(found[found["low"] < asked.end], [])
    whole = (asked.end - found["low"]).to_numpy()
    missing = found["missing"].to_numpy()
    return pd.DataFrame(
        {
            "covered_fraction": (whole - missing) / whole,
            "gaps": found["gaps"].to_numpy(),
            "missing": missing.view("timedelta64[ms]"),
            "overlapping": found["overlapping"].to_numpy().view("timedelta64[ms]"),
            "premature_fraction": found["premature"].to_numpy() / whole,
            "covered_until": coerce.times(found["until"].to_numpy()),
        },
        index=grouping.index_of(found[list(LOG_GROUP)]),
    )


def coverage_by_day(
    tasks: shards.Tasks,
    *,
    start: Instant,
    end: Instant,
    log_groups: pd.DataFrame | None = None,
    tolerance: str | pd.Timedelta = "0ms",
    as_of: Instant = None,
    deliveries: pd.DataFrame | None = None,
    tz: str = "UTC",
) -> pd.DataFrame:
    """Return how much of each day COMPLETED tasks cover, log group by log group.

    Parameters
    ----------
    tasks, start, end, log_groups, tolerance, as_of, deliveries
        As in `find_gaps`.
    tz
        The time zone of the days, and of dates given as `start` and `end`, as in "Europe/Berlin";
        days have 23, 24 or 25 hours.

    Returns
    -------
    DataFrame
        Index: `account_id`, `region`, `log_group_name`, in order; those created at `end` or later
        are left out. Columns: `day`, the first instant of each day, in `tz`. Values: which
        fraction is covered of what lies in the range of that day, missing where nothing does:
        before the creation of the log group.

    Raises
    ------
    ArgumentError
        As `find_gaps`; there is no such time zone, or there are more than 10,000 days.
    SchemaError
        A table that is none, or a log group that stands there twice.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> hour = 3_600_000
    >>> frame = pd.DataFrame({"task_id": ["a"], "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED", "from_time": [0],
    ...                       "to_time": [36 * hour - 1]})
    >>> coverage_by_day(frames.conform(frame), start="1970-01-01T00:00Z",
    ...                 end="1970-01-03T00:00Z").to_numpy()
    array([[1. , 0.5]])
    """
    asked = ask(
        start,
        end,
        log_groups=log_groups,
        tolerance=tolerance,
        as_of=as_of,
        deliveries=deliveries,
        tz=zone(tz),
    )
    days = _days(asked, tz)
    found = exports.collect(tasks, gaps.answer, asked)
    codes, keys = exports.in_order(found)
    low = exports.beginnings(keys, asked)
    edges = np.append(days.asi8, asked.end)
    edges = np.clip(edges[None, :], low[:, None], asked.end)

    lacking = np.flatnonzero(found["start"] != coerce.NAT)
    start_, end_ = (found[name].to_numpy()[lacking] for name in ("start", "end"))
    order = np.lexsort([start_, codes[lacking]])
    missing = windows.Stretches(codes[lacking], start_, end_).take(order)
    axis = windows.axis_of(len(keys), *missing[1:], edges)
    group = np.broadcast_to(np.arange(len(keys))[:, None], edges.shape)
    lost = np.diff(windows.total_before(axis, missing, group, edges), axis=1)
    asked_for = np.diff(edges, axis=1)
    share = np.full(lost.shape, np.nan)
    np.divide(asked_for - lost, asked_for, out=share, where=asked_for > 0)
    table = pd.DataFrame(share, index=grouping.index_of(keys), columns=days)
    return table[low < asked.end]


def _summarise(found: Exports, asked: Asked) -> pd.DataFrame:
    many = len(found.keys)
    missing = gaps.find(found, asked)
    until = found.high.copy()
    with_gap, first = np.unique(missing.group, return_index=True)
    until[with_gap] = missing.start[first]

    covering, good = found.covering, found.covering & ~premature.find(found, asked)
    all_windows, good_windows = found.windows(covering), found.windows(good)
    axis = windows.axis_of(many, *all_windows[1:])
    pieces = windows.cut(axis, all_windows)
    depth = windows.depths(axis, all_windows, pieces)
    only_premature = (depth > 0) & (windows.depths(axis, good_windows, pieces) == 0)
    return pd.DataFrame(
        {
            **exports.keys_of(found.keys, np.arange(many)),
            "low": found.low,
            "gaps": np.bincount(missing.group, minlength=many),
            "missing": missing.total(many),
            "overlapping": pieces.take(depth > 1).total(many),
            "premature": pieces.take(only_premature).total(many),
            "until": until,
        }
    )


def _days(asked: Asked, tz: str) -> pd.DatetimeIndex:
    """Return the first instant of each day that has some of the range in it."""
    many = (asked.end - asked.start) // DAY
    if many > _MOST_DAYS:
        raise ArgumentError(f"the range has {many:,} days, more than {_MOST_DAYS:,}; ask for less")
    ends = coerce.times(np.array([asked.start, asked.end - 1]))
    first, last = pd.DatetimeIndex(ends).tz_convert(tz).tz_localize(None).normalize()
    dates = pd.date_range(first, last, freq="D", unit="ms", name="day")
    # where a change of the clocks takes midnight away the day begins after it, where it repeats
    # midnight at the first one; what is given for a day that a zone skipped is of another day
    days = dates.tz_localize(
        tz, ambiguous=np.ones(len(dates), dtype=bool), nonexistent="shift_forward"
    )
    return days[days.tz_localize(None).normalize() == dates]
