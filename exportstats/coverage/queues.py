"""The queue of each slot: when its tasks will start and end, and what that is known from."""

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
    """Add to a plan when each task will start and end, and what that is drawn from.

    Parameters
    ----------
    plan
        The tasks, slot after slot, each in the order to create them: key, `slot`, `group`, and
        `start`, `end` and `deadline` in milliseconds.
    active
        The active tasks: key, `slot`, `task_id`, `creation_time` and `window` (milliseconds).
    past
        What earlier tasks took.
    now
        When the queues begin, in milliseconds.

    Returns
    -------
    tuple
        The plan, and the 10 %, 50 % and 90 % of when the last task of all slots ends.
    """
    slot, start, deadline = (plan[name].to_numpy() for name in ("slot", "start", "deadline"))
    windows = (plan["end"] - plan["start"]).to_numpy("float64")
    known_of: dict[object, _Known] = {}
    pool = Pool(np.array(sorted(past.middles.values()))) if len(past.middles) > 1 else None
    known = [_know(past, pool, *one, known_of) for one in zip(keys_of(plan), windows, strict=True)]
    deadlines = np.where(deadline == coerce.NAT, np.nan, deadline.astype("float64") - now)
    places = plan.groupby(["slot", "group"]).cumcount().to_numpy()
    seeds = _seeds(plan, LOG_GROUP) ^ start.astype("uint64")
    enough = np.array([one.enough for one in known], dtype=bool)

    busy = {
        slot: _soonest(past, tasks, now)
        for slot, tasks in active[active["slot"].isin(slot)].groupby("slot")
    }
    times = np.full((len(plan), len(Forecast._fields)), np.nan)
    last = np.full(RUNS, np.nan)
    bounds = np.flatnonzero(np.diff(slot, prepend=-1, append=-1))
    for first, end in pairwise(bounds):
        sources = [one.source for one in known[first:end] if one.source is not None]
        if not sources:  # then there is no history at all
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
        n=np.array([one.n for one in known], dtype="int64"),
        basis=pd.Categorical([one.basis for one in known], categories=pd.Index(BASES)),
        enough_history=enough,
    )
    return plan, _instants(np.sort(last)[list(QUANTILES)], now)


class _Known(NamedTuple):
    """What is known of a task: the source of its durations, and of how many that is made."""

    source: Source | None = None
    n: int = 0
    basis: str = BASES[-1]
    enough: bool = False


def _know(
    past: Histories,
    pool: Pool | None,
    key: tuple[str, ...],
    window: float,
    known: dict[object, _Known],
) -> _Known:
    """Return what is known of a task; for the same history and window it is the same object."""
    history = past.of(key)
    if history is None:
        return _Known()
    own = history.basis == BASES[0]
    same = (*key, window) if own else (id(history), window)
    if same not in known:
        durations, _, enough, trend = history.scaled_to(window)
        told = past.past(key, history, durations)
        middle, _ = past.middles.get(key, (np.nan, np.nan))
        seed = seed_of(history.basis, *history.key)
        source = Source(told, trend, seed, middle, None if np.isnan(middle) else pool)
        n = len(durations)
        known[same] = _Known(source, n, history.basis, own and enough and n >= ENOUGH)
    return known[same]


def _soonest(past: Histories, active: pd.DataFrame, now: int) -> tuple[np.ndarray, bool]:
    """Draw when a slot's active tasks will have ended, and tell whether that could be foreseen.

    That it cannot where one of them has lasted longer than all of its history.
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
            predicted = past.past(key, history, durations).predict(lasted)
            ends = predicted.quantile(uniform(np.array([seed]))[0])
            rest = np.maximum(rest, ends - lasted)
    return rest, foreseen


def _seeds(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Return a seed for each row, made of its names alone."""
    of = grouping.group(frame[list(names)].astype("str"), names)
    texts = of.keys.astype(object).where(of.keys.notna(), None)
    seeds = np.array([seed_of(*row) for row in texts.itertuples(index=False)], dtype="uint64")
    return np.take(seeds, of.codes)


def _instants(offsets: np.ndarray, now: int) -> np.ndarray:
    missing = np.isnan(offsets)
    # a million durations add up to more than there is time for
    whole = np.rint(np.minimum(np.where(missing, 0, offsets) + now, schema.LAST)).astype("int64")
    instants: np.ndarray = np.where(missing, coerce.NAT, whole)
    return instants
