"""Predict how long a task will last from the durations of earlier tasks.

Given n durations, the next one lies in each of the n + 1 intervals between them with the same
probability, whatever the distribution (Hill, Posterior distribution of percentiles, JASA 63, 1968).
Below the shortest and above the longest, the probability follows Student's distribution of the cube
roots, which are close to normal for lognormal, gamma and Weibull durations alike (Wilson and
Hilferty, The distribution of chi-square, PNAS 17, 1931). If the history is short, its spread is
learned from other log groups. In addition, a
share of the tasks is stuck: they end at any time up to the time-out, or run into it. This share is
learned from all tasks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exportstats.stats.student import Student, column, to_logs

TIME_OUT = 86_400_000  # milliseconds; the service ends a task after a day
STUCK = 10.0  # a stuck task lasts more than this many times as long as usual
_LOG_TIME_OUT = float(np.log(TIME_OUT))
_HALF_LIFE = 20  # after this many tasks an earlier one has half the weight, to follow a slowdown
_STEPS = np.arange(17) / 16
_HALVES = 0.5 ** np.arange(1, 31)
_TAIL = 0.00025  # left out: with few durations, Student's tails have no standard deviation


class Prior(NamedTuple):
    """What other tasks suggest about a task; arrays for several histories.

    Attributes
    ----------
    spread
        Standard deviation of cube roots within a log group, relative to their mean; NaN if unknown.
    stuck
        Share of tasks that are stuck.
    timed_out
        Share of stuck tasks that run into the time-out.
    reach
        Mean position of the ends of the other stuck tasks, from 0 (the longest usual duration) to 1
        (the time-out), on the scale of logarithms.
    n_stuck
        Number of stuck tasks that this was learned from.
    slope, error
        The common trend of all log groups: the change of the logarithm of the duration from one
        task to the next, and its standard error; 0 if unknown.
    """

    spread: float | np.ndarray = np.nan
    stuck: float | np.ndarray = 0.0001
    timed_out: float | np.ndarray = 0.5
    reach: float | np.ndarray = 0.5
    n_stuck: int | np.ndarray = 0
    slope: float | np.ndarray = 0.0
    error: float | np.ndarray = 0.0


class Prediction(NamedTuple):
    """A distribution of durations up to the time-out; one row each for several histories.

    Attributes
    ----------
    logs
        Logarithms of durations in milliseconds, ascending.
    shares
        Cumulative probability at each of them, linear in between. The rest runs into the time-out.
    """

    logs: np.ndarray
    shares: np.ndarray

    @property
    def timeout_probability(self) -> float:
        """The probability of running into the time-out."""
        return 1 - float(self.shares[-1])

    @property
    def spread(self) -> np.ndarray:
        """The standard deviation of the cube roots of each row, without the ends of the tails."""
        roots = np.exp(np.maximum(self.logs, 0) / 3)
        low, high = roots[:, :-1], roots[:, 1:]
        shares = np.diff(np.clip(self.shares, _TAIL, 1 - _TAIL), axis=1)
        shares /= column(shares.sum(axis=1))
        # Simpson's rule; logarithms are linear in between
        mean = (shares * (low + 4 * np.sqrt(low * high) + high)).sum(axis=1) / 6
        square = (shares * (low**2 + 4 * low * high + high**2)).sum(axis=1) / 6
        spread: np.ndarray = np.sqrt(square - mean**2)
        return spread

    def quantile(self, shares: np.ndarray) -> np.ndarray:
        """Return the quantiles for these shares, in milliseconds."""
        quantile: np.ndarray = np.exp(np.interp(shares, self.shares, self.logs))
        return quantile


def recency(used: np.ndarray) -> np.ndarray:
    """Return the weights of the tasks that are used, the latest one last in each row."""
    weights: np.ndarray = used * 0.5 ** ((ages(used) - 1) / _HALF_LIFE)
    return weights


def ages(used: np.ndarray) -> np.ndarray:
    """Return the ages of the tasks that are used, in tasks, the latest one last in each row."""
    count: np.ndarray = np.cumsum(used[:, ::-1], axis=1)[:, ::-1]
    return count


class Model(NamedTuple):
    """The distributions of the durations of tasks, usual and stuck ones; one row per history.

    Attributes
    ----------
    logs, weights
        Logarithms of the durations, ascending, and their weights, which are 0 where there is no
        task: at the beginning of a row.
    usual
        Distribution of the usual durations.
    effective_n
        Effective number of usual durations, plus one for the next task.
    stuck
        Distribution of the durations of stuck tasks.
    stuck_share
        Share of tasks that are stuck.
    n_stuck
        Number of stuck tasks that this was learned from.
    """

    logs: np.ndarray
    weights: np.ndarray
    usual: Student
    effective_n: np.ndarray
    stuck: Prediction
    stuck_share: np.ndarray
    n_stuck: np.ndarray

    @classmethod
    def fit(cls, durations: np.ndarray, weights: np.ndarray, prior: Prior) -> Model:
        """Fit the model to histories.

        Parameters
        ----------
        durations
            Durations of earlier tasks in milliseconds, one row per history; infinity for those that
            ran into the time-out.
        weights
            Their weights, 0 in places without a task; each row has at least one task. The next task
            has the weight 1.
        prior
            What other tasks suggest.
        """
        exists = weights > 0
        weights = weights * column(exists.sum(axis=1) / weights.sum(axis=1))
        timed_out = weights.sum(axis=1, where=exists & np.isinf(durations))
        ended = exists & np.isfinite(durations)
        none = ~ended.any(axis=1)
        ended[none, exists[none].argmax(axis=1)] = True
        durations = np.where(ended, np.clip(durations, 1, 1e18), 0)
        order = np.argsort(durations, axis=1, kind="stable")
        with np.errstate(divide="ignore"):
            logs = np.log(np.take_along_axis(durations, order, axis=1))
        weights = np.take_along_axis(np.where(ended, weights, 0), order, axis=1)
        total = weights.sum(axis=1)
        middle = np.cumsum(weights, axis=1) >= column(total / 2)
        middle = np.take_along_axis(logs, column(middle.argmax(axis=1)), axis=1)
        is_usual = (weights > 0) & (logs <= middle + np.log(STUCK))
        of_usual = np.where(is_usual, weights, 0)
        student = Student.fit(logs, of_usual, prior.spread)
        effective_n = 1 + of_usual.sum(axis=1) ** 2 / (of_usual**2).sum(axis=1)
        # the history's own long tasks are not counted twice
        known = timed_out + weights.sum(axis=1, where=~is_usual)
        others = np.maximum(prior.stuck * (total + timed_out) - known, prior.stuck)
        stuck = timed_out + others
        timed_out_share = (timed_out + others * prior.timed_out) / stuck
        # stuck tasks end at any time, or run into the time-out
        longest = np.where(is_usual, logs, 0).max(axis=1)
        longest = column(np.minimum(longest, _LOG_TIME_OUT - 1e-9))
        steps = _STEPS ** column(1 / np.asarray(prior.reach) - 1)
        of_stuck = Prediction(
            longest + steps * (_LOG_TIME_OUT - longest), column(1 - timed_out_share) * _STEPS
        )
        share, n_stuck = stuck / (total + stuck), timed_out + prior.n_stuck
        return cls(logs, weights, student, effective_n, of_stuck, share, n_stuck)

    def predict(self, elapsed: np.ndarray) -> list[Prediction]:
        """Predict how long tasks will last that have lasted `elapsed` ms (below the time-out)."""
        with np.errstate(divide="ignore"):
            now = np.log(elapsed)
        body, lasting = self.usual_after(now)
        bodies, stuck = (map(Prediction, *each) for each in (body, self.stuck))
        rows = zip(bodies, lasting, now, stuck, self.stuck_share, strict=True)
        return [_with_stuck(*row) for row in rows]

    @property
    def center(self) -> np.ndarray:
        """The logarithm of the duration in the center: of the cube of the mean cube root."""
        return to_logs(self.usual.location)

    @property
    def center_variance(self) -> np.ndarray:
        """The variance of `center`, to first order."""
        variance: np.ndarray = (3 * self.usual.scale / self.usual.location) ** 2 / self.effective_n
        return variance

    def usual_after(self, now: np.ndarray) -> tuple[Prediction, np.ndarray]:
        """Return the distributions of the usual durations above `now`, and their probabilities.

        Parameters
        ----------
        now
            Logarithms of the elapsed times.
        """
        logs, tail, exists = self.logs, self.usual, self.weights > 0
        longer = exists & (logs > column(now))
        is_any = longer[:, -1]
        is_all: np.ndarray = np.all(longer | ~exists, axis=1)
        counts = np.where(longer, self.weights, 0)
        # each interval has half the weight of its two ends; the outermost end is the new task
        edges = np.cumsum(counts, axis=1) + (1 - counts) / 2
        total = 1 + counts.sum(axis=1)
        top = np.where(is_any, logs[:, -1], now)
        lasting = total / (self.weights.sum(axis=1) + 1)
        lasting *= np.where(is_any, 1, tail.above(now) / tail.above(logs[:, -1]))
        # where the tail underflows, it collapses to its start
        above_top = tail.quantile_above(column(tail.above(top)) * _HALVES)
        above_top = np.maximum(above_top, column(top))
        last = np.where(is_any, (1 + counts[:, -1]) / 2, 1)
        above = column(total) - column(last) * _HALVES
        at = column(exists.argmax(axis=1))
        lowest = np.take_along_axis(logs, at, axis=1)
        below = tail.below(lowest[:, 0])
        left = np.where(is_all, tail.below(now), 0)
        first = tail.quantile_below(column(left) + column(below - left) * _HALVES[::-1])
        first = np.where(column(is_all), np.clip(first, column(now), lowest), column(now))
        mass = np.take_along_axis(edges, at, axis=1)
        shares = np.where(column(is_all), mass, 0) * _HALVES[::-1]
        logs = np.where(longer, logs, first[:, -1:])
        edges = np.where(longer, edges, shares[:, -1:])
        found = np.concatenate([shares, edges, above], axis=1) / column(total)
        return Prediction(np.concatenate([first, logs, above_top], axis=1), found), lasting


def _with_stuck(
    body: Prediction, lasting: float, now: float, stuck: Prediction, stuck_share: float
) -> Prediction:
    """Mix the distributions of usual and stuck tasks, given that both lasted until `now`.

    Parameters
    ----------
    body
        Distribution of the usual tasks that last longer than `now`.
    lasting
        Probability that a usual task does.
    now
        Logarithm of the elapsed time.
    stuck, stuck_share
        Distribution of the stuck tasks, and their share.
    """
    alive = 1 - float(np.interp(now, *stuck))
    share = stuck_share * alive / (stuck_share * alive + (1 - stuck_share) * lasting)
    # the rest of the shares lasts until the time-out or longer
    before = np.searchsorted(body.logs, _LOG_TIME_OUT) + 1
    logs, shares = body.logs[:before], body.shares[:before]
    edges = np.maximum(stuck.logs, now)
    shares = np.append(shares, np.interp(edges, logs, shares))
    logs = np.append(logs, edges)
    order = np.lexsort((shares, logs))
    order = order[logs[order] <= _LOG_TIME_OUT]
    logs, shares = logs[order], shares[order]
    ended = 1 - (1 - np.interp(logs, *stuck)) / alive
    return Prediction(logs, (1 - share) * shares + share * np.maximum(ended, 0))
