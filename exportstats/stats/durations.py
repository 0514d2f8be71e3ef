"""How long tasks take: summary and trend.

A duration is turnaround, from creation to completion, queueing included: the service tells no
start. Quantiles, mean and extremes are of COMPLETED tasks alone; what is still active is counted
beside them as censored, for its duration is known only to be at least what it is now.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import schema, shards
from exportstats.errors import ArgumentError
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at, zone
from exportstats.stats.calendars import calendar_of
from exportstats.stats.completion import (
    count_censored_durations,
    curve_of,
    median_limits_of,
    median_of,
)
from exportstats.stats.grouping import Groups
from exportstats.stats.weighted import count_durations, sort_weighted, to_timedelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.stats.as_of import Instant
    from exportstats.stats.grouping import By
    from exportstats.stats.weighted import Weighted

_TAIL = 0.025  # beyond each of the confidence limits, which are of 95 %


def duration_summary(
    tasks: shards.Tasks,
    *,
    by: By = None,
    quantiles: float | Sequence[float] = (0.5, 0.9, 0.99),
    as_of: Instant = None,
) -> pd.DataFrame:
    """Summarise how long COMPLETED tasks took.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    by
        Column or columns to summarise in groups of; a missing value is a group of its own.
    quantiles
        Which quantile or quantiles, from 0 to 1.
    as_of
        Summarise what was known at this instant (aware); later completions are not known then.
        Without it, the states are taken as they are.

    Returns
    -------
    DataFrame
        One row a group, all of them under "all" without `by`. Columns: `completed`, how many
        COMPLETED tasks with a known duration all else is of; `censored`, how many are still
        active; `min`, a column a quantile (`p50`, `p90`, `p99`), `max` and `mean` as
        `timedelta64[ms]`, missing where `completed` is 0. Quantiles are linear between
        neighbours, as pandas' default (type 7 of Hyndman and Fan, 1996). Behind them, for each
        quantile, `p50_low` and `p50_high`: between these two of the durations the quantile of all
        such tasks lies with 95 % confidence or more, whatever the distribution, 2.5 % beyond each
        (by the binomial distribution: Conover, Practical Nonparametric Statistics, 3rd ed., 3.2);
        missing where `completed` is too small to tell. They are exact where nothing is censored:
        where tasks are active, those that take long are not among the COMPLETED ones yet, and all
        of these come out too short. `censored_p50` is the median with the active tasks counted in:
        the time by which half of the tasks that complete have completed, as `completion_curve`
        estimates it, `p50` itself where nothing is censored; missing where so many are still active
        that it cannot be told. Last `censored_p50_low` and `censored_p50_high`, its limits of 95 %,
        approximate, from the log-log band of that curve (Brookmeyer and Crowley, 1982), where
        nothing is censored those of `p50`; missing where the band does not get there. An active
        task counts to `as_of`, without it to its own `observed_at`.

    Raises
    ------
    ArgumentError
        A column that is no group, a quantile outside 0 to 1, or an `as_of` without a time zone.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> frame = pd.DataFrame({"task_id": list("abc"), "status_code": "COMPLETED",
    ...                       "creation_time": 0, "completion_time": [1000, 2000, 6000]})
    >>> duration_summary(frames.conform(frame), quantiles=[0.5])[["completed", "p50", "mean"]]
         completed             p50            mean
    all          3 0 days 00:00:02 0 days 00:00:03
    """
    labels = _labels_of(quantiles)
    names = grouping.names_of(by, tasks, ("completed", "censored", "min", "max", "mean", *labels))
    counted = shards.collect(known_at(tasks, as_of), partial(count_censored_durations, names=names))
    groups = grouping.grid(counted, names)
    counts, durations = _completed(counted, groups)
    lengths = {
        "min": durations.min(),
        **{label: durations.quantile(q) for label, q in labels.items()},
        "max": durations.max(),
        "mean": durations.mean(),
    }
    for label, q in labels.items():
        lengths[f"{label}_low"], lengths[f"{label}_high"] = _limits(durations, q)
    lengths |= _censored_median(counted, groups, counts["censored"] > 0, durations)
    return _as_table(groups, counts, lengths)


def duration_trend(
    tasks: shards.Tasks,
    *,
    freq: str = "W",
    tz: str = "UTC",
    by: By = None,
    quantiles: float | Sequence[float] = (0.5, 0.9),
    as_of: Instant = None,
) -> pd.DataFrame:
    """Follow the durations of COMPLETED tasks over the calendar periods they were created in.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    freq
        Calendar periods of the creation time: "h", "D", "W" (from Monday), "MS".
    tz
        The time zone of the periods, as in "Europe/Berlin".
    by
        Column or columns to follow in groups of.
    quantiles
        Which quantile or quantiles, from 0 to 1.
    as_of
        Follow what was known at this instant; later completions are not known then. Without it,
        the states are taken as they are.

    Returns
    -------
    DataFrame
        Index: the groups and the `period` (its first instant), each from the first to the last,
        empty ones too. Columns: `completed`, `censored` (still active: the latest periods look
        faster than they are for as long as this is not 0), and a column a quantile (`p50`,
        `p90`) as `timedelta64[ms]`, missing where nothing completed. `attrs["unfinished"]` is the
        first instant of the period that was not over when the tasks were last observed.

    Raises
    ------
    ArgumentError
        A column that cannot be grouped by, an unknown frequency or time zone, a quantile outside
        0 to 1, or an `as_of` that is no instant.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> day = 86_400_000
    >>> frame = pd.DataFrame({"task_id": list("abc"), "status_code": "COMPLETED",
    ...                       "creation_time": [0, 0, 2 * day],
    ...                       "completion_time": [1000, 3000, 2 * day + 6000]})
    >>> duration_trend(frames.conform(frame), freq="D")["p50"]
    period
    1970-01-01 00:00:00+00:00   0 days 00:00:02
    1970-01-02 00:00:00+00:00               NaT
    1970-01-03 00:00:00+00:00   0 days 00:00:06
    Name: p50, dtype: timedelta64[ms]
    """
    labels = _labels_of(quantiles)
    names = grouping.names_of(by, tasks, ("completed", "censored", *labels))
    calendar_of(freq, zone(tz))
    part = partial(_count_periods, names=names, freq=freq, tz=tz)
    counted = shards.collect(known_at(tasks, as_of), part)
    groups = grouping.grid(counted, names, freq, tz)
    counts, durations = _completed(counted, groups)
    lengths = {label: durations.quantile(q) for label, q in labels.items()}
    table = _as_table(groups, counts, lengths)
    table.attrs = grouping.unfinished(counted, freq, tz)
    return table


def _count_periods(
    tasks: pd.DataFrame, *, names: Sequence[str], freq: str, tz: str
) -> pd.DataFrame:
    return grouping.with_last_look(count_durations(tasks, names=names, freq=freq, tz=tz), tasks)


def _completed(counted: pd.DataFrame, groups: Groups) -> tuple[dict[str, np.ndarray], Weighted]:
    """Count the COMPLETED and the censored tasks of each group, and sort the durations."""
    many = len(groups.keys)
    n = counted["n"].to_numpy()
    active = counted["status_code"].isin(schema.ACTIVE_STATES).to_numpy()
    done = ((counted["status_code"] == "COMPLETED") & counted["duration"].notna()).to_numpy()
    durations = sort_weighted(
        groups.codes[done], counted["duration"].to_numpy()[done].view("int64"), n[done], many
    )
    censored = np.bincount(groups.codes[active], weights=n[active], minlength=many)
    return {"completed": durations.n, "censored": censored.astype("int64")}, durations


def _censored_median(
    counted: pd.DataFrame, groups: Groups, censored: np.ndarray, durations: Weighted
) -> dict[str, np.ndarray]:
    """Return each group's median with the active tasks counted in, and its confidence limits.

    Where nothing is active, they are the plain ones.
    """
    found = [durations.quantile(0.5), *_limits(durations, 0.5)]
    if censored.any():
        there, many = censored[groups.codes], len(groups.keys)
        curve = curve_of(counted[there], Groups(groups.codes[there], groups.keys))
        of_curve = (median_of(curve, many), *median_limits_of(curve, many))
        found = [np.where(censored, *both) for both in zip(of_curve, found, strict=True)]
    names = ("censored_p50", "censored_p50_low", "censored_p50_high")
    return dict(zip(names, found, strict=True))


def _limits(durations: Weighted, q: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence limits of a quantile of each group, NaN where it is too small."""
    # how many of n lie below the quantile is binomial; ranks count from 0
    sizes, size = np.unique(durations.n, return_inverse=True)
    found = [_binomial_quantiles(int(n), q, (_TAIL, 1 - _TAIL)) for n in sizes]
    low, high = np.array(found, dtype="int64").reshape(-1, 2)[size].T
    return _ranked(durations, low - 1), _ranked(durations, high)


def _binomial_quantiles(n: int, p: float, shares: tuple[float, ...]) -> np.ndarray:
    """Return `scipy.stats.binom.ppf(shares, n, p)`; importing scipy takes as long as pandas."""
    if p in (0, 1):
        return np.full(len(shares), int(n * p))
    reach = 12 * (1 + np.sqrt(n * p * (1 - p)))  # what lies beyond is no share to speak of
    k = np.arange(max(0, int(n * p - reach)), min(n, int(n * p + reach)) + 1)
    # each probability is that of one success fewer, times a ratio
    ratios = (n - k[:-1]) / k[1:] * (p / (1 - p))
    logs = np.concatenate([[0], np.cumsum(np.log(ratios))])
    through = np.cumsum(np.exp(logs - logs.max()))
    found: np.ndarray = k[np.searchsorted(through, np.array(shares) * through[-1])]
    return found


def _ranked(durations: Weighted, rank: np.ndarray) -> np.ndarray:
    """Return the duration of a rank of each group, NaN where it has none."""
    found = np.full(len(rank), np.nan)
    inside = (rank >= 0) & (rank < durations.n)
    before = (durations.ends - durations.n + rank)[inside]
    at = np.searchsorted(durations.through, before, side="right")
    found[inside] = durations.values.take(at)  # noqa: PD011 - an array's, not a frame's
    return found


def _as_table(
    groups: Groups, counts: dict[str, np.ndarray], lengths: dict[str, np.ndarray]
) -> pd.DataFrame:
    columns = counts | {name: to_timedelta(millis) for name, millis in lengths.items()}
    return pd.DataFrame(columns, index=grouping.index_of(groups.keys))


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


def _labels_of(quantiles: float | Sequence[float]) -> dict[str, float]:
    """Name the quantiles: p50, p99.9.

    Raises
    ------
    ArgumentError
        One is no number from 0 to 1.
    """
    several = list(quantiles) if isinstance(quantiles, Iterable) else [quantiles]
    for q in several:
        if not _is_share(q):
            raise ArgumentError(f"quantiles has {q!r}; give numbers from 0 to 1, as in (0.5, 0.9)")
    return {f"p{100 * q:.10g}": q for q in several}
