"""Summarise how much of a range is covered, in total and per day."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import DAY, LOG_GROUP
from exportstats.coverage import exports, gaps, premature
from exportstats.coverage.query import make_query
from exportstats.errors import ArgumentError
from exportstats.stats import grouping, windows
from exportstats.stats.as_of import zone
from exportstats.stats.weighted import divide

if TYPE_CHECKING:
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.coverage.exports import Exports
    from exportstats.coverage.query import Query

_MOST_DAYS = 10_000  # one column each


def coverage_summary(  # noqa: PLR0913 - all options are keyword-only
    tasks: pd.DataFrame | Shards,
    *,
    start: str | date | pd.Period | None,
    end: str | date | pd.Period | None,
    log_groups: pd.DataFrame | None = None,
    tolerance: str | pd.Timedelta = "0ms",
    as_of: str | date | pd.Period | None = None,
    deliveries: pd.DataFrame | None = None,
    api_calls: pd.DataFrame | None = None,
    incoming: pd.DataFrame | None = None,
    lateness: str | pd.Timedelta = "1h",
    margin: str | pd.Timedelta = "12h",
) -> pd.DataFrame:
    """Summarise how much of a range COMPLETED tasks cover, per log group.

    Parameters
    ----------
    tasks, start, end, log_groups, tolerance, as_of, deliveries, api_calls, incoming, lateness
        See `find_gaps`.
    margin
        Parts that are covered only by tasks created sooner than this after the end of their window
        are premature: late events may be missing.

    Returns
    -------
    DataFrame
        Indexed by `account_id`, `region` and `log_group_name`, sorted. The range of a log group
        begins at its creation if that is later than `start`; log groups created at `end` or later
        are left out. Columns:

        - `length` of the range (`timedelta64[ms]`);
        - `covered_at_most`, the fraction of the range that COMPLETED tasks cover;
        - `covered_at_least`, the fraction of it that is proven to be in S3: see `evidence` of
          `coverage_timeline`;
        - `partial_fraction`, that of what only tasks with a stream prefix or missing streams cover;
        - `silent_fraction`, that of gaps in which nothing came in;
        - `gaps`, the number of the other gaps;
        - `missing`, their length (`timedelta64[ms]`);
        - `overlapping`, how much more than one task covers (`timedelta64[ms]`);
        - `premature_fraction` of the range;
        - `covered_until`, the start of the first gap that is not silent (`datetime64[ms, UTC]`), or
          the end of the range if there is no gap.

        `covered_at_most`, `silent_fraction` and `missing` add up to the range. Without deliveries,
        API calls and incoming data, `covered_at_least` is 0.

    Raises
    ------
    ArgumentError
        If an instant has no time zone, the range does not end after its start, or `tolerance` or
        `margin` is not a length of time.
    SchemaError
        If a table is not the one it should be, or a log group is listed twice.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> day = 86_400_000
    >>> frame = pd.DataFrame({"task_id": ["a"], "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED", "from_time": [0],
    ...                       "to_time": [3 * day - 1], "creation_time": [5 * day]})
    >>> summary = xs.coverage_summary(xs.conform(frame),
    ...                               start="1970-01-01T00:00Z", end="1970-01-05T00:00Z")
    >>> summary[["covered_at_least", "covered_at_most", "missing"]].reset_index(drop=True)
       covered_at_least  covered_at_most missing
    0               0.0             0.75  1 days
    """
    query = make_query(
        start,
        end,
        log_groups=log_groups,
        tolerance=tolerance,
        as_of=as_of,
        deliveries=deliveries,
        api_calls=api_calls,
        incoming=incoming,
        lateness=lateness,
        margin=margin,
    )
    found = exports.collect(tasks, _summarise, query)
    found = exports.sort_rows(found[found["low"] < query.end], [])
    whole = (query.end - found["low"]).to_numpy()
    missing, silent = found["missing"].to_numpy(), found["silent"].to_numpy()
    return pd.DataFrame(
        {
            "length": whole.view("timedelta64[ms]"),
            "covered_at_least": found["proven"].to_numpy() / whole,
            "covered_at_most": (whole - missing - silent) / whole,
            "partial_fraction": found["partial"].to_numpy() / whole,
            "silent_fraction": silent / whole,
            "gaps": found["gaps"].to_numpy(),
            "missing": missing.view("timedelta64[ms]"),
            "overlapping": found["overlapping"].to_numpy().view("timedelta64[ms]"),
            "premature_fraction": found["premature"].to_numpy() / whole,
            "covered_until": coerce.times(found["until"].to_numpy()),
        },
        index=grouping.index_of(found[list(LOG_GROUP)]),
    )


def coverage_by_day(  # noqa: PLR0913 - all options are keyword-only
    tasks: pd.DataFrame | Shards,
    *,
    start: str | date | pd.Period | None,
    end: str | date | pd.Period | None,
    log_groups: pd.DataFrame | None = None,
    tolerance: str | pd.Timedelta = "0ms",
    as_of: str | date | pd.Period | None = None,
    deliveries: pd.DataFrame | None = None,
    api_calls: pd.DataFrame | None = None,
    incoming: pd.DataFrame | None = None,
    lateness: str | pd.Timedelta = "1h",
    margin: str | pd.Timedelta = "12h",
    tz: str = "UTC",
    bound: Literal["at_most", "at_least"] = "at_most",
) -> pd.DataFrame:
    """Return how much of each day COMPLETED tasks cover, per log group.

    Parameters
    ----------
    tasks, start, end, log_groups, tolerance, as_of, deliveries, api_calls, incoming, lateness
        See `find_gaps`.
    margin
        As for `coverage_summary`.
    tz
        Time zone of the days, and of dates given as `start` and `end`, such as "Europe/Berlin". A
        day can have 23 or 25 hours.
    bound
        Which of the two fractions of `coverage_summary` to return: "at_most" or "at_least".

    Returns
    -------
    DataFrame
        Covered fraction per log group (rows) and day (columns). The index has `account_id`,
        `region` and `log_group_name`, sorted; log groups created at `end` or later are left out.
        The columns are the first instants of the days, in `tz`. Only the part of a day that lies in
        the range counts. Days before the creation of the log group are missing.

    Raises
    ------
    ArgumentError
        As in `find_gaps`; also if there is no such time zone, or there are more than 10,000 days.
    SchemaError
        If a table is not the one it should be, or a log group is listed twice.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> hour = 3_600_000
    >>> frame = pd.DataFrame({"task_id": ["a"], "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED", "from_time": [0],
    ...                       "to_time": [36 * hour - 1]})
    >>> xs.coverage_by_day(xs.conform(frame), start="1970-01-01T00:00Z",
    ...                    end="1970-01-03T00:00Z").to_numpy()
    array([[1. , 0.5]])
    """
    query = make_query(
        start,
        end,
        log_groups=log_groups,
        tolerance=tolerance,
        as_of=as_of,
        deliveries=deliveries,
        api_calls=api_calls,
        incoming=incoming,
        lateness=lateness,
        margin=margin,
        tz=zone(tz),
    )
    days = _days(query, tz)
    if bound not in ("at_most", "at_least"):
        raise ArgumentError(f'bound={bound!r}; give "at_most" or "at_least"')
    answer = gaps.answer if bound == "at_most" else _unproven
    found = exports.collect(tasks, answer, query)
    codes, keys = exports.in_order(found)
    low = exports.beginnings(keys, query)
    edges = np.append(days.asi8, query.end)
    edges = np.clip(edges[None, :], low[:, None], query.end)

    lacking = np.flatnonzero(found["start"] != coerce.NAT)
    start_, end_ = (found[name].to_numpy()[lacking] for name in ("start", "end"))
    order = np.lexsort([start_, codes[lacking]])
    missing = windows.Intervals(codes[lacking], start_, end_).take(order)
    axis = windows.axis_of(len(keys), *missing[1:], edges)
    group = np.broadcast_to(np.arange(len(keys))[:, None], edges.shape)
    lost = np.diff(windows.total_before(axis, missing, group, edges), axis=1)
    in_range = np.diff(edges, axis=1)
    table = pd.DataFrame(
        divide(in_range - lost, in_range), index=grouping.index_of(keys), columns=days
    )
    return table[low < query.end]


def _unproven(found: Exports, query: Query) -> pd.DataFrame:
    """Return what is not proven of some log groups, as gaps."""
    is_proven = found.covering & (exports.proofs_of(found, query) == exports.PROVEN)
    proven = found._replace(meaning=np.where(is_proven, found.meaning, exports.NEVER_TRIED))
    return gaps.answer(proven, replace(query, tolerance=0))


def _summarise(found: Exports, query: Query) -> pd.DataFrame:
    many = len(found.keys)
    every = gaps.find(found, query)
    is_silent = gaps.are_silent(found.keys, *every, query)
    missing = every.take(~is_silent)
    until = found.high.copy()
    with_gap, first = np.unique(missing.group, return_index=True)
    until[with_gap] = missing.start[first]

    covering, good = found.covering, found.covering & ~premature.find(found, query)
    all_windows, good_windows = found.windows(covering), found.windows(good)
    axis = windows.axis_of(many, *all_windows[1:])
    pieces = windows.cut(axis, all_windows)
    depth = windows.depths(axis, all_windows, pieces)
    only_premature = (depth > 0) & (windows.depths(axis, good_windows, pieces) == 0)
    proofs = exports.proofs_of(found, query)
    proven, whole = (
        windows.depths(axis, found.windows(covering & (proofs >= proof)), pieces) > 0
        for proof in (exports.PROVEN, exports.CLAIMED)
    )
    return pd.DataFrame(
        {
            **exports.keys_of(found.keys, np.arange(many)),
            "low": found.low,
            "gaps": np.bincount(missing.group, minlength=many),
            "missing": missing.total(many),
            "silent": every.take(is_silent).total(many),
            "proven": pieces.take(proven).total(many),
            "partial": pieces.take((depth > 0) & ~whole).total(many),
            "overlapping": pieces.take(depth > 1).total(many),
            "premature": pieces.take(only_premature).total(many),
            "until": until,
        }
    )


def _days(query: Query, tz: str) -> pd.DatetimeIndex:
    """Return the first instant of each day that overlaps the range."""
    many = (query.end - query.start) // DAY
    if many > _MOST_DAYS:
        raise ArgumentError(f"{many:,} days are more than {_MOST_DAYS:,}; give a shorter range")
    ends = coerce.times(np.array([query.start, query.end - 1]))
    first, last = pd.DatetimeIndex(ends).tz_convert(tz).tz_localize(None).normalize()
    dates = pd.date_range(first, last, freq="D", unit="ms", name="day")
    # if the clocks skip midnight, the day begins after it; if they repeat it, at the first one; a
    # date that the time zone skips altogether is dropped below
    days = dates.tz_localize(
        tz, ambiguous=np.ones(len(dates), dtype=bool), nonexistent="shift_forward"
    )
    return days[days.tz_localize(None).normalize() == dates]
