"""Forecast when the tasks of a plan will start and end."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.queues.draws import Numbers
from exportstats.queues.runs import Asked, quantiles, run, to_instants
from exportstats.queues.sources import Sources, seeds_of
from exportstats.stats.histories import BASES, categorical
from exportstats.stats.scaling import SCALES

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.stats.histories import Histories

_TIMES = ("expected_start", "end_low", "expected_end", "end_high")
# One more than a multiple of ten, so that the 10 %, 50 % and 90 % quantiles are runs themselves.
_NUMBERS = Numbers(runs=1001, seed=0)


def add_times(
    plan: pd.DataFrame, active: pd.DataFrame, past: Histories, now: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """Add to a plan when each task will start and end, and what the forecast is based on.

    Parameters
    ----------
    plan
        The tasks by slot, in the order to create them: key, `slot`, `group`, `start`, `end` and
        `deadline` in milliseconds, and `bytes`, NaN where unknown.
    active
        The active tasks, as returned by `turns.active_of`, with `slot`.
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
    known = Sources(past, _NUMBERS)
    came = plan["bytes"].to_numpy()
    bases = known.of(plan, windows, came)
    deadlines = np.where(deadline == coerce.NAT, np.nan, deadline.astype("float64") - now)
    places = plan.groupby(["slot", "group"]).cumcount().to_numpy()
    seeds = seeds_of(plan, LOG_GROUP) ^ start.astype("uint64")
    enough = bases.enough.copy()

    busy = {
        slot: known.free_from(tasks, now)
        for slot, tasks in active[active["slot"].isin(slot)].groupby("slot")
    }
    times, risk = np.full((len(plan), len(_TIMES)), np.nan), np.full(len(plan), np.nan)
    last = np.full(_NUMBERS.runs, np.nan)
    bounds = np.flatnonzero(np.diff(slot, prepend=-1, append=-1))
    for first, end in pairwise(bounds if bases.source else []):  # else no history at all
        queue = slice(first, end)
        free, foreseen = busy.get(slot[first], (np.zeros(_NUMBERS.runs), True))
        at = np.zeros((end - first, 1))
        asked = Asked(at, np.ones_like(at, dtype=bool), at, deadlines[queue, np.newaxis])
        draw = known.draw_from(bases.take(queue), seeds[queue], places[queue])
        ran = run(asked, draw, free)
        times[queue] = np.column_stack([ran.start[:, 1], ran.end])
        risk[queue] = ran.risk
        enough[queue] &= foreseen
        last = np.fmax(last, ran.free)
    millis = {name: to_instants(times[:, at], now) for at, name in enumerate(_TIMES)}
    late = (deadline != coerce.NAT) & (millis["expected_end"] > deadline)
    plan = plan.assign(
        **millis,
        deadline_risk=risk,
        late=late,
        n=bases.n,
        basis=categorical(bases.basis, BASES),
        scaled_by=categorical(bases.scaled_by, SCALES),
        enough_history=enough,
    )
    return plan, to_instants(quantiles(last[np.newaxis])[0], now)
