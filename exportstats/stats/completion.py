"""By when tasks are done, the active ones counted in: the completion curve.

A task that is still active says that it takes at least so long; one that FAILED or was CANCELLED
will never complete, and is no slow one. The curve takes both for what they are (Aalen-Johansen).
"""

from __future__ import annotations

from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import frames, schema, shards
from exportstats.errors import ArgumentError
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at
from exportstats.stats.weighed import count_durations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.stats.as_of import Instant
    from exportstats.stats.grouping import By, Groups

_COUNTS = ("at_risk", "completed", "competing", "censored", "probability")
_EVENTS = {"completed": ("COMPLETED",), "ended": schema.TERMINAL_STATES}
_NEAR = 1e-9  # shares of up to a milliard tasks differ by more


class Curve(NamedTuple):
    """The curves of some groups: a row a group's start and each time that something ended.

    Attributes
    ----------
    codes, millis
        The group and the time since creation, in order.
    at_risk, completed, competing, censored
        How many were active just before, and what became of them at that time.
    probability
        The probability of having completed by then; NaN in a group of no task.
    remaining
        The probability of being active still, Kaplan and Meier's.
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
    tasks: shards.Tasks,
    *,
    by: By = None,
    as_of: Instant = None,
    event: Literal["completed", "ended"] = "completed",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Estimate the probability that a task has completed by a time after its creation.

    Active tasks are right-censored, FAILED and CANCELLED ones are competing ends: the estimate is
    Aalen and Johansen's (1978), and without competing ends 1 - Kaplan-Meier.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    by
        Column or columns to estimate in groups of; a missing value is a group of its own.
    as_of
        Estimate from what was known at this instant (aware), to which active tasks count. It
        should not be later than the last look at them. Without it, the states are taken as they
        are, and an active task counts to its own `observed_at`.
    event
        "completed", or "ended": when the slot is free, whatever the end.
    confidence
        The level of the band, which holds at each time by itself and not for all at once.

    Returns
    -------
    DataFrame
        Index: the groups and `duration` (`timedelta64[ms]`): 0 and each time since creation at
        which a task ended or was censored. Columns: `at_risk`, how many were active just before
        (of the first row: n); `completed`, `competing` and `censored`, what became of them at that
        time; `probability`, missing where n is 0; `low` and `high`, missing where the probability
        is 0 or 1, of which the formula knows no error. A task without a duration (an active one
        without a time to which it counts, or whose state nobody knows) is in no count. The rows of
        a group add up: each `at_risk` less what became of them is the next. `attrs` has `event`
        and `confidence`.

    Raises
    ------
    ArgumentError
        A column that cannot be grouped by, an unknown event, a level outside 0 to 1, or an `as_of`
        without a time zone.

    Notes
    -----
    The variance is the delta method's (Marubini and Valsecchi, 1995, as in lifelines and SAS; in
    Collett, Modelling Survival Data in Medical Research, 3rd ed., p. 411), and without competing
    ends Greenwood's. The band is symmetric in log(-log(1 - probability)): Kalbfleisch and
    Prentice's, as SciPy's "log-log" of the survival function and the "cloglog" of R's etm.

    Examples
    --------
    >>> frame = pd.DataFrame({"task_id": list("abc"), "creation_time": 0, "observed_at": 7000,
    ...                       "status_code": ["COMPLETED", "RUNNING", "FAILED"],
    ...                       "completion_time": [2000, None, 9000]})
    >>> completion_curve(frames.conform(frame))[["at_risk", "completed", "probability"]].round(3)
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
    if not _is_level(confidence):
        raise ArgumentError(f"confidence={confidence!r}; give a number between 0 and 1, as 0.95")
    ends = shards.collect(known_at(tasks, as_of), partial(weigh_ends, names=names))
    groups = grouping.grid(ends, names)
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


def weigh_ends(known: pd.DataFrame, *, names: Sequence[str]) -> pd.DataFrame:
    """Count tasks by group, state and duration, active ones by what they have taken so far.

    Returns
    -------
    DataFrame
        Columns: the keys, `status_code`, `duration` (missing where it is not known) and `n`.
    """
    active = known["status_code"].isin(schema.ACTIVE_STATES)
    ends = known["completion_time"].mask(active, known["observed_at"])
    timed = frames.derive(known.assign(completion_time=ends))
    return count_durations(timed, names, timed["duration"].to_numpy().view("int64"))


def curve_of(ends: pd.DataFrame, groups: Groups, events: Sequence[str] = ("COMPLETED",)) -> Curve:
    """Estimate the curve of each group of what `weigh_ends` gives."""
    many = len(groups.keys)
    state, n = ends["status_code"], ends["n"].to_numpy()
    placed = ends["duration"].notna().to_numpy()
    done = state.isin(events).to_numpy()
    active = state.isin(schema.ACTIVE_STATES).to_numpy()
    other = state.isin(schema.TERMINAL_STATES).to_numpy() & ~done
    used = np.flatnonzero(placed & (done | active | other))
    # each group has a row at 0, whatever ended there
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
    # the same number, but one that is exactly 1 when all have completed
    alone = _running(competing, codes, "cumsum") == 0
    probability = np.where(alone, 1 - remaining, probability)
    probability[at_risk == 0] = np.nan
    return Curve(codes, millis, at_risk, completed, competing, censored, probability, remaining)


def median_of(curve: Curve, groups: int) -> np.ndarray:
    """Return each group's time by which half of the tasks that complete have completed, in ms.

    What is still active after the last end is taken to complete as often as what has ended: half
    of `probability / (1 - remaining)`, both of the last row, is to be reached; without competing
    ends this is one half, and the time Kaplan and Meier's median. Where the curve is level at just
    that height the time is the middle of the level, as in R's survival: so it is the plain median
    where nothing is censored. NaN where the curve does not get there.
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
    """Return the confidence limits of each group's `median_of`, in ms; NaN where there is none.

    Those of Brookmeyer and Crowley (A confidence interval for the median survival time, Biometrics
    38, 1982): all times at which the band of the curve holds what is to be reached. The band is
    that of `completion_curve`, symmetric in the log-log of the survival function.
    """
    last = np.searchsorted(curve.codes, np.arange(groups), side="right") - 1
    goal = _half_of(curve, last)[curve.codes]
    low, high = _band(curve, confidence)
    return _first_at(curve, high >= goal, groups), _first_at(curve, low >= goal, groups)


def _first_at(curve: Curve, reached: np.ndarray, groups: int) -> np.ndarray:
    """Return the first time of each group at which something is reached, NaN if it never is."""
    codes, first = np.unique(curve.codes[reached], return_index=True)
    found = np.full(groups, np.nan)
    found[codes] = curve.millis[reached][first]
    return found


def _half_of(curve: Curve, last: np.ndarray) -> np.ndarray:
    """Return the probability that half of what completes has, NaN where nothing has completed."""
    half = _divide(curve.probability[last], 2 * (1 - curve.remaining[last]))
    return np.where(half > 0, half, np.nan)


def _band(curve: Curve, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of the probability at each time, NaN where it is 0 or 1."""
    probability, codes = curve.probability, curve.codes
    n, done = curve.at_risk, curve.completed
    ended = done + curve.competing
    before = _before(curve.remaining, codes)
    # Sums of (F - F_i)^2 a_i and of (F - F_i) c_i, multiplied out so that they can run. Where all
    # that is left ends, F - F_i is 0 ever after.
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


def _is_level(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 < value < 1


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide, with 0 where the whole is 0: nothing can happen to no task."""
    share: np.ndarray = np.zeros(len(part))
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def _running(
    values: np.ndarray, codes: np.ndarray, how: Literal["cumsum", "cumprod"]
) -> np.ndarray:
    """Return the running sum or product within each group, which no other group rounds."""
    grouped = pd.Series(values).groupby(codes, sort=False)
    running = grouped.cumsum() if how == "cumsum" else grouped.cumprod()
    return running.to_numpy(copy=True)


def _before(remaining: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the value of the row before within each group, 1 in the first one."""
    before = np.ones(len(remaining))
    same = codes[1:] == codes[:-1]
    before[1:][same] = remaining[:-1][same]
    return before
