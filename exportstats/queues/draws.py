"""Draw the durations of tasks many times from the histories.

A run is one simulation. In each run, as many durations are drawn as the history is worth, and each
task of the queue takes one of them. So the uncertainty about a history is shared by all its tasks
(sampling from the predictive distribution: Fong, Holmes and Walker, Martingale posterior
distributions, JRSS B 85, 2023). What log groups suggest about each other is shared by all of them.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exportstats.errors import ArgumentError
from exportstats.stats.predictive import TIME_OUT

if TYPE_CHECKING:
    from exportstats.stats.predictive import Model, Prediction
    from exportstats.stats.scaling import Trend

_MOST_RUNS = 100_000
_SPREADS = 100  # candidate spreads between log groups
_LEVELS = (np.arange(400) + 0.5) / 400
_MOST_STUCK = 20  # with more stuck tasks, their share is known well enough
_FOLLOWED = 20  # tasks for which a trend continues
_LOG_TIME_OUT = np.log(TIME_OUT)
# Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, figure 17.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


class Numbers(NamedTuple):
    """Random numbers for the runs of a simulation, which depend on nothing but their seeds.

    Creating one of NumPy's generators per task would take longer than everything else.

    Attributes
    ----------
    runs
        The number of runs.
    seed
        The seed of the simulation.
    """

    runs: int
    seed: int

    @classmethod
    def of(cls, runs: int, seed: int) -> Numbers:
        """Check the arguments of a simulation.

        Raises
        ------
        ArgumentError
            If the number of runs or the seed is not valid.
        """
        if type(runs) is not int or not 1 <= runs <= _MOST_RUNS:
            raise ArgumentError(f"runs={runs!r}; give a number from 1 to {_MOST_RUNS:,}")
        if type(seed) is not int or not 0 <= seed < 1 << 64:
            raise ArgumentError(f"seed={seed!r}; give a whole number from 0 to 2**64 - 1")
        return cls(runs, seed)

    def bits(self, seeds: np.ndarray) -> np.ndarray:
        """Return 64 random bits for each seed (row) and run (column)."""
        steps = _GOLDEN * np.arange(1, self.runs + 1, dtype="uint64")
        return _mix(_mix(seeds ^ np.uint64(self.seed))[:, None] + steps)

    def uniform(self, seeds: np.ndarray) -> np.ndarray:
        """Return a number from 0 to below 1 for each seed (row) and run (column)."""
        return _to_unit(self.bits(seeds))

    def normal(self, seed: int) -> np.ndarray:
        """Return a normally distributed number for each run (Box and Muller, 1958)."""
        u, v = self.uniform(_mix(np.array([seed, seed ^ 2], "uint64")))
        numbers: np.ndarray = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)
        return numbers


class Pool:
    """What log groups suggest about each other: where their durations are centered, per run.

    The centers of log groups come from a normal distribution, whose mean and spread are uncertain
    and are drawn for each run (Gelman and others, Bayesian Data Analysis, third edition, section
    5.4). A priori, all spreads are equally likely (Gelman, Prior distributions for variance
    parameters in hierarchical models, Bayesian Analysis 1, 2006). So if log groups are alike, the
    one that seems slowest is not forecast to be as slow as it seems.

    Parameters
    ----------
    centers
        The center of each log group and its variance, one row each.
    numbers
        The random numbers of the runs.
    """

    def __init__(self, centers: np.ndarray, numbers: Numbers) -> None:
        center, variance = centers[:, :1], centers[:, 1:]
        levels = (np.arange(_SPREADS) + 0.5) / _SPREADS
        between = (levels / (1 - levels)) ** 2 / np.mean(1 / variance)
        precision = 1 / (variance + between)
        total = precision.sum(axis=0)
        mean = (precision * center).sum(axis=0) / total
        log = np.log(precision).sum(axis=0) - np.log(total)
        log -= (precision * (center - mean) ** 2).sum(axis=0)
        log -= 4 * np.log(1 - levels)  # equal spreads, not equal levels, are equally likely
        odds = np.cumsum(np.exp((log - log.max()) / 2))
        (which,) = numbers.uniform(np.array([seed_of("between")], "uint64"))
        drawn = np.searchsorted(odds / odds[-1], which)
        self.between = between[drawn]
        self.mean = mean[drawn] + numbers.normal(seed_of("mean")) / np.sqrt(total[drawn])


class Source(NamedTuple):
    """What the durations of a task are drawn from.

    Attributes
    ----------
    model
        The model of the history.
    trend
        The trend of its durations.
    seed
        Seed of the history, shared by all its tasks.
    center
        The center of the history's log group.
    pool
        What other log groups suggest, or None.
    """

    model: Model
    trend: Trend
    seed: int
    center: float
    pool: Pool | None

    def draw(
        self, numbers: Numbers, seeds: np.ndarray, places: np.ndarray, factors: np.ndarray
    ) -> np.ndarray:
        """Draw durations for tasks (rows) and runs (columns).

        Each task has a seed, a place, and how many times as long it takes as the model says.
        """
        body, _ = self.model.usual_after(-np.inf)
        effective_n, shift, width = self.model.effective_n, np.zeros(numbers.runs), 1.0
        center = self.model.usual.location
        if self.pool is not None:
            own = self.pool.between / (self.pool.between + self.model.center_variance)
            shift = (1 - own) * (self.pool.mean - self.center)
            spread = self.model.usual.scale * np.sqrt(1 - (1 - own) / self.model.effective_n)
            width = spread / _roots(body, _LEVELS).std()
            effective_n = effective_n / own
        which = (numbers.uniform(seeds) * effective_n).astype("uint64")
        values = numbers.bits(np.array([self.seed], "uint64"))
        roots = _roots(body, _to_unit(_mix(values + which * _GOLDEN)))
        roots = np.maximum(center + width * (roots - center), 1)
        logs = 3 * np.log(roots) + shift + np.log(factors)[:, None]
        if self.trend.error:
            later = np.minimum(places, _FOLLOWED)[:, None]
            error = self.trend.error * numbers.normal(self.seed ^ 1)
            logs += self.trend.slope * later + error * (self.trend.age + later)
        drawn: np.ndarray = np.exp(np.minimum(logs, _LOG_TIME_OUT))
        # whether a task is stuck is independent of the others
        rates = _stuck_rates(numbers, round(self.model.n_stuck))
        chances = numbers.uniform(_mix(seeds)) / (self.model.stuck_share * rates)
        stuck = chances < 1
        drawn[stuck] = self.model.stuck.quantile(chances[stuck])
        return drawn


class Fixed(NamedTuple):
    """A known duration in milliseconds, in place of a `Source`."""

    millis: float

    def draw(self, numbers: Numbers, *each: np.ndarray) -> np.ndarray:
        """Return it for tasks (rows) and runs (columns), times the factor of each task."""
        *_, factors = each
        return np.tile(self.millis * factors[:, np.newaxis], numbers.runs)


def seed_of(*names: str | None) -> int:
    """Hash names to a number that is the same in every process."""
    text = json.dumps(names).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def _roots(body: Prediction, shares: np.ndarray) -> np.ndarray:
    """Return the cube roots of the quantiles for these shares."""
    roots: np.ndarray = np.exp(np.maximum(np.interp(shares, body.shares, body.logs), 0) / 3)
    return roots


@cache
def _stuck_rates(numbers: Numbers, n_stuck: int) -> np.ndarray:
    """Return each run's rate of stuck tasks relative to the mean, learned from so many.

    It has a gamma distribution, the posterior of a Poisson rate, and all log groups share it.
    """
    n = min(max(n_stuck, 1), _MOST_STUCK)
    drawn = numbers.uniform(_mix(seed_of("stuck") + np.arange(n, dtype="uint64")))
    rates: np.ndarray = -np.log1p(-drawn).sum(axis=0) / n
    return rates


def _to_unit(numbers: np.ndarray) -> np.ndarray:
    unit: np.ndarray = (numbers >> np.uint64(11)) * 2.0**-53
    return unit


def _mix(numbers: np.ndarray) -> np.ndarray:
    mixed = numbers.copy()
    for shift, factor in zip(_SHIFTS, (*_FACTORS, None), strict=True):
        mixed ^= mixed >> shift
        if factor is not None:
            mixed *= factor
    return mixed
