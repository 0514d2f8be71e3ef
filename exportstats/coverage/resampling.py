"""How long queues of tasks will take, resampled from how long tasks took before.

A run is one way that it may go: each task of the queue takes as long as some earlier one did, drawn
at random, and begins when the one before it ends. Times are offsets from one instant, in
milliseconds.
"""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

import numpy as np

# One more than a multiple of ten: 10 %, 50 % and 90 % of the runs are runs, with nothing between.
RUNS = 401
_QUANTILES = (40, 200, 360)
# So many tasks of a queue at a time: their runs fit into the processor's cache.
_CHUNK = 512
# So many durations are enough to go by.
ENOUGH = 20
BASES = ("log_group", "slot", "all", "none")
# Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, figure 17.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


class Pools(NamedTuple):
    """Durations to draw from, for each of some tasks: those from `low` to before `high`."""

    low: np.ndarray
    high: np.ndarray
    basis: np.ndarray  # numbers in BASES

    @property
    def n(self) -> np.ndarray:
        """How many there are."""
        n: np.ndarray = self.high - self.low
        return n

    def take(self, which: np.ndarray | slice) -> Pools:
        """Give those of some tasks."""
        return Pools(self.low[which], self.high[which], self.basis[which])


class History(NamedTuple):
    """What COMPLETED tasks took, sorted by slot, log group and length of the window."""

    slots: np.ndarray
    groups: np.ndarray
    windows: np.ndarray
    durations: np.ndarray

    def pools(self, slots: np.ndarray, groups: np.ndarray, windows: np.ndarray) -> Pools:
        """Choose for each task the durations that say most about it.

        Those of its log group with a window from half to twice as long, if they are enough; else
        all of its log group, else of its slot, else of all slots.
        """
        lows, highs = [], []
        for known, wanted in ((self.groups, groups), (self.slots, slots)):
            lows.append(np.searchsorted(known, wanted, side="left"))
            highs.append(np.searchsorted(known, wanted, side="right"))
        lows.append(np.zeros_like(slots))
        highs.append(np.full_like(slots, len(self.durations)))
        there = [low < high for low, high in zip(lows, highs, strict=True)]
        low, high = np.select(there, lows), np.select(there, highs)
        basis = np.select(there, range(len(there)), len(there))

        order = np.argsort(groups, kind="stable")
        for at in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            if not len(at) or basis[at[0]] != 0:
                continue
            first = low[at[0]]
            alike = self.windows[first : high[at[0]]]
            longer = first + np.searchsorted(alike, -(-windows[at] // 2), side="left")
            shorter = first + np.searchsorted(alike, 2 * windows[at], side="right")
            enough = shorter - longer >= ENOUGH
            low[at[enough]], high[at[enough]] = longer[enough], shorter[enough]
        return Pools(low, high, basis)

    def draw(self, pools: Pools, seeds: np.ndarray) -> np.ndarray:
        """Draw a duration for each task (row) and run (column)."""
        at = pools.low[:, None] + (_uniform(seeds) * pools.n[:, None]).astype("int64")
        drawn: np.ndarray = self.durations[at]
        return drawn

    def draw_rest(
        self, pools: Pools, elapsed: np.ndarray, seeds: np.ndarray
    ) -> tuple[np.ndarray, bool]:
        """Draw how long it is until the last of some running tasks has ended, for each run.

        One that runs for an hour already takes as long as some earlier one that took longer than an
        hour. The flag is false if there is no such one: then it may end at once, or at any time.
        """
        rest, known = np.zeros(RUNS), True
        for low, high, past, seed in zip(pools.low, pools.high, elapsed, seeds, strict=True):
            longer = np.sort(self.durations[low:high])
            longer = longer[longer > past] - past
            if len(longer):
                at = (_uniform(np.array([seed]))[0] * len(longer)).astype("int64")
                rest = np.maximum(rest, longer[at])
            known &= len(longer) > 0
        return rest, known


class Forecast(NamedTuple):
    """When the tasks of a queue will start and end: offsets, and the share of runs too late."""

    start: np.ndarray
    end: np.ndarray
    low: np.ndarray
    high: np.ndarray
    risk: np.ndarray


def forecast(
    history: History, pools: Pools, seeds: np.ndarray, deadlines: np.ndarray, free: np.ndarray
) -> Forecast:
    """Let the tasks of a queue run one after another, from when the slot is free.

    Parameters
    ----------
    history, pools, seeds
        What each task of the queue draws from, and its own seed. No pool may be empty.
    deadlines
        The offset of each task's deadline, NaN without one.
    free
        The offset from which on the slot is free, for each run.
    """
    middle = np.empty((len(seeds), 3))
    risk = np.empty(len(seeds))
    start = np.partition(free, _QUANTILES[1])[_QUANTILES[1]]
    for first in range(0, len(seeds), _CHUNK):
        now = slice(first, first + _CHUNK)
        ends = history.draw(pools.take(now), seeds[now])
        ends[0] += free
        np.cumsum(ends, axis=0, out=ends)
        free = ends[-1].copy()
        risk[now] = np.mean(ends > deadlines[now, None], axis=1)
        ends.partition(_QUANTILES, axis=1)
        middle[now] = ends[:, _QUANTILES]
    risk[np.isnan(deadlines)] = np.nan
    low, end, high = middle.T
    return Forecast(np.append(start, end[:-1]), end, low, high, risk)


def seed_of(*names: str | None) -> int:
    """Make a number of some names, the same one in every process."""
    text = json.dumps(names).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def _uniform(seeds: np.ndarray) -> np.ndarray:
    """Give each seed its own RUNS numbers from 0 to below 1.

    NumPy's generators take longer to be made, one a task, than all the rest takes.
    """
    steps = _GOLDEN * np.arange(1, RUNS + 1, dtype="uint64")
    numbers = _mix(_mix(seeds)[:, None] + steps)
    uniform: np.ndarray = (numbers >> np.uint64(11)) * 2.0**-53
    return uniform


def _mix(numbers: np.ndarray) -> np.ndarray:
    mixed = numbers.copy()
    for shift, factor in zip(_SHIFTS, (*_FACTORS, None), strict=True):
        mixed ^= mixed >> shift
        if factor is not None:
            mixed *= factor
    return mixed
