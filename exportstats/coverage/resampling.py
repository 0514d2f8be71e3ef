"""How long queues of tasks will take, drawn many times from what earlier tasks say.

A run is one way that it may go. What is not known of a history is the same for all of its tasks:
so each run first draws as many durations as the history is worth, and each task of the queue then
takes one of these. That is sampling from the predictive distribution to learn what is not known
(Fong, Holmes and Walker, Martingale posterior distributions, JRSS B 85, 2023). What log groups say
of each other is the same for all of them in a run. A task begins when the one before it ends. Times
are offsets from one instant, in milliseconds.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exportstats.stats.predictive import TIME_OUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.stats.histories import Trend
    from exportstats.stats.predictive import Past, Prediction

# One more than a multiple of ten: 10 %, 50 % and 90 % of the runs are runs, with nothing between.
RUNS = 1001
QUANTILES = (100, 500, 900)
# So many tasks of a queue at a time: their runs fit into the processor's cache.
_CHUNK = 256
_SPREADS = 100  # between log groups, that are tried
_LEVELS = (np.arange(400) + 0.5) / 400
_FOLLOWED = 20  # tasks, for which a trend goes on
_LOG_TIME_OUT = np.log(TIME_OUT)
# Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, figure 17.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


class Pool:
    """What log groups say of each other: where their durations lie, for each run.

    The middles of log groups are drawn from a normal distribution, whose mean and spread are not
    known either, and are drawn anew for each run (Gelman and others, Bayesian Data Analysis, third
    edition, section 5.4). Before any is seen, the spread is as likely above as below the error of
    a middle (DuMouchel; Spiegelhalter, Abrams and Myles, Bayesian Approaches to Clinical Trials,
    section 5.7.3). So where log groups are alike, the one that seems to be slowest is not taken to
    be as slow as it seems.

    Parameters
    ----------
    middles
        The middle of each log group, and its variance, a row each.
    """

    def __init__(self, middles: np.ndarray) -> None:
        middle, variance = middles[:, :1], middles[:, 1:]
        # spreads that are equally likely before any is seen
        levels = (np.arange(_SPREADS) + 0.5) / _SPREADS
        between = (levels / (1 - levels)) ** 2 / np.mean(1 / variance)
        precision = 1 / (variance + between)
        total = precision.sum(axis=0)
        mean = (precision * middle).sum(axis=0) / total
        log = np.log(precision).sum(axis=0) - np.log(total)
        log -= (precision * (middle - mean) ** 2).sum(axis=0)
        odds = np.cumsum(np.exp((log - log.max()) / 2))
        (which,) = uniform(np.array([seed_of("between")], "uint64"))
        drawn = np.searchsorted(odds / odds[-1], which)
        self.between = between[drawn]
        self.mean = mean[drawn] + _normal(seed_of("mean")) / np.sqrt(total[drawn])


class Source(NamedTuple):
    """What the durations of a task are drawn from.

    Attributes
    ----------
    past
        What is known of the tasks of its history.
    trend
        How they became slower or faster.
    seed
        Of the history: what is not known of it is the same for all of its tasks.
    middle
        Where the history lies among others.
    pool
        What other log groups say of that, if they do.
    """

    past: Past
    trend: Trend
    seed: int
    middle: float
    pool: Pool | None

    def draw(self, seeds: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Draw a duration for each task (row), by its own seed and place, and run (column)."""
        body, _ = self.past.beyond(-np.inf)
        worth, shift, width = self.past.worth, np.zeros(RUNS), 1.0
        if self.pool is not None:
            own = self.pool.between / (self.pool.between + self.past.unsure)
            shift = (1 - own) * (self.pool.mean - self.middle)
            spread = np.sqrt(self.past.fit.scale**2 - (1 - own) * self.past.unsure)
            width = spread / _logs(body, _LEVELS).std()
            worth = worth / own
        which = (uniform(seeds) * worth).astype("uint64")
        numbers = _mix(_mix(np.array([self.seed], "uint64")) + _STEPS)
        logs = _logs(body, _to_unit(_mix(numbers + which * _GOLDEN)))
        middle = self.past.fit.location
        logs = middle + width * (logs - middle) + shift
        if self.trend.error:
            later = np.minimum(places, _FOLLOWED)[:, None]
            unsure = self.trend.error * _normal(self.seed ^ 1)
            logs += self.trend.slope * later + unsure * (self.trend.age + later)
        drawn = np.exp(np.minimum(logs, _LOG_TIME_OUT))
        # whether a task is stuck does not depend on the others
        chances = uniform(_mix(seeds)) / self.past.chance
        stuck = chances < 1
        drawn[stuck] = self.past.stuck.quantile(chances[stuck])
        return drawn


class Forecast(NamedTuple):
    """When the tasks of a queue will start and end: offsets, and the share of runs too late."""

    start: np.ndarray
    end: np.ndarray
    low: np.ndarray
    high: np.ndarray
    risk: np.ndarray


def forecast(
    sources: Sequence[Source],
    seeds: np.ndarray,
    places: np.ndarray,
    deadlines: np.ndarray,
    free: np.ndarray,
) -> tuple[Forecast, np.ndarray]:
    """Let the tasks of a queue run one after another, from when the slot is free.

    Parameters
    ----------
    sources, seeds, places
        What each task of the queue draws from, its own seed, and how many of its log group come
        before it.
    deadlines
        The offset of each task's deadline, NaN without one.
    free
        The offset from which on the slot is free, for each run.

    Returns
    -------
    tuple
        The times, and when the last task ends, for each run.
    """
    middle = np.empty((len(seeds), 3))
    risk = np.empty(len(seeds))
    start = np.partition(free, QUANTILES[1])[QUANTILES[1]]
    for first in range(0, len(seeds), _CHUNK):
        now = slice(first, first + _CHUNK)
        ends = _draw_all(sources[now], seeds[now], places[now])
        ends[0] += free
        np.cumsum(ends, axis=0, out=ends)
        free = ends[-1].copy()
        risk[now] = np.mean(ends > deadlines[now, None], axis=1)
        ends.partition(QUANTILES, axis=1)
        middle[now] = ends[:, QUANTILES]
    risk[np.isnan(deadlines)] = np.nan
    low, end, high = middle.T
    return Forecast(np.append(start, end[:-1]), end, low, high, risk), free


def _draw_all(sources: Sequence[Source], seeds: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Draw the durations of some tasks, those of one source at once."""
    rows: dict[int, list[int]] = {}
    for row, source in enumerate(sources):
        rows.setdefault(id(source), []).append(row)
    drawn = np.empty((len(seeds), RUNS))
    for some in rows.values():
        drawn[some] = sources[some[0]].draw(seeds[some], places[some])
    return drawn


def seed_of(*names: str | None) -> int:
    """Make a number of some names, the same one in every process."""
    text = json.dumps(names).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def uniform(seeds: np.ndarray) -> np.ndarray:
    """Return for each seed its own RUNS numbers from 0 to below 1.

    NumPy's generators take longer to be made, one a task, than all the rest takes.
    """
    return _to_unit(_mix(_mix(seeds)[:, None] + _STEPS))


def _logs(body: Prediction, shares: np.ndarray) -> np.ndarray:
    logs: np.ndarray = np.log(np.maximum(body.quantile(shares), 1))
    return logs


def _normal(seed: int) -> np.ndarray:
    """Return RUNS numbers of the normal distribution (Box and Muller, 1958)."""
    u, v = uniform(_mix(np.array([seed, seed ^ 2], "uint64")))
    numbers: np.ndarray = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)
    return numbers


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


_STEPS = _GOLDEN * np.arange(1, RUNS + 1, dtype="uint64")
