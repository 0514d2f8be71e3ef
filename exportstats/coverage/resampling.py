"""How long queues of tasks will take, drawn many times from what earlier tasks say.

A run is one way that it may go. What is not known of a history is the same for all of its tasks:
so each run first draws as many durations as the history is worth, and each task of the queue then
takes one of these. It begins when the one before it ends. Times are offsets from one instant, in
milliseconds.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.stats.predictive import Prediction

# One more than a multiple of ten: 10 %, 50 % and 90 % of the runs are runs, with nothing between.
RUNS = 1001
QUANTILES = (100, 500, 900)
# So many tasks of a queue at a time: their runs fit into the processor's cache.
_CHUNK = 256
# Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, figure 17.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


class Source(NamedTuple):
    """What the durations of a task are drawn from.

    Attributes
    ----------
    prediction
        The distribution of a duration.
    seeds
        Of the history, and of one history in each slot: what is not known of a history is the same
        for all of its tasks, and in part for those of other slots.
    worth
        How many durations of each run there are to take from.
    """

    prediction: Prediction
    seeds: tuple[int, int]
    worth: int

    def draw(self, seeds: np.ndarray) -> np.ndarray:
        """Draw a duration for each task (row), by its own seed, and run (column)."""
        which = (uniform(seeds) * self.worth).astype("uint64")
        # half of them are shared across slots, for errors of all slots do not all lengthen the end
        of = np.where(which % 2, *(np.array([[seed]], dtype="uint64") for seed in self.seeds))
        return self.prediction.quantile(_to_unit(_mix(_mix(_mix(of) + _STEPS) + which * _GOLDEN)))


class Forecast(NamedTuple):
    """When the tasks of a queue will start and end: offsets, and the share of runs too late."""

    start: np.ndarray
    end: np.ndarray
    low: np.ndarray
    high: np.ndarray
    risk: np.ndarray


def forecast(
    sources: Sequence[Source], seeds: np.ndarray, deadlines: np.ndarray, free: np.ndarray
) -> tuple[Forecast, np.ndarray]:
    """Let the tasks of a queue run one after another, from when the slot is free.

    Parameters
    ----------
    sources, seeds
        What each task of the queue draws from, and its own seed.
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
        ends = _draw_all(sources[now], seeds[now])
        ends[0] += free
        np.cumsum(ends, axis=0, out=ends)
        free = ends[-1].copy()
        risk[now] = np.mean(ends > deadlines[now, None], axis=1)
        ends.partition(QUANTILES, axis=1)
        middle[now] = ends[:, QUANTILES]
    risk[np.isnan(deadlines)] = np.nan
    low, end, high = middle.T
    return Forecast(np.append(start, end[:-1]), end, low, high, risk), free


def _draw_all(sources: Sequence[Source], seeds: np.ndarray) -> np.ndarray:
    """Draw the durations of some tasks, those of one source at once."""
    rows: dict[int, list[int]] = {}
    for row, source in enumerate(sources):
        rows.setdefault(id(source), []).append(row)
    drawn = np.empty((len(seeds), RUNS))
    for some in rows.values():
        drawn[some] = sources[some[0]].draw(seeds[some])
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
