"""Compare two periods: number of tasks, failure rate and durations, with confidence intervals."""

from __future__ import annotations

from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import frames, schema, shards
from exportstats.errors import ArgumentError
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at, period, zone
from exportstats.stats.completion import check_confidence
from exportstats.stats.weighted import DURATION_COLUMNS, count_durations, divide, sort_weighted

if TYPE_CHECKING:
    from exportstats.stats.as_of import Instant, Period
    from exportstats.stats.grouping import By, Groups
    from exportstats.stats.weighted import Weighted

MEASURES = ("tasks", "failure_rate", "p50", "p90")
UNITS = ("tasks", "share", "s")
VERDICTS = ("worse", "better", "no clear change")
_COLUMNS = (
    *("previous", "current", "unit", "change", "ratio", "low", "high"),
    *("n_previous", "n_current", "verdict"),
)
_QUANTILES = {"p50": 0.5, "p90": 0.9}

# The smallest change that matters, in the measure's unit and relative to the previous value. One
# more failure in a thousand does not matter, nor does one more second in a minute.
_LARGE_ENOUGH = {"failure_rate": (0.01, 0.25), "p50": (30.0, 0.2), "p90": (30.0, 0.2)}
_RESAMPLES = 1_000
_LEAST_TASKS = 10  # with fewer, the spread of quantiles is unknown
_SEED = 20_261_123  # arbitrary, but fixed


def compare_periods(
    tasks: shards.Tasks,
    *,
    current: Period,
    previous: Period,
    by: By = None,
    tz: str = "UTC",
    confidence: float = 0.95,
    as_of: Instant = None,
) -> pd.DataFrame:
    """Compare the tasks created in one period with those created in another.

    A change has a verdict if its confidence interval excludes 0 and it is large enough: for the
    failure rate, at least 1 percentage point and 25 % of the previous rate; for a duration, at
    least 30 s and 20 % of the previous one. An increase is worse. The number of tasks depends on a
    schedule and not on chance, so it has neither an interval nor a verdict.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    current, previous
        The periods, by creation time, which must not overlap: a month such as "2026-11", an ISO
        week such as "2026-W47", a day, a quarter, a year, a `pd.Period`, or start and end
        (exclusive).
    by
        Column or columns to group by. Only groups with a task in either period are returned.
    tz
        Time zone of periods and dates, such as "Europe/Berlin".
    confidence
        Level of each interval. Among many groups without a change, some will seem to have one; the
        required sizes keep them few.
    as_of
        Use only what was known at this instant. By default, the states are used as they are.

    Returns
    -------
    DataFrame
        Indexed by group and `measure`: `tasks`; `failure_rate`, the share of FAILED tasks among
        those that ended; `p50` and `p90`, quantiles of the durations of COMPLETED tasks. Columns:

        - `previous`, `current`, in the `unit` "tasks", "share" or "s";
        - `change`, current minus previous, and its confidence interval `low` to `high`;
        - `ratio` of current to previous;
        - `n_previous`, `n_current`, the number of tasks behind the measure;
        - `verdict`: "worse", "better" or "no clear change".

        Values that cannot be computed are missing: a rate or a quantile without tasks, a ratio to
        0, the interval of a quantile with fewer than 10 tasks in either period.

    Raises
    ------
    ArgumentError
        If a period is not valid, the periods overlap, a column cannot be grouped by, `confidence`
        is not between 0 and 1, or `as_of` has no time zone.

    Notes
    -----
    Rates: Newcombe's hybrid score interval, from two Wilson intervals [1]_. Quantiles: percentile
    bootstrap with 1,000 resamples and a fixed seed. A resample's quantile lies between two of its
    order statistics, so only their ranks are drawn, as beta-distributed order statistics of uniform
    numbers [2]_. This gives the same distribution in a time that does not depend on the number of
    tasks.

    Active tasks count only as `tasks`. While some of the current period's tasks are active, its
    durations look shorter than they are.

    References
    ----------
    .. [1] Newcombe (1998), Statistics in Medicine 17, 873-890, method 10.
    .. [2] David and Nagaraja (2003), Order Statistics, section 2.3.

    Examples
    --------
    >>> frame = pd.DataFrame({"task_id": map(str, range(40)), "status_code": "COMPLETED",
    ...                       "creation_time": pd.date_range("2026-11-09", periods=40, freq="8h",
    ...                                                      tz="UTC").as_unit("ms")})
    >>> took = pd.Series(pd.Timedelta("5min"), frame.index)
    >>> took[frame["creation_time"] >= "2026-11-16"] = pd.Timedelta("10min")
    >>> tasks = frames.conform(frame.assign(completion_time=frame["creation_time"] + took))
    >>> table = compare_periods(tasks, current="2026-W47", previous="2026-W46")
    >>> table[["previous", "current", "unit", "ratio", "verdict"]]
                  previous  current   unit     ratio          verdict
    measure
    tasks             21.0     19.0  tasks  0.904762  no clear change
    failure_rate       0.0      0.0  share       NaN  no clear change
    p50              300.0    600.0      s  2.000000            worse
    p90              300.0    600.0      s  2.000000            worse
    """
    names = grouping.names_of(by, tasks, ("measure", *_COLUMNS))
    check_confidence(confidence)
    zone(tz)
    periods = (period(previous, "previous", tz), period(current, "current", tz))
    if max(first for first, _ in periods) < min(end for _, end in periods):
        raise ArgumentError(f"previous={previous!r} and current={current!r} overlap")
    part = partial(_count, periods=periods, names=names)
    counted = shards.collect(known_at(tasks, as_of), part, (*names, *DURATION_COLUMNS))
    groups = grouping.grid(counted, names)
    former, latter = (_side(counted, groups, is_current=which) for which in (False, True))

    # one row per measure and one column per group, until the table is made
    before, now = former.measured(), latter.measured()
    bounds = [
        _rate_bounds(former, latter, confidence),
        *_quantile_bounds(former.durations, latter.durations, confidence),
    ]
    unknown = np.full(len(groups.keys), np.nan)
    low, high = (np.array([unknown, *some]) for some in zip(*bounds, strict=True))
    change = now - before
    many = len(groups.keys)
    keys = grouping.repeat(groups.keys, len(MEASURES))
    keys["measure"] = _category(np.tile(np.arange(len(MEASURES)), many), MEASURES)
    columns = {
        "previous": before,
        "current": now,
        "unit": np.repeat([[0], [1], [2], [2]], many, axis=1),
        "change": change,
        "ratio": divide(now, before),
        "low": low,
        "high": high,
        "n_previous": former.n(),
        "n_current": latter.n(),
        "verdict": _verdicts(change, before, low, high),
    }
    flat = {name: values.T.ravel() for name, values in columns.items()}
    table = pd.DataFrame(flat, index=grouping.index_of(keys))
    return table.assign(
        unit=_category(flat["unit"], UNITS), verdict=_category(flat["verdict"], VERDICTS)
    )


def _category(codes: np.ndarray, names: tuple[str, ...]) -> pd.Categorical:
    made: pd.Categorical = pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))
    return made


def _count(
    tasks: pd.DataFrame,
    *,
    periods: tuple[tuple[pd.Timestamp, pd.Timestamp], ...],
    names: list[str],
) -> pd.DataFrame:
    """Count the tasks of both periods by group, state and duration."""
    created = tasks["creation_time"]
    some = [tasks[(created >= first) & (created < end)] for first, end in periods]
    counted = [count_durations(part, names=names) for part in some]
    return frames.stack([part.assign(is_current=bool(which)) for which, part in enumerate(counted)])


class _Side(NamedTuple):
    """One period; each array has one element per group."""

    tasks: np.ndarray
    ended: np.ndarray
    failed: np.ndarray
    durations: Weighted  # of COMPLETED tasks, in milliseconds

    @property
    def rate(self) -> np.ndarray:
        """Return the share of FAILED tasks among those that ended; NaN if none did."""
        return divide(self.failed, self.ended)

    def measured(self) -> np.ndarray:
        """Return the measures, one row each."""
        quantiles = [self.durations.quantile(q) / 1000 for q in _QUANTILES.values()]
        return np.array([self.tasks, self.rate, *quantiles], dtype="float64")

    def n(self) -> np.ndarray:
        """Return the number of tasks behind each measure, one row each."""
        return np.array([self.tasks, self.ended, self.durations.n, self.durations.n])


def _side(counted: pd.DataFrame, groups: Groups, *, is_current: bool) -> _Side:
    many, codes = len(groups.keys), groups.codes
    state, n = counted["status_code"], counted["n"].to_numpy()
    here = (counted["is_current"] == is_current).to_numpy()

    def count(rows: np.ndarray) -> np.ndarray:
        whole = np.bincount(codes[rows], weights=n[rows], minlength=many)
        return whole.astype("int64")

    done = here & ((state == "COMPLETED") & counted["duration"].notna()).to_numpy()
    millis = counted["duration"].to_numpy().view("int64")
    return _Side(
        count(here),
        count(here & state.isin(schema.TERMINAL_STATES).to_numpy()),
        count(here & (state == "FAILED").to_numpy()),
        sort_weighted(codes[done], millis[done], n[done], many),
    )


def _wilson(rate: np.ndarray, n: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's interval of a rate; NaN where the rate is."""
    n = np.maximum(n, 1)
    middle = rate + z**2 / (2 * n)
    half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    below, above = ((middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
    return np.maximum(below, 0), np.minimum(above, 1)


def _rate_bounds(before: _Side, now: _Side, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Newcombe's interval of the difference between the failure rates."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p, q = before.rate, now.rate
    (p_low, p_high), (q_low, q_high) = _wilson(p, before.ended, z), _wilson(q, now.ended, z)
    low = q - p - np.hypot(q - q_low, p_high - p)
    return low, q - p + np.hypot(q_high - q, p - p_low)


def _quantile_bounds(before: Weighted, now: Weighted, confidence: float) -> list[np.ndarray]:
    """Return the bootstrap interval of the difference of each quantile, in seconds."""
    bounds = np.full((len(_QUANTILES), 2, len(now.n)), np.nan)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    for group in np.flatnonzero(np.minimum(before.n, now.n) >= _LEAST_TASKS).tolist():
        # each group has its own generator, so that other groups do not affect it
        random = np.random.default_rng(_SEED)
        former, latter = (_resample(side, group, random) for side in (before, now))
        bounds[:, :, group] = np.quantile(latter - former, tails, axis=1).T / 1000
    return list(bounds)


def _resample(durations: Weighted, group: int, random: np.random.Generator) -> np.ndarray:
    """Return the quantiles of resamples of a group, one row per quantile, without resampling.

    The value of rank k in a resample is at place n u, where u is the k-th smallest of n uniform
    numbers. Given u, the next one is the smallest of the rest.
    """
    n = int(durations.n[group])
    begin = int(durations.ends[group]) - n

    def at(uniform: np.ndarray) -> np.ndarray:
        place = begin + np.minimum(uniform * n, n - 1).astype("int64")
        ranked = np.searchsorted(durations.through, place, side="right")
        found: np.ndarray = np.take(durations.values, ranked)
        return found

    rows = []
    for q in _QUANTILES.values():
        whole, between = divmod((n - 1) * q, 1)
        rank = int(whole) + 1
        lower = random.beta(rank, n - rank + 1, _RESAMPLES)
        upper = lower + (1 - lower) * random.beta(1, n - rank, _RESAMPLES)
        below = at(lower)
        rows.append(below + (at(upper) - below) * between)
    return np.array(rows)


def _verdicts(
    change: np.ndarray, before: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Return the numbers of the verdicts."""
    sizes = [_LARGE_ENOUGH.get(measure, (np.inf, np.inf)) for measure in MEASURES]
    absolute, relative = (np.array(some)[:, None] for some in zip(*sizes, strict=True))
    with np.errstate(invalid="ignore"):  # infinity times 0, for the number of tasks
        large = (np.abs(change) >= absolute) & (np.abs(change) >= relative * before)
    verdicts: np.ndarray = np.where(large & (low > 0), 0, np.where(large & (high < 0), 1, 2))
    return verdicts
