"""The queue of each slot: when its tasks will start and end, and what that is known from."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage.resampling import (
    BASES,
    ENOUGH,
    RUNS,
    Forecast,
    History,
    forecast,
    seed_of,
)
from exportstats.stats import grouping

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMES = ("expected_start", "expected_end", "end_low", "end_high")


def add_times(
    plan: pd.DataFrame, active: pd.DataFrame, taken: pd.DataFrame, now: int
) -> pd.DataFrame:
    """Add to a plan when each task will start and end, and what that is resampled from.

    Parameters
    ----------
    plan
        The tasks, slot after slot, each in the order to create them: key, `slot`, `group`, and
        `start`, `end` and `deadline` in milliseconds.
    active
        The active tasks: key, `slot`, `group`, `task_id`, `creation_time` and `window`.
    taken
        What COMPLETED tasks took: `slot`, `group`, `window`, `duration` and how many they are, `n`.
    now
        When the queues begin, in milliseconds.
    """
    history = _history(taken)
    slot, group, start = (plan[name].to_numpy() for name in ("slot", "group", "start"))
    pools = history.pools(slot, group, (plan["end"] - plan["start"]).to_numpy())
    enough = (pools.basis == 0) & (pools.n >= ENOUGH)
    deadline = plan["deadline"].to_numpy()
    deadlines = np.where(deadline == coerce.NAT, np.nan, deadline.astype("float64") - now)
    seeds = _seeds(plan, LOG_GROUP) ^ start.astype("uint64")

    busy = {
        slot: _soonest(history, tasks, now)
        for slot, tasks in active[active["slot"].isin(slot)].groupby("slot")
    }
    times = np.full((len(plan), len(Forecast._fields)), np.nan)
    bounds = np.flatnonzero(np.diff(slot, prepend=-1, append=-1))
    for first, last in pairwise(bounds if len(history.durations) else []):
        queue = slice(first, last)
        free, known = busy.get(slot[first], (np.zeros(RUNS), True))
        found = forecast(history, pools.take(queue), seeds[queue], deadlines[queue], free)
        times[queue] = np.column_stack(found)
        enough[queue] &= known
    millis = {name: _instants(times[:, at], now) for at, name in enumerate(_TIMES)}
    late = (deadline != coerce.NAT) & (millis["expected_end"] > deadline)
    return plan.assign(
        **millis,
        deadline_risk=times[:, -1],
        late=late,
        n=pools.n,
        basis=pd.Categorical.from_codes(pools.basis, pd.Index(BASES)),
        enough_history=enough,
    )


def _history(taken: pd.DataFrame) -> History:
    taken = taken.sort_values(["group", "window", "duration"], na_position="first")
    taken = taken.loc[taken.index.repeat(taken["n"])]
    window, duration = (taken[name].to_numpy().view("int64") for name in ("window", "duration"))
    slot, group = taken["slot"].to_numpy(), taken["group"].to_numpy()
    return History(slot, group, window, duration.astype("float64"))


def _soonest(history: History, active: pd.DataFrame, now: int) -> tuple[np.ndarray, bool]:
    """Draw when a slot's active tasks will have ended, and tell whether that could be foreseen."""
    created = coerce.millis(active["creation_time"])
    elapsed = np.where(created == coerce.NAT, 0, np.maximum(now - created, 0))
    windows = np.maximum(active["window"].to_numpy().view("int64"), 0)  # a missing one is negative
    pools = history.pools(active["slot"].to_numpy(), active["group"].to_numpy(), windows)
    return history.draw_rest(pools, elapsed, _seeds(active, (*LOG_GROUP, "task_id")))


def _seeds(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Give each row a seed, made of its names alone."""
    of = grouping.group(frame[list(names)].astype("str"), names)
    texts = of.keys.astype(object).where(of.keys.notna(), None)
    seeds = np.array([seed_of(*row) for row in texts.itertuples(index=False)], dtype="uint64")
    return np.take(seeds, of.codes)


def _instants(offsets: np.ndarray, now: int) -> np.ndarray:
    missing = np.isnan(offsets)
    # a million durations add up to more than there is time for
    whole = np.minimum(np.where(missing, 0, offsets) + now, schema.LAST).astype("int64")
    instants: np.ndarray = np.where(missing, coerce.NAT, whole)
    return instants
