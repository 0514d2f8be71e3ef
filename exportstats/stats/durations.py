"""Summarise durations and their trend.

A duration is turnaround, from creation to completion. It includes the time in the queue, because
the service does not report when a task started. Quantiles, mean and extremes are those of COMPLETED
tasks. Active tasks are counted as censored: their duration is only known to be at least their age.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import schema, shards
from exportstats.errors import ArgumentError
from exportstats.stats import counting, grouping
from exportstats.stats.as_of import known_at, zone
from exportstats.stats.calendars import calendar_of
from exportstats.stats.completion import (
    count_censored_durations,
    curve_of,
    median_limits_of,
    median_of,
)
from exportstats.stats.counting import count_durations
from exportstats.stats.grouping import Groups
from exportstats.stats.weighted import sort_weighted, to_timedelta

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.stats.weighted import Weighted

_TAIL = 0.025  # probability beyond each of the 95 % confidence limits


def duration_summary(
    tasks: pd.DataFrame | Shards,
    *,
    by: str | Sequence[str] | None = None,
    quantiles: float | Sequence[float] = (0.5, 0.9, 0.99),
    as_of: str | date | pd.Period | None = None,
) -> pd.DataFrame:
    """Summarise how long COMPLETED tasks took.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.
    by
        Column or columns to group by. Missing values form a group of their own.
    quantiles
        A quantile or several, from 0 to 1.
    as_of
        Use only what was known at this instant: tasks that completed later are still active. By
        default, the states are used as they are.

    Returns
    -------
    DataFrame
        One row per group, or a single row "all" without `by`. Durations are `timedelta64[ms]`.
        Columns:

        - `completed`, the number of COMPLETED tasks with a known duration;
        - `censored`, the number of active tasks;
        - `min`, the quantiles (`p50`, `p90`, `p99`), `max` and `mean`; missing if `completed` is 0.
          Quantiles are interpolated linearly, as in pandas (type 7 of Hyndman and Fan, 1996);
        - `p50_low`, `p50_high` and so on, the 95 % confidence limits of each quantile; missing if
          `completed` is too small;
        - `censored_p50`, the median including active tasks: the time by which half of the tasks
          that complete have completed, as estimated by `completion_curve`. It equals `p50` if no
          task is active, and is missing if too many are;
        - `censored_p50_low`, `censored_p50_high`, its approximate 95 % confidence limits. They
          equal those of `p50` if no task is active, and are missing if the band of the curve does
          not reach one half.

    Raises
    ------
    ArgumentError
        If a column cannot be grouped by, a quantile is not from 0 to 1, or `as_of` has no time
        zone.
    SchemaError
        If `tasks` is not a table of tasks.

    Notes
    -----
    The limits of a quantile are two of the durations. The quantile of all such tasks lies beyond
    each of them with a probability of at most 2.5 %, whatever the distribution of durations; this
    follows from the binomial distribution (Conover, Practical Nonparametric Statistics, 3rd ed.,
    3.2). If tasks are active, the slow ones have not completed yet, so quantiles and limits are too
    low; then use `censored_p50`. Its limits are those of Brookmeyer and Crowley (1982), from the
    log-log band of the curve. An active task is censored at `as_of`, by default at its
    `observed_at`.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": list("abc"), "status_code": "COMPLETED",
    ...                       "creation_time": 0, "completion_time": [1000, 2000, 6000]})
    >>> xs.duration_summary(xs.conform(frame), quantiles=[0.5])[["completed", "p50", "mean"]]
         completed             p50            mean
    all          3 0 days 00:00:02 0 days 00:00:03
    """
    labels = labels_of(quantiles)
    names = grouping.names_of(by, tasks, ("completed", "censored", "min", "max", "mean", *labels))
    part = partial(count_censored_durations, names=names)
    counted = counting.collect(known_at(tasks, as_of), part, names)
    return counted.answer(
        grouping.grid(counted.cells.keys, names), partial(_summarise, labels=labels)
    )


def _summarise(counts: pd.DataFrame, groups: Groups, labels: dict[str, float]) -> pd.DataFrame:
    """Summarise the durations of groups."""
    numbers, durations = _completed(counts, groups)
    lengths = {
        "min": durations.min(),
        **{label: durations.quantile(q) for label, q in labels.items()},
        "max": durations.max(),
        "mean": durations.mean(),
    }
    for label, q in labels.items():
        lengths[f"{label}_low"], lengths[f"{label}_high"] = _limits(durations, q)
    lengths |= _censored_median(counts, groups, numbers["censored"] > 0, durations)
    return _as_table(numbers, lengths)


def duration_trend(
    tasks: pd.DataFrame | Shards,
    *,
    freq: str = "W",
    tz: str = "UTC",
    by: str | Sequence[str] | None = None,
    quantiles: float | Sequence[float] = (0.5, 0.9),
    as_of: str | date | pd.Period | None = None,
) -> pd.DataFrame:
    """Summarise the durations of COMPLETED tasks per calendar period of their creation.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.
    freq
        Calendar periods of the creation time: "h", "D", "W" (starts on Monday), "MS".
    tz
        Time zone of the periods, such as "Europe/Berlin".
    by
        Column or columns to group by. Missing values form a group of their own.
    quantiles
        A quantile or several, from 0 to 1.
    as_of
        Use only what was known at this instant: tasks that completed later are still active. By
        default, the states are used as they are.

    Returns
    -------
    DataFrame
        Indexed by group and `period`, the first instant of each period, from the first to the last,
        including empty ones. Columns:

        - `completed`, the number of COMPLETED tasks with a known duration;
        - `censored`, the number of active tasks. While it is not 0, the period looks faster than it
          is;
        - the quantiles (`p50`, `p90`) as `timedelta64[ms]`, missing if `completed` is 0.

        `attrs["unfinished"]` is the first instant of the period that had not ended when the tasks
        were last observed, as text.

    Raises
    ------
    ArgumentError
        If a column cannot be grouped by, the frequency or time zone is unknown, a quantile is not
        from 0 to 1, or `as_of` has no time zone.
    SchemaError
        If `tasks` is not a table of tasks.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> day = 86_400_000
    >>> frame = pd.DataFrame({"task_id": list("abc"), "status_code": "COMPLETED",
    ...                       "creation_time": [0, 0, 2 * day],
    ...                       "completion_time": [1000, 3000, 2 * day + 6000]})
    >>> xs.duration_trend(xs.conform(frame), freq="D")["p50"]
    period
    1970-01-01 00:00:00+00:00   0 days 00:00:02
    1970-01-02 00:00:00+00:00               NaT
    1970-01-03 00:00:00+00:00   0 days 00:00:06
    Name: p50, dtype: timedelta64[ms]
    """
    labels = labels_of(quantiles)
    names = grouping.names_of(by, tasks, ("completed", "censored", *labels))
    calendar_of(freq, zone(tz))
    part = partial(count_durations, names=names, freq=freq, tz=tz)
    count = partial(counting.collect, part=part, names=names)
    counted, last = shards.together(known_at(tasks, as_of), count, grouping.last_observed)
    groups = grouping.grid(counted.cells.keys, names, freq, tz)
    table: pd.DataFrame = counted.answer(groups, partial(_quantiles, labels=labels))
    table.attrs = grouping.unfinished(last, freq, tz)
    return table


def _quantiles(counts: pd.DataFrame, groups: Groups, labels: dict[str, float]) -> pd.DataFrame:
    """Return the quantiles of groups."""
    numbers, durations = _completed(counts, groups)
    return _as_table(numbers, {label: durations.quantile(q) for label, q in labels.items()})


def _completed(counted: pd.DataFrame, groups: Groups) -> tuple[dict[str, np.ndarray], Weighted]:
    """Count the COMPLETED and censored tasks of each group, and sort the durations."""
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
    """Return each group's median including active tasks, and its confidence limits.

    Without active tasks, they are those of the COMPLETED tasks.
    """
    found = [durations.quantile(0.5), *_limits(durations, 0.5)]
    if censored.any():
        used, many = censored[groups.codes], len(groups.keys)
        curve = curve_of(counted[used], Groups(groups.codes[used], groups.keys))
        of_curve = (median_of(curve, many), *median_limits_of(curve, many))
        found = [np.where(censored, *both) for both in zip(of_curve, found, strict=True)]
    names = ("censored_p50", "censored_p50_low", "censored_p50_high")
    return dict(zip(names, found, strict=True))


def _limits(durations: Weighted, q: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence limits of a quantile of each group; NaN if it has too few tasks."""
    # the number of tasks below the quantile is binomial; ranks count from 0
    sizes, size = np.unique(durations.n, return_inverse=True)
    found = [_binomial_quantiles(int(n), q, (_TAIL, 1 - _TAIL)) for n in sizes]
    low, high = np.array(found, dtype="int64").reshape(-1, 2)[size].T
    return _ranked(durations, low - 1), _ranked(durations, high)


@lru_cache(maxsize=4096)  # many groups have equally many tasks
def _binomial_quantiles(n: int, p: float, shares: tuple[float, ...]) -> np.ndarray:
    """Return `scipy.stats.binom.ppf(shares, n, p)` without the slow import of SciPy."""
    if p in (0, 1):
        return np.full(len(shares), int(n * p))
    reach = 12 * (1 + np.sqrt(n * p * (1 - p)))  # the probability beyond is negligible
    k = np.arange(max(0, int(n * p - reach)), min(n, int(n * p + reach)) + 1)
    # each probability is the previous one times a ratio
    ratios = (n - k[:-1]) / k[1:] * (p / (1 - p))
    through = np.cumsum(np.cumprod(np.append(1, ratios)))
    found: np.ndarray = k[np.searchsorted(through, np.array(shares) * through[-1])]
    return found


def _ranked(durations: Weighted, rank: np.ndarray) -> np.ndarray:
    """Return the duration at a rank of each group; NaN if it does not exist."""
    found = np.full(len(rank), np.nan)
    inside = (rank >= 0) & (rank < durations.n)
    before = (durations.ends - durations.n + rank)[inside]
    at = np.searchsorted(durations.through, before, side="right")
    found[inside] = durations.values.take(at)  # noqa: PD011 - an array's, not a frame's
    return found


def _as_table(numbers: dict[str, np.ndarray], lengths: dict[str, np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame(numbers | {name: to_timedelta(millis) for name, millis in lengths.items()})


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


def labels_of(quantiles: float | Sequence[float]) -> dict[str, float]:
    """Return the column names of quantiles, such as p50 and p99.9.

    Raises
    ------
    ArgumentError
        If a quantile is not a number from 0 to 1.
    """
    several = list(quantiles) if isinstance(quantiles, Iterable) else [quantiles]
    for q in several:
        if not _is_share(q):
            raise ArgumentError(f"quantiles has {q!r}; give numbers from 0 to 1, such as 0.9")
    return {f"p{100 * q:.10g}": q for q in several}
