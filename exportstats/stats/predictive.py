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

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

TIME_OUT = 86_400_000  # milliseconds; the service ends a task after a day
STUCK = 10.0  # a stuck task lasts more than this many times as long as usual
_LOG_TIME_OUT = float(np.log(TIME_OUT))
_HALF_LIFE = 20  # after this many tasks an earlier one has half the weight, to follow a slowdown
_SPREAD_TASKS = 4  # the weight of the prior spread, in tasks
_FEW = 5  # with fewer tasks, their own spread is too uncertain
_STEPS = np.arange(17) / 16
_LEAST_SPREAD = 0.007  # relative to the cube root: durations are never quite equal
_WIDE = 0.4  # the spread, relative to the cube root, if nothing is known of it
_TWO, _NORMAL = 2, 8  # degrees of freedom; from 8 on, the normal distribution is used
_HALVES = 0.5 ** np.arange(31)


class Prior(NamedTuple):
    """What other tasks suggest about a task.

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
    """

    spread: float = np.nan
    stuck: float = 0.0001
    timed_out: float = 0.5
    reach: float = 0.5
    n_stuck: int = 0


class Prediction(NamedTuple):
    """A distribution of durations up to the time-out.

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

    def quantile(self, shares: np.ndarray) -> np.ndarray:
        """Return the quantiles for these shares, in milliseconds."""
        quantile: np.ndarray = np.exp(np.interp(shares, self.shares, self.logs))
        return quantile


def recency(n: int) -> np.ndarray:
    """Return the weights of n tasks, the latest one last."""
    weights: np.ndarray = 0.5 ** (np.arange(n)[::-1] / _HALF_LIFE)
    return weights


class Model(NamedTuple):
    """The distributions of the durations of a log group's tasks, usual and stuck ones.

    Attributes
    ----------
    logs, weights
        Logarithms of the durations, ascending, and their weights.
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
    usual: _Student
    effective_n: float
    stuck: Prediction
    stuck_share: float
    n_stuck: float

    @classmethod
    def fit(cls, durations: np.ndarray, weights: np.ndarray, prior: Prior) -> Model:
        """Fit the model to a history.

        Parameters
        ----------
        durations
            Durations of earlier tasks in milliseconds, at least one; infinity for those that ran
            into the time-out.
        weights
            Their weights. The next task has the weight 1.
        prior
            What other tasks suggest.
        """
        weights = weights * (len(weights) / weights.sum())
        timed_out = float(weights[np.isinf(durations)].sum())
        order = np.argsort(durations, kind="stable")[: max(int(np.isfinite(durations).sum()), 1)]
        logs, weights = np.log(np.clip(durations[order], 1, 1e18)), weights[order]
        total = float(weights.sum())
        middle = logs[np.searchsorted(np.cumsum(weights), total / 2)]
        is_usual = logs <= middle + np.log(STUCK)
        of_usual = weights[is_usual]
        student = _Student.fit(logs[is_usual], of_usual, prior.spread)
        effective_n = 1 + float(of_usual.sum() ** 2 / (of_usual @ of_usual))
        # the history's own long tasks are not counted twice
        known = timed_out + float(weights[~is_usual].sum())
        others = max(prior.stuck * (total + timed_out) - known, prior.stuck)
        stuck = timed_out + others
        timed_out_share = (timed_out + others * prior.timed_out) / stuck
        # stuck tasks end at any time, or run into the time-out
        longest = min(logs[is_usual][-1], _LOG_TIME_OUT - 1e-9)
        ends = longest + _STEPS ** (1 / prior.reach - 1) * (_LOG_TIME_OUT - longest)
        of_stuck = Prediction(ends, (1 - timed_out_share) * _STEPS)
        share, n_stuck = stuck / (total + stuck), timed_out + prior.n_stuck
        return cls(logs, weights, student, effective_n, of_stuck, share, n_stuck)

    def predict(self, elapsed: float = 0) -> Prediction:
        """Predict how long a task will last that has lasted `elapsed` ms (below the time-out)."""
        now = float(np.log(elapsed)) if elapsed > 0 else -np.inf
        return _with_stuck(*self.usual_after(now), now, self.stuck, self.stuck_share)

    @property
    def center(self) -> float:
        """The logarithm of the duration in the center: of the cube of the mean cube root."""
        return 3 * math.log(self.usual.location)

    @property
    def center_variance(self) -> float:
        """The variance of `center`, to first order."""
        return (3 * self.usual.scale / self.usual.location) ** 2 / self.effective_n

    def usual_after(self, now: float) -> tuple[Prediction, float]:
        """Return the distribution of the usual durations above `now`, and their probability.

        Parameters
        ----------
        now
            Logarithm of the elapsed time.
        """
        logs, tail = self.logs, self.usual
        longer = logs > now
        at, counts = logs[longer], self.weights[longer]
        # each interval has half the weight of its two ends; the outermost end is the new task
        masses = np.convolve(np.concatenate([[1], counts, [1]]), [0.5, 0.5], mode="valid")
        lasting = masses.sum() / (self.weights.sum() + 1)
        if not len(at):
            lasting *= tail.above(now) / tail.above(logs[-1])
        top = at[-1] if len(at) else now
        # where the tail underflows, it collapses to its start
        above_top = np.maximum(tail.quantile_above(tail.above(top) * _HALVES[1:]), top)
        first, shares = np.array([now]), np.zeros(1)
        if len(at) == len(logs):
            below, left = tail.below(at[0]), tail.below(now)
            first = tail.quantile_below(left + (below - left) * _HALVES[:0:-1])
            first = np.clip(first, now, at[0])
            shares = masses[0] * _HALVES[:0:-1]
        edges = np.cumsum(masses[:-1]) if len(at) else np.zeros(0)
        above = masses.sum() - masses[-1] * _HALVES[1:]
        found = np.concatenate([shares, edges, above]) / masses.sum()
        return Prediction(np.concatenate([first, at, above_top]), found), float(lasting)


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


class _Student(NamedTuple):
    """Student's distribution of cube roots, with 1, 2 or 4 degrees of freedom, or the normal one.

    These have closed forms: Shaw, Sampling Student's T distribution, Journal of Computational
    Finance 9 (2006), section 2.
    """

    location: float
    scale: float
    degrees: int

    @classmethod
    def fit(cls, logs: np.ndarray, weights: np.ndarray, spread: float) -> _Student:
        """Fit the distribution of the next value, given a prior spread (NaN if unknown)."""
        n, total, roots = len(logs), weights.sum(), np.exp(logs / 3)
        location = float(weights @ roots) / total
        effective = total**2 / float(weights @ weights)
        variance = float(weights @ (roots - location) ** 2) / total
        known = not np.isnan(spread)
        prior = _SPREAD_TASKS if known else float(n < _FEW)
        squares = effective * variance + prior * (location * (spread if known else _WIDE)) ** 2
        variance = squares / (effective - 1 + prior)
        scale = max(np.sqrt(variance * (1 + 1 / effective)), _LEAST_SPREAD * location)
        freedom = n - 1 + _SPREAD_TASKS if known else max(n - 1, 2)
        return cls(location, float(scale), max(d for d in (1, 2, 4, _NORMAL) if d <= freedom))

    def above(self, log: float) -> float:
        """Return the probability above a logarithm of a duration."""
        return self._survival((math.exp(log / 3) - self.location) / self.scale)

    def below(self, log: float) -> float:
        """Return the probability below a logarithm of a duration."""
        return self._survival((self.location - math.exp(log / 3)) / self.scale)

    def quantile_above(self, shares: np.ndarray) -> np.ndarray:
        """Return the logarithms that have these probabilities above them."""
        return _to_logs(self.location + self.scale * self._inverse(shares))

    def quantile_below(self, shares: np.ndarray) -> np.ndarray:
        """Return the logarithms that have these probabilities below them."""
        return _to_logs(self.location - self.scale * self._inverse(shares))

    def _survival(self, z: float) -> float:
        if np.isinf(z):
            return float(z < 0)
        if self.degrees == _NORMAL:
            return math.erfc(min(z / math.sqrt(2), 26)) / 2  # avoids an underflow
        if self.degrees == 1:
            return float(np.arctan2(1, z) / np.pi)
        if self.degrees == _TWO:
            root = np.sqrt(2 + z * z)
            return float((root - z) / (2 * root)) if z < 0 else float(1 / (root * (root + z)))
        u = z / np.sqrt(4 + z * z)
        return float(0.5 - 0.75 * u + 0.25 * u**3)

    def _inverse(self, shares: np.ndarray) -> np.ndarray:
        z: np.ndarray
        if self.degrees == _NORMAL:
            return -np.array([NormalDist().inv_cdf(share) for share in shares.tolist()])
        if self.degrees == 1:
            z = 1 / np.tan(np.pi * shares)
            return z
        both = 4 * shares * (1 - shares)
        if self.degrees == _TWO:
            z = (1 - 2 * shares) * np.sqrt(2 / both)
            return z
        root = np.sqrt(both)
        inside = np.maximum(np.cos(np.arccos(np.minimum(root, 1)) / 3) / root - 1, 0)
        z = np.sign(0.5 - shares) * 2 * np.sqrt(inside)
        return z


def _to_logs(roots: np.ndarray) -> np.ndarray:
    """Return the logarithms of the cubes; a duration is at least a millisecond."""
    logs: np.ndarray = 3 * np.log(np.maximum(roots, 1))
    return logs
