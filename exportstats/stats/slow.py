"""Find tasks that took far longer than the earlier tasks of their log group."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exportstats.core import coerce, shards
from exportstats.core.schema import LOG_GROUP
from exportstats.errors import ArgumentError
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from exportstats.core.shards import Shards


# Earlier tasks that a task is compared with: enough to know their median absolute deviation within
# a tenth, and few enough that durations which have become normal are soon treated as normal.
_HISTORY = 100
# The median absolute deviation times this is the standard deviation of a normal distribution.
_TO_SIGMA = 1.4826
# A smaller spread is raised to 5 %: if all tasks took equally long, one more second is no outlier.
_LEAST_SPREAD = 0.05
_ROWS = 20_000  # tasks at a time, so that their histories fit into the processor's cache


def find_slow_tasks(
    tasks: pd.DataFrame | Shards,
    *,
    threshold: float = 3.5,
    at_least: int = 20,
    as_of: str | date | pd.Period | None = None,
) -> pd.DataFrame:
    """List the COMPLETED tasks that took far longer than the earlier tasks of their log group.

    Each task is compared with the last 100 COMPLETED tasks of its log group that were created
    before it. Later tasks do not matter, so a task that is listed once stays listed. Its score is
    `(log d - median) / (1.4826 MAD)`. Here, d is its duration; the median and the median absolute
    deviation (MAD) are those of the logarithms of the earlier durations [1]_. This is robust
    against earlier outliers and long tails. A spread (1.4826 MAD) below 5 % is raised to 5 %. The
    length of the window is not considered: the export of a week is slow among exports of single
    days.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns. Tasks without a log group or a
        duration are left out.
    threshold
        The lowest score to list. The default, 3.5, is recommended by [1]_.
    at_least
        How many earlier tasks there must be, from 2 to 100.
    as_of
        Use only what was known at this instant. By default, the states are used as they are.

    Returns
    -------
    DataFrame
        One row per slow task, the highest score first, with these columns:

        - `account_id`, `region`, `log_group_name`, `task_id`, `creation_time`, `duration`;
        - `typical`, the median of the earlier durations, by their logarithms (`timedelta64[ms]`);
        - `ratio` of `duration` to `typical`;
        - `score`;
        - `n`, the number of earlier tasks in the comparison;
        - the columns that you joined to the tasks.

    Raises
    ------
    ArgumentError
        If `threshold` is not above 0, `at_least` is not a whole number from 2 to 100, or `as_of`
        has no time zone.
    SchemaError
        If `tasks` is not a table of tasks.

    References
    ----------
    .. [1] Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> day, minute = 86_400_000, 60_000
    >>> frame = pd.DataFrame({"task_id": map(str, range(25)), "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED",
    ...                       "creation_time": [day * (20_000 + night) for night in range(25)]})
    >>> took = pd.Series(5 * minute, frame.index).where(frame.index < 24, 50 * minute)
    >>> tasks = xs.conform(frame.assign(completion_time=frame["creation_time"] + took))
    >>> xs.find_slow_tasks(tasks)[["task_id", "typical", "ratio", "n"]]
      task_id         typical  ratio   n
    0      24 0 days 00:05:00   10.0  24
    """
    if not (_is_number(threshold) and threshold > 0):
        raise ArgumentError(f"threshold={threshold!r}; give a number above 0, such as 3.5")
    if not (_is_number(at_least) and at_least == int(at_least) and 2 <= at_least <= _HISTORY):  # noqa: PLR2004 - one task has no spread
        raise ArgumentError(f"at_least={at_least!r}; give a whole number from 2 to {_HISTORY}")
    part = partial(_find, threshold=float(threshold), at_least=int(at_least))
    found = shards.collect(known_at(tasks, as_of), part)
    order = ["score", *LOG_GROUP, "creation_time", "task_id", "duration"]
    rising = [False, *[True] * (len(order) - 1)]
    return found.sort_values(order, ascending=rising, kind="stable", ignore_index=True)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and bool(np.isfinite(value))


def _find(known: pd.DataFrame, *, threshold: float, at_least: int) -> pd.DataFrame:
    """Find the slow tasks of one shard."""
    usable = (known["status_code"] == "COMPLETED") & known["duration"].notna()
    done = known[usable & known["log_group_name"].notna()]
    group = grouping.group(done, LOG_GROUP).codes
    created = coerce.millis(done["creation_time"])
    millis = done["duration"].to_numpy().view("int64")
    # among tasks created at the same time, the duration decides which are last, not the row order
    order = np.lexsort((millis, created, group))
    group, created = group[order], created[order]
    logs = np.log(np.maximum(millis[order], 1))

    at = np.arange(len(order))
    new_group = np.diff(group, prepend=-1) != 0
    new_time = new_group | (np.diff(created, prepend=0) != 0)
    begin = np.maximum.accumulate(np.where(new_group, at, 0))
    # tasks created at the same time are not earlier
    end = np.maximum.accumulate(np.where(new_time, at, 0))
    n = np.minimum(end - begin, _HISTORY)

    enough = np.flatnonzero(n >= at_least)
    middle, score = np.zeros(len(at)), np.full(len(at), -np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.concatenate([np.full(_HISTORY, np.inf), logs]), _HISTORY
    )
    for first in range(0, len(enough), _ROWS):
        rows = enough[first : first + _ROWS]
        middle[rows], score[rows] = _score(logs[rows], windows[end[rows]], n[rows], threshold)

    slow = np.flatnonzero(score >= threshold)
    typical = np.rint(np.exp(middle[slow])).astype("int64").view("timedelta64[ms]")
    tasks = done.take(order[slow])
    found = tasks[[*LOG_GROUP, "task_id", "creation_time", "duration"]].assign(
        typical=typical, ratio=np.exp(logs[slow] - middle[slow]), score=score[slow], n=n[slow]
    )
    return grouping.with_own(found, tasks)


def _score(
    value: np.ndarray, earlier: np.ndarray, n: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the median of the last `n` values of each row of `earlier`, and the score of `value`.

    The score is minus infinity where no spread would be small enough to reach the threshold.
    """
    others = np.arange(_HISTORY) < _HISTORY - n[:, None]  # tasks of another log group
    earlier[others] = np.inf
    earlier.sort(axis=1)
    middle = _median(earlier, n)
    score = np.full(len(value), -np.inf)
    far = np.flatnonzero(value - middle >= threshold * _LEAST_SPREAD)
    deviations = np.abs(earlier[far] - middle[far, None])
    deviations.sort(axis=1)
    spread = np.maximum(_TO_SIGMA * _median(deviations, n[far]), _LEAST_SPREAD)
    score[far] = (value[far] - middle[far]) / spread
    return middle, score


def _median(ordered: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the median of the first `n` values of each sorted row."""
    rows = np.arange(len(n))
    middle: np.ndarray = (ordered[rows, (n - 1) // 2] + ordered[rows, n // 2]) / 2
    return middle
