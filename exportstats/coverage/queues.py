"""Forecast when the tasks of each slot's queue will start and end."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage.resampling import (
    QUANTILES,
    RUNS,
    Forecast,
    Pool,
    Source,
    forecast,
    seed_of,
    uniform,
)
from exportstats.stats import grouping
from exportstats.stats.histories import BASES, ENOUGH, keys_of
from exportstats.stats.predictive import TIME_OUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.stats.histories import Histories

_TIMES = ("expected_start", "expected_end", "end_low", "end_high")


def add_times(
    plan: pd.DataFrame, active: pd.DataFrame, past: Histories, now: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """Add to a plan when each task will start and end, and what the forecast is based on.

    Parameters
    ----------
    plan
        The tasks by slot, in the order to create them: key, `slot`, `group`, and `start`, `end` and
        `deadline` in milliseconds.
    active
        The active tasks: key, `slot`, `task_id`, `creation_time` and `window` (milliseconds).
    past
        The durations of earlier tasks.
    now
        When the queues begin, in milliseconds.

    Returns
    -------
    tuple
        The plan, and the 10 %, 50 % and 90 % quantiles of the end of the last task of all slots.
    """
    slot, start, deadline = (plan[name].to_numpy() for name in ("slot", "start", "deadline"))
    windows = (plan["end"] - plan["start"]).to_numpy("float64")
    cache: dict[object, _Basis] = {}
    pool = Pool(np.array(sorted(past.centers.values()))) if len(past.centers) > 1 else None
    bases = [_basis_of(past, pool, *one, cache) for one in zip(keys_of(plan), windows, strict=True)]
    deadlines = np.where(deadline == coerce.NAT, np.nan, deadline.astype("float64") - now)
    places = plan.groupby(["slot", "group"]).cumcount().to_numpy()
    seeds = _seeds(plan, LOG_GROUP) ^ start.astype("uint64")
    enough = np.array([one.enough for one in bases], dtype=bool)

    busy = {
        slot: _free_from(past, tasks, now)
        for slot, tasks in active[active["slot"].isin(slot)].groupby("slot")
    }
    times = np.full((len(plan), len(Forecast._fields)), np.nan)
    last = np.full(RUNS, np.nan)
    bounds = np.flatnonzero(np.diff(slot, prepend=-1, append=-1))
    for first, end in pairwise(bounds):
        sources = [one.source for one in bases[first:end] if one.source is not None]
        if not sources:  # no history at all
            break
        queue = slice(first, end)
        free, foreseen = busy.get(slot[first], (np.zeros(RUNS), True))
        found, ends = forecast(sources, seeds[queue], places[queue], deadlines[queue], free)
        times[queue] = np.column_stack(found)
        enough[queue] &= foreseen
        last = np.fmax(last, ends)
    millis = {name: _instants(times[:, at], now) for at, name in enumerate(_TIMES)}
    late = (deadline != coerce.NAT) & (millis["expected_end"] > deadline)
    plan = plan.assign(
        **millis,
        deadline_risk=times[:, -1],
        late=late,
        n=np.array([one.n for one in bases], dtype="int64"),
        basis=pd.Categorical([one.basis for one in bases], categories=pd.Index(BASES)),
        enough_history=enough,
    )
    return plan, _instants(np.sort(last)[list(QUANTILES)], now)


class _Basis(NamedTuple):
    """What the forecast of a task is based on: the source of its durations and their number."""

    source: Source | None = None
    n: int = 0
    basis: str = BASES[-1]
    enough: bool = False


def _basis_of(
    past: Histories,
    pool: Pool | None,
    key: tuple[str, ...],
    window: float,
    cache: dict[object, _Basis],
) -> _Basis:
    """Return the basis of a task; the same object for the same history and window."""
    history = past.of(key)
    if history is None:
        return _Basis()
    own = history.basis == BASES[0]
    same = (*key, window) if own else (id(history), window)
    if same not in cache:
        durations, _, enough, trend = history.scaled_to(window)
        model = past.model(key, history, durations)
        center, _ = past.centers.get(key, (np.nan, np.nan))
        seed = seed_of(history.basis, *history.key)
        source = Source(model, trend, seed, center, None if np.isnan(center) else pool)
        n = len(durations)
        cache[same] = _Basis(source, n, history.basis, own and enough and n >= ENOUGH)
    return cache[same]


def _free_from(past: Histories, active: pd.DataFrame, now: int) -> tuple[np.ndarray, bool]:
    """Draw when a slot's active tasks will have ended, and whether the history is enough for that.

    It is not if one of them has already lasted longer than all of its history.
    """
    created = coerce.millis(active["creation_time"])
    elapsed = np.where(created == coerce.NAT, 0, np.maximum(now - created, 0)).tolist()
    seeds = _seeds(active, (*LOG_GROUP, "task_id"))
    windows = active["window"].to_numpy("float64")
    rest, foreseen = np.zeros(RUNS), True
    for key, lasted, window, seed in zip(keys_of(active), elapsed, windows, seeds, strict=True):
        history = past.of(key)
        if history is None:
            return rest, False
        durations, *_ = history.scaled_to(window)
        foreseen &= bool((durations > lasted).any())
        if lasted < TIME_OUT:
            predicted = past.model(key, history, durations).predict(lasted)
            ends = predicted.quantile(uniform(np.array([seed]))[0])
            rest = np.maximum(rest, ends - lasted)
    return rest, foreseen


def _seeds(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Return a seed for each row, from its names alone."""
    of = grouping.group(frame[list(names)].astype("str"), names)
    texts = of.keys.astype(object).where(of.keys.notna(), None)
    seeds = np.array([seed_of(*row) for row in texts.itertuples(index=False)], dtype="uint64")
    return np.take(seeds, of.codes)


def _instants(offsets: np.ndarray, now: int) -> np.ndarray:
    missing = np.isnan(offsets)
    # the sum of many durations can exceed the latest time of a table
    whole = np.rint(np.minimum(np.where(missing, 0, offsets) + now, schema.LAST)).astype("int64")
    instants: np.ndarray = np.where(missing, coerce.NAT, whole)
    return instants
