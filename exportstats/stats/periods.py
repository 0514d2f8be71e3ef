"""Is one period worse than another: counts, failure rate and durations, with how sure that is."""

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
from exportstats.stats.weighed import sort_weighed, weigh

if TYPE_CHECKING:
    from exportstats.stats.as_of import Instant, Period
    from exportstats.stats.grouping import By, Groups
    from exportstats.stats.weighed import Weighed

MEASURES = ("tasks", "failure_rate", "p50", "p90")
UNITS = ("tasks", "share", "s")
VERDICTS = ("worse", "better", "no clear change")
_COLUMNS = (
    *("previous", "current", "unit", "change", "ratio", "low", "high"),
    *("n_previous", "n_current", "verdict"),
)
_QUANTILES = {"p50": 0.5, "p90": 0.9}

# A change counts from this size, in the measure's unit and as a share of the former value: one
# more failure in a thousand is no news, and nor is a second more on a minute.
_LARGE_ENOUGH = {"failure_rate": (0.01, 0.25), "p50": (30.0, 0.2), "p90": (30.0, 0.2)}
_RESAMPLES = 1_000
_LEAST_TASKS = 10  # fewer do not tell how quantiles scatter
_SEED = 20_261_123  # any number, as long as it stays the same


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

    A change of the failure rate is clear if the interval of the difference leaves out 0 and it is
    at least 1 percentage point and 25 % of the former rate; one of a duration if its interval
    leaves out 0 and it is at least 30 s and 20 % of the former. More is worse. The number of
    tasks follows a schedule and not chance: it has neither an interval nor a verdict.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    current, previous
        The periods, by creation time: a month, as in "2026-11", an ISO week, as in "2026-W47", a
        day, a quarter, a year, a `pd.Period`, or two instants, of which the second is not in it any
        more. They must not overlap.
    by
        Column or columns to compare in groups of: those with a task in either period.
    tz
        The time zone of periods and dates, as in "Europe/Berlin".
    confidence
        That of each interval by itself. Of many groups without a change, some will seem to have
        one; the sizes asked for above keep them few.
    as_of
        Compare what was known at this instant (aware). Without it, the states are taken as they
        are.

    Returns
    -------
    DataFrame
        Index: the groups and `measure`: `tasks`; `failure_rate`, the share of FAILED among the
        tasks that ended; `p50` and `p90`, the quantiles of the durations of COMPLETED tasks.
        Columns: `previous` and `current`, in the `unit` "tasks", "share" or "s"; `change` (current
        less previous), `ratio` (current to previous), `low` and `high` (the interval of the
        change), `n_previous` and `n_current` (how many tasks the measure is of), and the `verdict`:
        "worse", "better" or "no clear change". Missing is what cannot be known: a rate or a
        quantile of nothing, a ratio to 0, the interval of a quantile with fewer than 10 tasks in
        either period.

    Raises
    ------
    ArgumentError
        An invalid period, or one that overlaps the other, a column that cannot be grouped by, a
        confidence outside 0 to 1, or an `as_of` without a time zone.

    Notes
    -----
    Rates: Newcombe's hybrid score interval, of two Wilson intervals [1]_. Quantiles: the percentile
    bootstrap with 1,000 resamples and a fixed seed. A resample's quantile lies between two of its
    order statistics, so only their ranks are drawn (of uniform order statistics, which are beta
    distributed [2]_): the same distribution, whatever the number of tasks.

    Tasks still active count as `tasks` only. As long as some of the current period's are, its
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
    if not 0 < confidence < 1:
        raise ArgumentError(f"confidence={confidence!r}; give a number between 0 and 1, as 0.95")
    zone(tz)
    periods = (period(previous, "previous", tz), period(current, "current", tz))
    if max(first for first, _ in periods) < min(end for _, end in periods):
        raise ArgumentError(f"previous={previous!r} and current={current!r} overlap")
    part = partial(_weigh, periods=periods, names=names)
    weighed = shards.collect(known_at(tasks, as_of), part)
    groups = grouping.grid(weighed, names)
    former, latter = (_side(weighed, groups, is_current=which) for which in (False, True))

    # a row a measure, a column a group, until the table is made
    before, now = former.measured(), latter.measured()
    bounds = [
        _rate_bounds(former, latter, confidence),
        *_quantile_bounds(former.durations, latter.durations, confidence),
    ]
    unknown = np.full(len(groups.keys), np.nan)
    low, high = (np.array([unknown, *some]) for some in zip(*bounds, strict=True))
    change = now - before
    ratio = np.divide(now, before, out=np.full(now.shape, np.nan), where=before > 0)
    many = len(groups.keys)
    keys = groups.keys.loc[np.repeat(groups.keys.index, len(MEASURES))].reset_index(drop=True)
    keys["measure"] = _category(np.tile(np.arange(len(MEASURES)), many), MEASURES)
    columns = {
        "previous": before,
        "current": now,
        "unit": np.repeat([[0], [1], [2], [2]], many, axis=1),
        "change": change,
        "ratio": ratio,
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


def _weigh(
    tasks: pd.DataFrame,
    *,
    periods: tuple[tuple[pd.Timestamp, pd.Timestamp], ...],
    names: list[str],
) -> pd.DataFrame:
    """Count the tasks of both periods by group, state and duration."""
    created = tasks["creation_time"]
    some = [tasks[(created >= first) & (created < end)] for first, end in periods]
    counted = [weigh(part, names=names) for part in some]
    return frames.stack([part.assign(is_current=bool(which)) for which, part in enumerate(counted)])


class _Side(NamedTuple):
    """One period, an array element a group."""

    tasks: np.ndarray
    ended: np.ndarray
    failed: np.ndarray
    durations: Weighed  # of COMPLETED tasks, in milliseconds

    @property
    def rate(self) -> np.ndarray:
        """Return the share of FAILED among what ended; NaN where nothing did."""
        rate = np.full(len(self.ended), np.nan)
        np.divide(self.failed, self.ended, out=rate, where=self.ended > 0)
        return rate

    def measured(self) -> np.ndarray:
        """Return the measures, a row each."""
        quantiles = [self.durations.quantile(q) / 1000 for q in _QUANTILES.values()]
        return np.array([self.tasks, self.rate, *quantiles], dtype="float64")

    def n(self) -> np.ndarray:
        """Return how many tasks each measure is of, a row each."""
        return np.array([self.tasks, self.ended, self.durations.n, self.durations.n])


def _side(weighed: pd.DataFrame, groups: Groups, *, is_current: bool) -> _Side:
    many, codes = len(groups.keys), groups.codes
    state, n = weighed["status_code"], weighed["n"].to_numpy()
    here = (weighed["is_current"] == is_current).to_numpy()

    def count(rows: np.ndarray) -> np.ndarray:
        whole = np.bincount(codes[rows], weights=n[rows], minlength=many)
        return whole.astype("int64")

    done = here & ((state == "COMPLETED") & weighed["duration"].notna()).to_numpy()
    millis = weighed["duration"].to_numpy().view("int64")
    return _Side(
        count(here),
        count(here & state.isin(schema.TERMINAL_STATES).to_numpy()),
        count(here & (state == "FAILED").to_numpy()),
        sort_weighed(codes[done], millis[done], n[done], many),
    )


def _wilson(rate: np.ndarray, n: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's interval of a rate; NaN where there is none."""
    n = np.maximum(n, 1)
    middle = rate + z**2 / (2 * n)
    half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    below, above = ((middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
    return np.maximum(below, 0), np.minimum(above, 1)


def _rate_bounds(before: _Side, now: _Side, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Newcombe's interval of the difference of the failure rates."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p, q = before.rate, now.rate
    (p_low, p_high), (q_low, q_high) = _wilson(p, before.ended, z), _wilson(q, now.ended, z)
    low = q - p - np.hypot(q - q_low, p_high - p)
    return low, q - p + np.hypot(q_high - q, p - p_low)


def _quantile_bounds(before: Weighed, now: Weighed, confidence: float) -> list[np.ndarray]:
    """Return the bootstrap's interval of the difference of each quantile, in seconds."""
    bounds = np.full((len(_QUANTILES), 2, len(now.n)), np.nan)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    for group in np.flatnonzero(np.minimum(before.n, now.n) >= _LEAST_TASKS).tolist():
        # each group's own draws: what other groups there are does not matter
        random = np.random.default_rng(_SEED)
        former, latter = (_resample(side, group, random) for side in (before, now))
        bounds[:, :, group] = np.quantile(latter - former, tails, axis=1).T / 1000
    return list(bounds)


def _resample(durations: Weighed, group: int, random: np.random.Generator) -> np.ndarray:
    """Return the quantiles of resamples of a group, a row a quantile, without the resamples.

    The value of rank k in a resample is the one whose place among the n is n times the k-th
    smallest of n uniform numbers; and given that one, the next is the smallest of the rest.
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
    """Return the number of each verdict."""
    sizes = [_LARGE_ENOUGH.get(measure, (np.inf, np.inf)) for measure in MEASURES]
    absolute, relative = (np.array(some)[:, None] for some in zip(*sizes, strict=True))
    share = np.where(before > 0, before, 0)
    with np.errstate(invalid="ignore"):  # infinity times 0, of the number of tasks
        large = (np.abs(change) >= absolute) & (np.abs(change) >= relative * share)
    verdicts: np.ndarray = np.where(large & (low > 0), 0, np.where(large & (high < 0), 1, 2))
    return verdicts
