"""The distribution of how long a task will last, from how long earlier ones did.

The next of n durations lies in each of the n + 1 intervals between them with the same probability
(Hill, Posterior distribution of percentiles, JASA 63, 1968): that holds whatever the distribution.
How the probability is spread beyond the shortest and the longest is taken from Student's
distribution of the logarithms, whose spread is learned from other log groups where a history is
short. A further share of tasks is stuck: they last until any time up to the time-out, or run into
it; that share is learned from all tasks.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

TIME_OUT = 86_400_000  # milliseconds; the service ends a task after a day
STUCK = 10.0  # times as long as is usual for the log group
_LOG_TIME_OUT = float(np.log(TIME_OUT))
_HALF_LIFE = 20  # tasks after which an earlier one counts half, to follow a slowdown
_SPREAD_TASKS = 4  # that what was learned of the spread counts as
_FEW = 5  # tasks, below which they alone say too little of the spread
_LEAST_SPREAD = 0.02  # of the logarithms: durations are never quite equal
_TWO, _NORMAL = 2, 8  # degrees of freedom; of so many Student's distribution is nearly normal
_HALVES = 0.5 ** np.arange(31)


class Learned(NamedTuple):
    """What other tasks say of a task.

    Attributes
    ----------
    spread
        The standard deviation of logarithms within a log group, NaN where it is not known.
    stuck
        The share of tasks that are stuck.
    timed_out
        The share of stuck tasks that run into the time-out.
    """

    spread: float = np.nan
    stuck: float = 0.0001
    timed_out: float = 0.5


class Prediction(NamedTuple):
    """A distribution of durations up to the time-out.

    Attributes
    ----------
    logs
        Logarithms of durations in milliseconds, ascending.
    shares
        The probability of lasting no longer, linear between; what is left runs into the time-out.
    """

    logs: np.ndarray
    shares: np.ndarray

    @property
    def time_out(self) -> float:
        """The probability of running into the time-out."""
        return 1 - float(self.shares[-1])

    def quantile(self, shares: np.ndarray) -> np.ndarray:
        """Return the durations, in milliseconds, that these shares do not exceed."""
        quantile: np.ndarray = np.exp(np.interp(shares, self.shares, self.logs))
        return quantile


def recency(n: int) -> np.ndarray:
    """Return what each of n tasks counts, the latest one last."""
    weights: np.ndarray = 0.5 ** (np.arange(n)[::-1] / _HALF_LIFE)
    return weights


class Past(NamedTuple):
    """What is known of the tasks of a history, of those that are not stuck and of those that are.

    Attributes
    ----------
    logs, weights
        Logarithms of the durations, ascending, and what each counts.
    fit
        The distribution of those that are usual.
    worth
        How many durations the usual ones and the next one are worth.
    stuck
        The distribution of stuck tasks.
    chance
        The share of tasks that are stuck.
    """

    logs: np.ndarray
    weights: np.ndarray
    fit: _Student
    worth: float
    stuck: Prediction
    chance: float

    @classmethod
    def of(cls, durations: np.ndarray, weights: np.ndarray, learned: Learned) -> Past:
        """Learn from a history, and from what other tasks say.

        Parameters
        ----------
        durations
            How long earlier tasks lasted, at least one, in milliseconds; infinity for those that
            ran into the time-out.
        weights
            What each of them counts; the new task counts 1.
        learned
            What other tasks say.
        """
        weights = weights * (len(weights) / weights.sum())
        timed_out = float(weights[np.isinf(durations)].sum())
        order = np.argsort(durations, kind="stable")[: max(int(np.isfinite(durations).sum()), 1)]
        logs, weights = np.log(np.clip(durations[order], 1, 1e18)), weights[order]
        total = float(weights.sum())
        middle = logs[np.searchsorted(np.cumsum(weights), total / 2)]
        usual = logs <= middle + np.log(STUCK)
        fit = _Student.fit(logs[usual], weights[usual], learned.spread)
        worth = 1 + float(weights[usual].sum() ** 2 / (weights[usual] @ weights[usual]))
        others = learned.stuck * (total + timed_out)
        stuck = timed_out + others
        in_vain = (timed_out + others * learned.timed_out) / stuck
        # they end at any time, or by the time-out
        ends = np.array([min(logs[usual][-1], _LOG_TIME_OUT - 1e-9), _LOG_TIME_OUT])
        of_stuck = Prediction(ends, np.array([0, 1 - in_vain]))
        return cls(logs, weights, fit, worth, of_stuck, stuck / (total + stuck))

    def predict(self, elapsed: float = 0) -> Prediction:
        """Predict how long a task lasts that has lasted so long, less than the time-out."""
        now = float(np.log(elapsed)) if elapsed > 0 else -np.inf
        return _with_stuck(*self.beyond(now), now, self.stuck, self.chance)

    @property
    def unsure(self) -> float:
        """The variance of the mean of the logarithms."""
        return self.fit.scale**2 / self.worth

    def beyond(self, now: float) -> tuple[Prediction, float]:
        """Return the distribution of tasks that are not stuck, and the share that last so long.

        Parameters
        ----------
        now
            The logarithm of what has elapsed.
        """
        logs, tail = self.logs, self.fit
        longer = logs > now
        at, counts = logs[longer], self.weights[longer]
        # each interval counts half of what its two ends do, and beyond the last one is the new task
        masses = np.convolve(np.concatenate([[1], counts, [1]]), [0.5, 0.5], mode="valid")
        lasting = masses.sum() / (self.weights.sum() + 1)
        if not len(at):
            lasting *= tail.beyond(now) / tail.beyond(logs[-1])
        top = at[-1] if len(at) else now
        # where the tail has no numbers left, all of it is where it begins
        beyond = np.maximum(tail.quantile_beyond(tail.beyond(top) * _HALVES[1:]), top)
        first, shares = np.array([now]), np.zeros(1)
        if len(at) == len(logs):
            below, left = tail.below(at[0]), tail.below(now)
            first = tail.quantile_below(left + (below - left) * _HALVES[:0:-1])
            first = np.clip(first, now, at[0])
            shares = masses[0] * _HALVES[:0:-1]
        edges = np.cumsum(masses[:-1]) if len(at) else np.zeros(0)
        above = masses.sum() - masses[-1] * _HALVES[1:]
        found = np.concatenate([shares, edges, above]) / masses.sum()
        return Prediction(np.concatenate([first, at, beyond]), found), float(lasting)


def _with_stuck(
    body: Prediction, lasting: float, now: float, stuck: Prediction, chance: float
) -> Prediction:
    """Mix a distribution with that of the stuck tasks, given that both have lasted until now.

    Parameters
    ----------
    body
        The distribution of those that are not stuck, given that they have lasted until now.
    lasting
        The probability that such a one does.
    now
        The logarithm of what has elapsed.
    stuck, chance
        The distribution of the others, and their share.
    """
    alive = 1 - float(np.interp(now, *stuck))
    share = chance * alive / (chance * alive + (1 - chance) * lasting)
    # what lasts until the time-out or longer is what is left of the shares
    before = np.searchsorted(body.logs, _LOG_TIME_OUT) + 1
    logs, shares = body.logs[:before], body.shares[:before]
    edges = np.array([max(stuck.logs[0], now), _LOG_TIME_OUT])
    shares = np.append(shares, np.interp(edges, logs, shares))
    logs = np.append(logs, edges)
    order = np.lexsort((shares, logs))
    order = order[logs[order] <= _LOG_TIME_OUT]
    logs, shares = logs[order], shares[order]
    gone = 1 - (1 - np.interp(logs, *stuck)) / alive
    return Prediction(logs, (1 - share) * shares + share * np.maximum(gone, 0))


class _Student(NamedTuple):
    """Student's distribution, with 1, 2 or 4 degrees of freedom, or the normal one for 8 and more.

    These have closed forms: Shaw, Sampling Student's T distribution, Journal of Computational
    Finance 9 (2006), section 2.
    """

    location: float
    scale: float
    degrees: int

    @classmethod
    def fit(cls, logs: np.ndarray, weights: np.ndarray, spread: float) -> _Student:
        """Fit the distribution of a next value, with a spread that others are known to have."""
        n, total = len(logs), weights.sum()
        location = float(weights @ logs) / total
        effective = total**2 / float(weights @ weights)
        variance = float(weights @ (logs - location) ** 2) / total
        known = not np.isnan(spread)
        prior = _SPREAD_TASKS if known else float(n < _FEW)
        spread = spread if known else 1.0  # a wide one
        squares = effective * variance + prior * spread**2
        variance = squares / (effective - 1 + prior)
        scale = max(np.sqrt(variance * (1 + 1 / effective)), _LEAST_SPREAD)
        freedom = n - 1 + _SPREAD_TASKS if known else max(n - 1, 2)
        return cls(location, float(scale), max(d for d in (1, 2, 4, _NORMAL) if d <= freedom))

    def beyond(self, log: float) -> float:
        """Return the probability above a value."""
        return self._survival((log - self.location) / self.scale)

    def below(self, log: float) -> float:
        """Return the probability below a value."""
        return self._survival((self.location - log) / self.scale)

    def quantile_beyond(self, shares: np.ndarray) -> np.ndarray:
        """Return the values that have these probabilities above them."""
        return self.location + self.scale * self._inverse(shares)

    def quantile_below(self, shares: np.ndarray) -> np.ndarray:
        """Return the values that have these probabilities below them."""
        return self.location - self.scale * self._inverse(shares)

    def _survival(self, z: float) -> float:
        if np.isinf(z):
            return float(z < 0)
        if self.degrees == _NORMAL:
            return math.erfc(min(z / math.sqrt(2), 26)) / 2  # beyond that there is no number left
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
