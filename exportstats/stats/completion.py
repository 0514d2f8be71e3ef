"""Estimate by when tasks complete, active tasks included: the completion curve.

The duration of an active task is at least its age. A FAILED or CANCELLED task will never complete,
which is not the same as being slow. The Aalen-Johansen estimator accounts for both.
"""

from __future__ import annotations

from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema
from exportstats.errors import ArgumentError
from exportstats.stats import counting, grouping
from exportstats.stats.as_of import known_at
from exportstats.stats.weighted import divide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.stats.counting import Counts
    from exportstats.stats.grouping import Groups

_COUNTS = ("at_risk", "completed", "competing", "censored", "probability")
_EVENTS = {"completed": ("COMPLETED",), "ended": schema.TERMINAL_STATES}
_NEAR = 1e-9  # shares of up to a billion tasks differ by more
_divide = partial(divide, empty=0.0)  # 0 / 0 is 0


class Curve(NamedTuple):
    """The curves of groups: one row for the start and for each time at which something ended.

    Attributes
    ----------
    codes, millis
        Group and time since creation, sorted.
    at_risk, completed, competing, censored
        Number of tasks active just before, and what became of them at that time.
    probability
        Probability of having completed; NaN in a group without tasks.
    remaining
        Probability of still being active (Kaplan-Meier).
    """

    codes: np.ndarray
    millis: np.ndarray
    at_risk: np.ndarray
    completed: np.ndarray
    competing: np.ndarray
    censored: np.ndarray
    probability: np.ndarray
    remaining: np.ndarray


def completion_curve(
    tasks: pd.DataFrame | Shards,
    *,
    by: str | Sequence[str] | None = None,
    as_of: str | date | pd.Period | None = None,
    event: Literal["completed", "ended"] = "completed",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Estimate the probability that a task has completed by a time after its creation.

    Active tasks are right-censored; FAILED and CANCELLED are competing ends. The estimator is that
    of Aalen and Johansen (1978), which is 1 - Kaplan-Meier without competing ends.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.
    by
        Column or columns to group by. Missing values form a group of their own.
    as_of
        Use only what was known at this instant; active tasks are censored then. It should not be
        later than the last observation. By default, the states are used as they are, and an active
        task is censored at its own `observed_at`.
    event
        "completed", or "ended" for any end, after which the slot is free.
    confidence
        Level of the band. It holds at each time, not for all times together.

    Returns
    -------
    DataFrame
        Indexed by group and `duration` (`timedelta64[ms]`): 0 and each time since creation at which
        a task ended or was censored. `attrs` holds `event` and `confidence`. Columns:

        - `at_risk`, the number of tasks active just before; in the first row, of all tasks;
        - `completed`, `competing`, `censored`, what became of them at that time;
        - `probability`, missing in a group without tasks;
        - `low`, `high`, the confidence band, missing where the probability is 0 or 1.

        Tasks without a known duration are not counted: active ones without an `observed_at`, and
        those in an unknown state. The next `at_risk` is `at_risk - completed - competing -
        censored`.

    Raises
    ------
    ArgumentError
        If a column cannot be grouped by, `event` is unknown, `confidence` is not between 0 and 1,
        or `as_of` has no time zone.
    SchemaError
        If `tasks` is not a table of tasks.

    Notes
    -----
    The variance is that of the delta method (Marubini and Valsecchi, 1995, as in lifelines and SAS;
    Collett, Modelling Survival Data in Medical Research, 3rd ed., p. 411), which is Greenwood's
    without competing ends. The band is symmetric in log(-log(1 - probability)), following
    Kalbfleisch and Prentice, like "log-log" in SciPy's survival function and "cloglog" in R's etm.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": list("abc"), "creation_time": 0, "observed_at": 7000,
    ...                       "status_code": ["COMPLETED", "RUNNING", "FAILED"],
    ...                       "completion_time": [2000, None, 9000]})
    >>> xs.completion_curve(xs.conform(frame))[["at_risk", "completed", "probability"]].round(3)
                     at_risk  completed  probability
    duration
    0 days 00:00:00        3          0        0.000
    0 days 00:00:02        3          1        0.333
    0 days 00:00:07        2          0        0.333
    0 days 00:00:09        1          0        0.333
    """
    names = grouping.names_of(by, tasks, (*_COUNTS, "low", "high"))
    if event not in _EVENTS:
        raise ArgumentError(f"event={event!r}; give one of {', '.join(map(repr, _EVENTS))}")
    check_confidence(confidence)
    part = partial(count_censored_durations, names=names)
    counted = counting.collect(known_at(tasks, as_of), part, names)
    ends, groups = counted.read(grouping.grid(counted.cells.keys, names))
    curve = curve_of(ends, groups, _EVENTS[event])
    low, high = _band(curve, confidence)
    keys = groups.keys.take(curve.codes).reset_index(drop=True)
    keys["duration"] = curve.millis.view("timedelta64[ms]")
    table = pd.DataFrame(
        {name: getattr(curve, name) for name in _COUNTS} | {"low": low, "high": high},
        index=grouping.index_of(keys),
    )
    table.attrs = {"event": event, "confidence": confidence}
    return table


def count_censored_durations(known: pd.DataFrame, *, names: Sequence[str]) -> Counts:
    """Count tasks by group, state and duration; the duration of an active task is its age."""
    millis = known["duration"].to_numpy(copy=True).view("int64")
    rows = np.flatnonzero(known["status_code"].isin(schema.ACTIVE_STATES))
    created, observed = (
        coerce.millis(known[name])[rows] for name in ("creation_time", "observed_at")
    )
    known_age = (created != coerce.NAT) & (observed >= created)
    millis[rows] = np.where(known_age, observed - created, coerce.NAT)
    return counting.count(known, names, millis)


def curve_of(ends: pd.DataFrame, groups: Groups, events: Sequence[str] = ("COMPLETED",)) -> Curve:
    """Estimate the curve of each group from the counts of `count_censored_durations`."""
    many = len(groups.keys)
    state, n = ends["status_code"], ends["n"].to_numpy()
    has_duration = ends["duration"].notna().to_numpy()
    done = state.isin(events).to_numpy()
    active = state.isin(schema.ACTIVE_STATES).to_numpy()
    other = state.isin(schema.TERMINAL_STATES).to_numpy() & ~done
    used = np.flatnonzero(has_duration & (done | active | other))
    # each group has a row at 0
    codes = np.append(np.arange(many), groups.codes[used])
    millis = np.append(
        np.zeros(many, dtype="int64"), ends["duration"].to_numpy()[used].view("int64")
    )
    order = np.lexsort((millis, codes))
    codes, millis = codes[order], millis[order]
    new = np.ones(len(codes), dtype=bool)
    new[1:] = (codes[1:] != codes[:-1]) | (millis[1:] != millis[:-1])
    starts = np.flatnonzero(new)
    codes, millis = codes[starts], millis[starts]

    def count(kind: np.ndarray) -> np.ndarray:
        each = np.append(np.zeros(many, dtype="int64"), np.where(kind, n, 0)[used])[order]
        summed: np.ndarray = np.add.reduceat(each, starts) if len(starts) else each
        return summed

    completed, competing, censored = count(done), count(other), count(active)
    leave = completed + competing + censored
    through = np.cumsum(leave)
    last = np.searchsorted(codes, np.arange(many), side="right") - 1
    at_risk = through[last][codes] - through + leave

    ended = _divide(completed + competing, at_risk)
    remaining = _running(1 - ended, codes, "cumprod")
    before = _before(remaining, codes)
    probability = _running(before * _divide(completed, at_risk), codes, "cumsum")
    # equal without competing ends, but exactly 1 when all have completed
    alone = _running(competing, codes, "cumsum") == 0
    probability = np.where(alone, 1 - remaining, probability)
    probability[at_risk == 0] = np.nan
    return Curve(codes, millis, at_risk, completed, competing, censored, probability, remaining)


def median_of(curve: Curve, groups: int) -> np.ndarray:
    """Return the time by which half of the tasks that complete have completed, in ms per group.

    Tasks still active after the last end are assumed to complete as often as the others. So the
    time is where the curve reaches half of `probability / (1 - remaining)` of its last row. Without
    competing ends this is one half, and the time is the Kaplan-Meier median. If the curve is flat
    at this height, the time is the middle of the flat part, as in R's survival; so without
    censoring it is the usual median. NaN if the curve does not reach it.
    """
    first = np.searchsorted(curve.codes, np.arange(groups))
    last = np.searchsorted(curve.codes, np.arange(groups), side="right") - 1
    half = _half_of(curve, last)
    goal = half[curve.codes]
    reached = first + np.bincount(
        curve.codes, weights=curve.probability < goal - _NEAR, minlength=groups
    ).astype("int64")
    above = first + np.bincount(
        curve.codes, weights=curve.probability <= goal + _NEAR, minlength=groups
    ).astype("int64")
    millis = curve.millis.astype("float64")
    found = np.minimum(reached, last)
    median = millis[found]
    level = np.abs(curve.probability[found] - half) <= _NEAR
    middle = median + (millis[np.minimum(above, last)] - median) / 2
    median = np.where(level & (above <= last), middle, median)
    return np.where(np.isnan(half) | (reached > last), np.nan, median)


def median_limits_of(
    curve: Curve, groups: int, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence limits of `median_of`, in ms per group; NaN if there are none.

    The method is that of Brookmeyer and Crowley (A confidence interval for the median survival
    time, Biometrics 38, 1982): all times at which the band contains the height that `median_of`
    looks for. The band is that of `completion_curve`.
    """
    last = np.searchsorted(curve.codes, np.arange(groups), side="right") - 1
    goal = _half_of(curve, last)[curve.codes]
    low, high = _band(curve, confidence)
    return _first_at(curve, high >= goal, groups), _first_at(curve, low >= goal, groups)


def _first_at(curve: Curve, reached: np.ndarray, groups: int) -> np.ndarray:
    """Return the first time of each group at which `reached` is true; NaN if there is none."""
    codes, first = np.unique(curve.codes[reached], return_index=True)
    found = np.full(groups, np.nan)
    found[codes] = curve.millis[reached][first]
    return found


def _half_of(curve: Curve, last: np.ndarray) -> np.ndarray:
    """Return half of the share that will complete; NaN if nothing has completed."""
    half = _divide(curve.probability[last], 2 * (1 - curve.remaining[last]))
    return np.where(half > 0, half, np.nan)


def _band(curve: Curve, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of the probability at each time; NaN where it is 0 or 1."""
    probability, codes = curve.probability, curve.codes
    n, done = curve.at_risk, curve.completed
    ended = done + curve.competing
    before = _before(curve.remaining, codes)
    # Sums of (F - F_i)^2 a_i and of (F - F_i) c_i, expanded into running sums. After everything has
    # ended, F - F_i is 0.
    a = _divide(_divide(ended, n), n - ended)
    b = before**2 * _divide(_divide(done, n) * _divide(n - done, n), n)
    c = before * _divide(_divide(done, n), n)
    sum_a, sum_fa, sum_ffa, sum_b, sum_c, sum_fc = (
        _running(np.nan_to_num(term), codes, "cumsum")
        for term in (a, probability * a, probability**2 * a, b, c, probability * c)
    )
    variance = (
        probability**2 * sum_a - 2 * probability * (sum_fa + sum_c) + sum_ffa + sum_b + 2 * sum_fc
    )
    low, high = np.full((2, len(codes)), np.nan)
    known = (probability > 0) & (probability < 1)
    log = np.log1p(-probability[known])
    error = np.sqrt(np.maximum(variance[known], 0)) / ((1 - probability[known]) * -log)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low[known] = -np.expm1(log * np.exp(-z * error))
    high[known] = -np.expm1(log * np.exp(z * error))
    return low, high


def check_confidence(level: object) -> None:
    """Check the level of a confidence interval.

    Raises
    ------
    ArgumentError
        If it is not a number between 0 and 1.
    """
    if not (isinstance(level, (int, float)) and 0 < level < 1):
        raise ArgumentError(f"confidence={level!r}; give a number between 0 and 1, such as 0.95")


def _running(
    values: np.ndarray, codes: np.ndarray, how: Literal["cumsum", "cumprod"]
) -> np.ndarray:
    """Return the running sum or product within each group, without others' rounding errors."""
    grouped = pd.Series(values).groupby(codes, sort=False)
    running = grouped.cumsum() if how == "cumsum" else grouped.cumprod()
    return running.to_numpy(copy=True)


def _before(remaining: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the value of the previous row within each group, 1 in the first row."""
    before = np.ones(len(remaining))
    same = codes[1:] == codes[:-1]
    before[1:][same] = remaining[:-1][same]
    return before
