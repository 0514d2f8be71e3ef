"""Find lasting slowdowns of log groups: when each began, and by what factor."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exportstats.core import coerce, shards
from exportstats.core.schema import DAY, LOG_GROUP
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from exportstats.core.shards import Shards


# Days with tasks on each side of a change. Fewer can be one bad night, or a weekly rhythm.
_LEAST_DAYS = 10
# A smaller change can be significant, but does not matter.
_LEAST_FACTOR = 1.25
# The significance level, for all log groups together.
_LEVEL = 0.01
_CONFIDENCE = 0.95
# The highest autocorrelation of days; more is caused by another change that is not yet found.
_MOST_CORRELATED = 0.5


def find_slowdowns(
    tasks: pd.DataFrame | Shards, *, as_of: str | date | pd.Period | None = None
) -> pd.DataFrame:
    """Find lasting slowdowns of log groups' COMPLETED tasks, and when they began.

    The values of a log group are the medians of the logarithms of its durations, one per day of
    creation (UTC). So a bad night is one value, whatever its number of tasks. The candidate for a
    change is the day where the values before and after differ most, by the rank-sum test. It is a
    change if the difference is significant, considering that it is the largest of many [1]_ and
    that consecutive days are correlated. Both sides are then searched in the same way (binary
    segmentation). There are at least 10 days with tasks on each side of a change. Ranks make the
    method robust against long tails; a weekly rhythm affects both sides equally.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.
    as_of
        Use only what was known at this instant. By default, the states are used as they are.

    Returns
    -------
    DataFrame
        One row per slowdown with a factor of at least 1.25 and a `p_value` of at most 0.01, sorted
        by log group and time, with these columns:

        - `account_id`, `region`, `log_group_name`;
        - `since`, when the first slow task was created (`datetime64[ms, UTC]`);
        - `factor`, by which durations grew, and its 95 % interval `low` to `high`: the
          Hodges-Lehmann shift of the daily values and the order statistics of their differences
          [2]_, as factors;
        - `p_value`, corrected for the search and for the number of log groups searched;
        - `n_before`, `n_after`, the number of tasks since the previous change, and up to the next
          one.

    Raises
    ------
    ArgumentError
        If `as_of` has no time zone.
    SchemaError
        If `tasks` is not a table of tasks.

    Notes
    -----
    The interval assumes that the day of the change is known, so it is slightly too narrow. A
    temporary slowdown is not found, unless it was long. The number of bytes is unknown: a log group
    with larger windows or more events gets slower, too.

    References
    ----------
    .. [1] Miller and Siegmund (1982), Maximally selected chi square statistics, Biometrics 38.
    .. [2] Hollander, Wolfe and Chicken (2014), Nonparametric Statistical Methods, section 4.3.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> day, minute = 86_400_000, 60_000
    >>> frame = pd.DataFrame({"task_id": map(str, range(60)), "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED",
    ...                       "creation_time": [day * (20_000 + night) for night in range(60)]})
    >>> took = pd.Series(5 * minute, frame.index).where(frame.index < 40, 10 * minute)
    >>> tasks = xs.conform(frame.assign(completion_time=frame["creation_time"] + took))
    >>> xs.find_slowdowns(tasks)[["since", "factor", "n_before", "n_after"]]
                          since  factor  n_before  n_after
    0 2024-11-13 00:00:00+00:00     2.0        40       20
    """
    columns = (*LOG_GROUP, *grouping.DURATION_COLUMNS)
    found = shards.collect(known_at(tasks, as_of), _find, columns)
    # every log group that was searched has at least one row; it is empty without a change
    searched = len(found.drop_duplicates(list(LOG_GROUP)))
    p_value = np.minimum(found["p_value"] * searched, 1)
    significant = found["since"].notna() & (found["factor"] >= _LEAST_FACTOR) & (p_value <= _LEVEL)
    slower = found.assign(p_value=p_value)[significant]
    return slower.sort_values([*LOG_GROUP, "since"], ignore_index=True)


class _Days(NamedTuple):
    """Days with tasks, sorted by log group and time.

    Attributes
    ----------
    group
        Number of the log group, from 0.
    value
        Median of the logarithms of the durations in milliseconds.
    since
        Creation of the first task of the day, in milliseconds.
    tasks
        Number of tasks on all earlier days of all log groups; one element more than there are days.
    """

    group: np.ndarray
    value: np.ndarray
    since: np.ndarray
    tasks: np.ndarray


def _find(known: pd.DataFrame) -> pd.DataFrame:
    """Find the changes of one shard; a log group without changes has one empty row."""
    usable = (known["status_code"] == "COMPLETED") & known["duration"].notna()
    done = known[usable & known["log_group_name"].notna()]
    groups = grouping.group(done, LOG_GROUP)
    days = _days(groups.codes, done)
    sizes = np.bincount(days.group, minlength=len(groups.keys))
    ends = np.cumsum(sizes)
    searched = np.flatnonzero(sizes >= 2 * _LEAST_DAYS)
    changes = _changes(days.value, (ends - sizes)[searched], ends[searched])
    rows = [
        (group, *_measure(days, first, at, last), p)
        for group in searched
        for first, at, last, p in _settle(
            days.value, changes, ends[group] - sizes[group], ends[group]
        )
    ]
    unchanged = np.setdiff1d(searched, [row[0] for row in rows])
    rows += [(group, coerce.NAT, np.nan, np.nan, np.nan, 0, 0, np.nan) for group in unchanged]
    columns = ("group", "since", "factor", "low", "high", "n_before", "n_after", "p_value")
    table = {name: np.array([row[at] for row in rows]) for at, name in enumerate(columns)}
    return groups.keys.take(table["group"].astype("int64")).assign(
        since=coerce.times(table["since"].astype("int64")),
        **{name: table[name].astype("float64") for name in ("factor", "low", "high", "p_value")},
        **{name: table[name].astype("int64") for name in ("n_before", "n_after")},
    )


def _days(group: np.ndarray, done: pd.DataFrame) -> _Days:
    created = coerce.millis(done["creation_time"])
    millis = done["duration"].to_numpy().view("int64")
    day = created // DAY
    order = np.lexsort((millis, day, group))
    group, day, created = group[order], day[order], created[order]
    logs = np.log(np.maximum(millis[order], 1))
    new = (np.diff(group, prepend=-1) != 0) | (np.diff(day, prepend=0) != 0)
    starts = np.flatnonzero(new)
    tasks = np.append(starts, len(order))
    n = np.diff(tasks)
    value = (logs[starts + (n - 1) // 2] + logs[starts + n // 2]) / 2
    since = np.minimum.reduceat(created, starts) if len(starts) else created
    return _Days(group[starts], value, since, tasks)


def _changes(value: np.ndarray, first: np.ndarray, last: np.ndarray) -> list[int]:
    """Return where the values in each range `[first, last)` change.

    All ranges are split at once, then all their halves, until no split is significant.
    """
    found: list[int] = []
    while len(first):
        at, p = _split(value, first, last)
        splits = p <= _LEVEL
        found += at[splits].tolist()
        first, last, at = first[splits], last[splits], at[splits]
        first, last = np.concatenate([first, at]), np.concatenate([at, last])
        long = last - first >= 2 * _LEAST_DAYS
        first, last = first[long], last[long]
    return found


def _split(value: np.ndarray, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where to split each range into the two most different parts, and the p-value."""
    size = last - first
    ends = np.cumsum(size)
    begin = np.repeat(ends - size, size)
    segment = np.repeat(np.arange(len(size)), size)
    place = np.arange(len(segment)) - begin
    ranks, tied = _ranks(value[np.repeat(first, size) + place], segment, begin, len(size))
    n = np.repeat(size, size)
    through = np.cumsum(ranks)
    before = through - ranks - (through - ranks)[begin]  # sum of ranks before each place
    # Wilcoxon's rank sum: its mean, and its variance corrected for ties
    expected = place * (n + 1) / 2
    shrink = (size + 1) - tied / (size * (size - 1))
    variance = place * (n - place) / 12 * np.repeat(shrink, size)
    inside = (place >= _LEAST_DAYS) & (n - place >= _LEAST_DAYS) & (variance > 0)
    z = np.zeros(len(place))
    z[inside] = np.abs(before - expected)[inside] / np.sqrt(variance[inside])
    largest = np.maximum.reduceat(z, ends - size)
    highest = np.flatnonzero(z == largest[segment])
    at = place[highest[np.unique(segment[highest], return_index=True)[1]]]
    side = 2 * segment + (place >= np.repeat(at, size))
    return first + at, _p_of_largest(largest / _inflation(ranks, side, segment), size)


def _inflation(ranks: np.ndarray, side: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Return by how much the correlation of consecutive days increases the spread of rank sums.

    It is the factor of an autoregression with the lag-1 correlation about the means of both sides.
    """
    n = np.bincount(side)
    rest = ranks - (np.bincount(side, weights=ranks) / np.maximum(n, 1))[side]
    within = segment[1:] == segment[:-1]
    together = np.bincount(segment[1:], weights=np.where(within, rest[1:] * rest[:-1], 0))
    squares = np.bincount(segment, weights=rest**2)
    correlation = np.zeros(len(squares))
    np.divide(together, squares, out=correlation, where=squares > 0)
    correlation = np.clip(correlation, 0, _MOST_CORRELATED)
    inflation: np.ndarray = np.sqrt((1 + correlation) / (1 - correlation))
    return inflation


def _ranks(
    value: np.ndarray, segment: np.ndarray, begin: np.ndarray, many: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return each value's rank in its range, averaged for ties, and each range's sum of t**3 - t.

    Here `t` is the number of values in a tie.
    """
    order = np.lexsort((value, segment))
    ordered = value[order]
    new = (np.diff(segment, prepend=-1) != 0) | (np.diff(ordered, prepend=0) != 0)
    starts = np.flatnonzero(new)
    runs = np.diff(np.append(starts, len(order)))
    mean = starts + (runs + 1) / 2
    ranks = np.empty(len(order))
    ranks[order] = np.repeat(mean, runs)
    tied = np.bincount(segment[starts], weights=runs.astype("float64") ** 3 - runs, minlength=many)
    return ranks - begin, tied


def _p_of_largest(z: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the probability that a statistic is this large anywhere, if nothing ever changes.

    This is the formula of Miller and Siegmund for the largest |Z| over all places that leave a
    minimum share on either side. It does not hold below 1, where nothing is significant anyway.
    """
    b = np.maximum(z, 1)
    density = np.exp(-(b**2) / 2) / np.sqrt(2 * np.pi)
    width = 2 * np.log((size - _LEAST_DAYS) / _LEAST_DAYS)
    p: np.ndarray = np.minimum(density * ((b - 1 / b) * width + 4 / b), 1)
    return np.where(z > 1, p, 1.0)


def _settle(
    value: np.ndarray, changes: list[int], begin: int, end: int
) -> list[tuple[int, int, int, float]]:
    """Locate a log group's changes again, each between its neighbours, and drop insignificant ones.

    The search located each change before its neighbours were known, so it may be slightly off.

    Returns
    -------
    list
        For each change: start of the values before it, its place, end of the values after it, and
        the p-value.
    """
    edges = [*sorted(at for at in changes if begin < at < end), end]
    settled, before = [], begin
    for after in edges[1:]:
        at, p = _split(value, np.array([before]), np.array([after]))
        if p[0] <= _LEVEL:
            before = int(at[0])
            settled.append((before, float(p[0])))
    places = [begin, *(at for at, _ in settled), end]
    return [
        (first, at, last, p)
        for first, (at, p), last in zip(places, settled, places[2:], strict=False)
    ]


def _measure(
    days: _Days, first: int, at: int, last: int
) -> tuple[int, float, float, float, int, int]:
    """Return when a change was, its factor and interval, and the tasks before and after it."""
    before, after = days.value[first:at], days.value[at:last]
    differences = np.subtract.outer(after, before).ravel()
    many = len(differences)
    sigma = np.sqrt(many * (len(before) + len(after) + 1) / 12)
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    rank = max(int(np.floor(many / 2 - z * sigma)), 1)
    middle = [(many - 1) // 2, many // 2]
    differences.partition([rank - 1, *middle, many - rank])
    shift, low, high = differences[middle].mean(), differences[rank - 1], differences[many - rank]
    n_before, n_after = np.diff(days.tasks[[first, at, last]])
    factors = (float(np.exp(log)) for log in (shift, low, high))
    return (int(days.since[at]), *factors, int(n_before), int(n_after))  # type: ignore[return-value]
