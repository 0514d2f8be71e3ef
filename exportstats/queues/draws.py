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
from typing import NamedTuple

import numpy as np

from exportstats.core.coerce import is_whole
from exportstats.errors import ArgumentError
from exportstats.stats.predictive import TIME_OUT, Prediction

_MOST_RUNS = 100_000
_SPREADS = 100  # candidate spreads between log groups
_MOST_STUCK = 20  # with more stuck tasks, their share is known well enough
_FOLLOWED = 20  # tasks for which a trend continues
_LOG_TIME_OUT = np.log(TIME_OUT)
# Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, figure 17.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_ONE = np.float64(1).view("uint64")
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
        if not is_whole(runs) or not 1 <= runs <= _MOST_RUNS:
            raise ArgumentError(f"runs={runs!r}; give a whole number from 1 to {_MOST_RUNS:,}")
        if not is_whole(seed) or not 0 <= seed < 1 << 64:
            raise ArgumentError(f"seed={seed!r}; give a whole number from 0 to 2**64 - 1")
        return cls(int(runs), int(seed))

    def bits(self, seeds: np.ndarray) -> np.ndarray:
        """Return 64 random bits for each seed (row) and run (column)."""
        steps = GOLDEN * np.arange(1, self.runs + 1, dtype="uint64")
        return _mix(_mix(seeds ^ np.uint64(self.seed))[:, None] + steps)

    def uniform(self, seeds: np.ndarray) -> np.ndarray:
        """Return a number from 0 to below 1 for each seed (row) and run (column)."""
        return _to_unit(self.bits(seeds))

    def normal(self, seeds: np.ndarray) -> np.ndarray:
        """Return normally distributed numbers for each seed and run (Box and Muller, 1958)."""
        u, v = (self.uniform(_mix(seeds ^ np.uint64(second))) for second in (0, 2))
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
        self.between, self.drawn = between, drawn
        (normal,) = numbers.normal(np.array([seed_of("mean")], "uint64"))
        self.mean = mean[drawn] + normal / np.sqrt(total[drawn])


class Source(NamedTuple):
    """What durations of tasks are drawn from; one row per history and window.

    Attributes
    ----------
    bodies
        The distributions of usual durations.
    seed
        Seed of the history, shared by all its tasks.
    center
        The center of the history's log group, NaN if others suggest nothing about it.
    spread
        The standard deviation of the cube roots of usual durations.
    location, scale, effective_n
        The center and the width of the cube roots, and how many durations the history is worth.
    stuck_share, n_stuck
        The share of stuck tasks, and the number of them that it was learned from.
    stuck_logs, stuck_shares
        The distributions of the durations of stuck tasks.
    center_variance
        The variance of the center.
    slope, error, age
        The trend of the durations.
    """

    bodies: list[Prediction]
    seed: np.ndarray
    center: np.ndarray
    spread: np.ndarray
    location: np.ndarray
    scale: np.ndarray
    effective_n: np.ndarray
    stuck_share: np.ndarray
    n_stuck: np.ndarray
    stuck_logs: np.ndarray
    stuck_shares: np.ndarray
    center_variance: np.ndarray
    slope: np.ndarray
    error: np.ndarray
    age: np.ndarray

    def take(self, rows: np.ndarray) -> Source:
        """Return some rows, with values as columns."""
        bodies = [self.bodies[row] for row in rows]
        return Source(bodies, *(each[rows].reshape(len(rows), -1) for each in self[1:]))

    def draw(
        self,
        numbers: Numbers,
        pool: Pool | None,
        rows: np.ndarray,
        seeds: np.ndarray,
        places: np.ndarray,
        factors: np.ndarray,
    ) -> np.ndarray:
        """Draw durations for tasks (rows) and runs (columns).

        Parameters
        ----------
        numbers, pool
            The random numbers of the runs, and what other log groups suggest.
        rows
            From which row each task draws.
        seeds, places, factors
            The seed of each task, how many tasks of its log group come before it, and how many
            times as long it takes as its row says.
        """
        each = self.take(rows)
        shift, width, effective_n = (
            np.zeros((len(rows), 1)),
            np.ones((len(rows), 1)),
            each.effective_n,
        )
        if pool is not None:
            alone = np.isnan(each.center)
            own = np.where(alone, 1, pool.between / (pool.between + each.center_variance))
            # Student's spread comes from all log groups, so it counts as far as they are alike
            ratio = each.scale / each.spread
            width = np.sqrt(own + (1 - own) * ratio**2 * (1 - 1 / effective_n))
            others, width, effective_n = (
                np.take(values, pool.drawn, axis=1)
                for values in (1 - own, width, effective_n / own)
            )
            shift = np.subtract(pool.mean, np.where(alone, 0, each.center))
            shift *= others
        which = (numbers.uniform(seeds) * effective_n).astype("int64").view("uint64")
        which *= GOLDEN
        which += numbers.bits(each.seed[:, 0])
        roots = _roots(_interpolate(_mix(which), each.bodies))
        center = each.location
        roots -= center
        roots *= width
        roots += center
        logs = np.log(np.maximum(roots, 1, out=roots), out=roots)
        logs *= 3
        logs += shift
        logs += np.log(factors)[:, np.newaxis]
        trending = np.flatnonzero(each.error[:, 0])
        if len(trending):
            seed, slope, error, age = (
                values[trending] for values in (each.seed, each.slope, each.error, each.age)
            )
            later = np.minimum(places[trending], _FOLLOWED)[:, np.newaxis]
            error = error * numbers.normal(seed[:, 0] ^ np.uint64(1))
            logs[trending] += slope * later + error * (age + later)
        drawn: np.ndarray = np.exp(np.minimum(logs, _LOG_TIME_OUT, out=logs), out=logs)
        # whether a task is stuck is independent of the others
        chances = numbers.uniform(_mix(seeds.copy()))
        learned, of = np.unique(np.rint(each.n_stuck[:, 0]).astype(int), return_inverse=True)
        rates = np.array([_stuck_rates(numbers, n) for n in learned.tolist()])
        most = each.stuck_share[:, 0] * rates.max(axis=1)[of]
        for row in np.flatnonzero(chances.min(axis=1) < most):
            limits = each.stuck_share[row] * rates[of[row]]
            some = np.flatnonzero(chances[row] < limits)
            ends = Prediction(each.stuck_logs[row], each.stuck_shares[row])
            drawn[row, some] = ends.quantile(chances[row, some] / limits[some])
        return drawn


def seed_of(*names: str | None) -> int:
    """Hash names to a number that is the same in every process."""
    text = json.dumps(names).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def _interpolate(bits: np.ndarray, bodies: list[Prediction]) -> np.ndarray:
    """Return the logarithms of the quantiles for random shares, given as bits.

    Interpolating sorted values is so much faster that it outweighs sorting them. The lowest bits,
    on which the shares hardly depend, tell the run of each of them.
    """
    runs = bits.shape[1]
    of_run = np.uint64((1 << (runs - 1).bit_length()) - 1)
    bits &= ~of_run
    bits |= np.arange(runs, dtype="uint64")
    bits.sort(axis=1)
    order = (bits & of_run).view("int64")
    shares, logs = _to_unit(bits), np.empty(bits.shape)
    for row, body in enumerate(bodies):
        logs[row, order[row]] = np.interp(shares[row], body.shares, body.logs)
    return logs


def _roots(logs: np.ndarray) -> np.ndarray:
    """Return the cube roots of durations, which last at least a millisecond."""
    roots: np.ndarray = np.maximum(logs, 0)
    roots /= 3
    np.exp(roots, out=roots)
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


def _to_unit(bits: np.ndarray) -> np.ndarray:
    """Make numbers from 0 to below 1, in place, of the upper 52 bits: those of 1 to below 2."""
    bits >>= np.uint64(12)
    bits |= _ONE
    unit: np.ndarray = bits.view("float64")
    unit -= 1
    return unit


def _mix(bits: np.ndarray) -> np.ndarray:
    """Mix bits in place."""
    shifted = np.empty_like(bits)
    for shift, factor in zip(_SHIFTS, (*_FACTORS, None), strict=True):
        bits ^= np.right_shift(bits, shift, out=shifted)
        if factor is not None:
            bits *= factor
    return bits
