"""Compare two periods: number of tasks, failure rate and durations, with confidence intervals."""

from __future__ import annotations

from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import schema
from exportstats.errors import ArgumentError
from exportstats.stats import counting, grouping
from exportstats.stats.as_of import known_at, period, zone
from exportstats.stats.completion import check_confidence
from exportstats.stats.weighted import divide, sort_weighted, to_timedelta

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.stats.counting import Counts
    from exportstats.stats.grouping import Groups
    from exportstats.stats.weighted import Weighted

_UNITS = {"tasks": "tasks", "failure_rate": "share", "p50": "s", "p90": "s"}
VERDICTS = ("worse", "better", "no clear change")
_PLAIN = ("previous", "current", "change", "ratio")
_VALUES = (*_PLAIN, "low", "high", "n_previous", "n_current", "verdict")
COLUMNS = tuple(
    (measure, value) for measure in _UNITS for value in (_PLAIN if measure == "tasks" else _VALUES)
)
_QUANTILES = {"p50": 0.5, "p90": 0.9}

# The smallest change that matters, of durations in ms, and relative to the previous value. One more
# failure in a thousand does not matter, nor does one more second in a minute.
_LARGE_ENOUGH = {"failure_rate": (0.01, 0.25), "p50": (30_000, 0.2), "p90": (30_000, 0.2)}
_RESAMPLES = 1_000
_LEAST_TASKS = 10  # with fewer, the spread of quantiles is unknown
_SEED = 20_261_123  # arbitrary, but fixed


def compare_periods(
    tasks: pd.DataFrame | Shards,
    *,
    current: str | date | pd.Period | tuple[str | date, str | date],
    previous: str | date | pd.Period | tuple[str | date, str | date],
    by: str | Sequence[str] | None = None,
    tz: str = "UTC",
    confidence: float = 0.95,
    as_of: str | date | pd.Period | None = None,
) -> pd.DataFrame:
    """Compare the tasks created in one period with those created in another.

    A change has a verdict if its confidence interval excludes 0 and it is large enough: for the
    failure rate, at least 1 percentage point and 25 % of the previous rate; for a duration, at
    least 30 s and 20 % of the previous one. An increase is worse. The number of tasks depends on a
    schedule and not on chance, so it has neither an interval nor a verdict.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.
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
        Indexed by group, or "all". The columns are pairs of `measure` and `value`, so that
        `table["p50"]` is a table. The measures, each in its own dtype:

        - `tasks`, the number of tasks;
        - `failure_rate`, the share of FAILED tasks among those that ended;
        - `p50` and `p90`, quantiles of the durations of COMPLETED tasks, as `timedelta64[ms]`.

        The values of each measure; `tasks` has only the first four:

        - `previous`, `current`;
        - `change`, current minus previous, and `ratio`, current divided by previous;
        - `low` and `high`, the confidence interval of `change`;
        - `n_previous`, `n_current`, the number of tasks behind the measure;
        - `verdict`: "worse", "better" or "no clear change".

        Values that cannot be computed are missing: a rate or a quantile without tasks, a ratio to
        0, the interval of a quantile with fewer than 10 tasks in either period.

    Raises
    ------
    ArgumentError
        If a period is not valid, the periods overlap, a column cannot be grouped by, `confidence`
        is not between 0 and 1, or `as_of` has no time zone.
    SchemaError
        If `tasks` is not a table of tasks.

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
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": map(str, range(40)), "status_code": "COMPLETED",
    ...                       "creation_time": pd.date_range("2026-11-09", periods=40, freq="8h",
    ...                                                      tz="UTC").as_unit("ms")})
    >>> took = pd.Series(pd.Timedelta("5min"), frame.index)
    >>> took[frame["creation_time"] >= "2026-11-16"] = pd.Timedelta("10min")
    >>> tasks = xs.conform(frame.assign(completion_time=frame["creation_time"] + took))
    >>> table = xs.compare_periods(tasks, current="2026-W47", previous="2026-W46")
    >>> table["p50"][["previous", "current", "ratio", "verdict"]]
    value        previous         current  ratio verdict
    all   0 days 00:05:00 0 days 00:10:00    2.0   worse
    >>> table.xs("verdict", axis=1, level="value")
    measure     failure_rate    p50    p90
    all      no clear change  worse  worse
    """
    names = grouping.names_of(by, tasks, ("measure", "unit", *_UNITS, *_VALUES))
    check_confidence(confidence)
    zone(tz)
    periods = (period(previous, "previous", tz), period(current, "current", tz))
    if max(first for first, _ in periods) < min(end for _, end in periods):
        raise ArgumentError(f"previous={previous!r} and current={current!r} overlap")
    part = partial(_count, periods=periods, names=names)
    counted = counting.collect(known_at(tasks, as_of), part, names)
    groups = grouping.grid(counted.cells.keys, names)
    table = counted.answer(groups, partial(_compare, confidence=confidence))
    return table.rename_axis(columns=["measure", "value"])


def _compare(counts: pd.DataFrame, groups: Groups, confidence: float) -> pd.DataFrame:
    """Compare the periods of groups."""
    former, latter = (_side(counts, groups, is_current=which) for which in (False, True))
    measures = {
        "tasks": _change(former.tasks, latter.tasks),
        "failure_rate": _judged(
            "failure_rate",
            (former.rate, latter.rate),
            _rate_bounds(former, latter, confidence),
            (former.ended, latter.ended),
        ),
    }
    n = (former.durations.n, latter.durations.n)
    bounds = _quantile_bounds(former.durations, latter.durations, confidence)
    for (name, q), limits in zip(_QUANTILES.items(), bounds, strict=True):
        before, now = (np.rint(side.durations.quantile(q)) for side in (former, latter))
        measures[name] = _judged(name, (before, now), limits, n)
        for value in ("previous", "current", "change", "low", "high"):
            measures[name][value] = to_timedelta(measures[name][value])
    return pd.DataFrame({(name, value): measures[name][value] for name, value in COLUMNS})


def by_measure(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `compare_periods` with one row per group and measure, and its `unit`.

    The unit is "tasks", "share" or "s". So a column has values of several units, as charts and
    programs without durations need them.
    """
    seconds = table.apply(
        lambda values: values.dt.total_seconds() if values.dtype.kind == "m" else values
    )
    named = seconds.rename_axis(columns=["measure", None])
    rows: pd.DataFrame = named.stack("measure", future_stack=True)  # noqa: PD013
    if table.index.names == [None]:
        rows = rows.droplevel(0)
    for name in ("previous", "current"):  # all tasks are behind their number
        rows[f"n_{name}"] = rows[f"n_{name}"].fillna(rows[name]).astype("int64")
    rows.insert(2, "unit", rows.index.get_level_values("measure").map(_UNITS))
    return rows


def _count(
    tasks: pd.DataFrame,
    *,
    periods: tuple[tuple[pd.Timestamp, pd.Timestamp], ...],
    names: list[str],
) -> Counts:
    """Count the tasks of both periods by group, period, state and duration."""
    created = tasks["creation_time"]
    before, now = ((created >= first) & (created < end) for first, end in periods)
    some = tasks.assign(is_current=now)[before | now]
    return counting.count_durations(some, names=[*names, "is_current"])


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
    """Return the bootstrap interval of the difference of each quantile, in ms."""
    bounds = np.full((len(_QUANTILES), 2, len(now.n)), np.nan)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    for group in np.flatnonzero(np.minimum(before.n, now.n) >= _LEAST_TASKS).tolist():
        # each group has its own generator, so that other groups do not affect it
        random = np.random.default_rng(_SEED)
        former, latter = (_resample(side, group, random) for side in (before, now))
        bounds[:, :, group] = np.quantile(latter - former, tails, axis=1).T
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


def _change(before: np.ndarray, now: np.ndarray) -> dict[str, Any]:
    """Return the values of every measure."""
    ratio = divide(now, before)
    return {"previous": before, "current": now, "change": now - before, "ratio": ratio}


def _judged(
    measure: str,
    sides: tuple[np.ndarray, np.ndarray],
    bounds: np.ndarray | tuple[np.ndarray, np.ndarray],
    n: tuple[np.ndarray, np.ndarray],
) -> dict[str, Any]:
    """Return the values of a measure whose change has an interval and a verdict."""
    values = _change(*sides)
    size, (low, high) = np.abs(values["change"]), bounds
    absolute, relative = _LARGE_ENOUGH[measure]
    large = (size >= absolute) & (size >= relative * sides[0])
    codes = np.where(large & (low > 0), 0, np.where(large & (high < 0), 1, 2))
    verdict = pd.Categorical.from_codes(codes, pd.Index(VERDICTS, dtype="str"))
    n_previous, n_current = n
    return values | {
        "low": low,
        "high": high,
        "n_previous": n_previous,
        "n_current": n_current,
        "verdict": verdict,
    }
