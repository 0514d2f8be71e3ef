"""Nights of the sample, forecast from what was known at their start."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

import exportstats as xs
from exportstats.core.schema import SLOT
from exportstats.queues.expected import expected_exports
from exportstats.queues.simulation import simulate_queue

DAY = pd.Timedelta("1D")
NIGHTS = 24


def test_nights_end_inside_the_interval_as_often_as_promised() -> None:
    """The 80 % interval of each slot's finish holds 75 to 85 %, as far as these nights can tell.

    All nights are in benchmarks/nights.
    """
    tasks = xs.sample_tasks()
    days = pd.date_range("2026-01-05", "2026-11-20", tz="UTC")
    found = []
    for start in np.random.default_rng(20261127).choice(days, NIGHTS, replace=False):
        created = tasks["creation_time"]
        near = tasks[created.between(start - 120 * DAY, start + DAY, inclusive="left")]
        expected = expected_exports(near, start=start, end=start + DAY)
        forecast = simulate_queue(near, expected, start=start)
        night = near[near["creation_time"] >= start].astype(dict.fromkeys(SLOT, "str"))
        ends = night.groupby(list(SLOT))["completion_time"].max().rename("actual")
        slots = forecast.slots.astype(dict.fromkeys(SLOT, "str")).join(ends, on=list(SLOT))
        slots = slots[slots["actual"].notna()]
        found += slots["actual"].between(slots["done_low"], slots["done_high"]).to_list()
    held, n = sum(found), len(found)
    assert n > 4 * NIGHTS
    assert stats.binom.cdf(held, n, 0.75) > 0.001
    assert stats.binom.sf(held - 1, n, 0.85) > 0.001
