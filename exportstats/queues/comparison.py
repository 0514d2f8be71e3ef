"""Compare simulated queues side by side."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from exportstats.core.schema import SLOT
from exportstats.errors import ArgumentError
from exportstats.queues.simulation import QueueForecast


def compare_queues(scenarios: Mapping[str, QueueForecast]) -> pd.DataFrame:
    """Compare what the same slots do in several scenarios.

    Parameters
    ----------
    scenarios
        The results of `simulate_queue` by name, with as many runs each. Simulate them with the same
        seed: then each run draws the same durations in all scenarios, and differences are due to
        the scenarios alone.

    Returns
    -------
    DataFrame
        Indexed by `scenario`, in the order given, `account_id` and `region`. It has the columns of
        `QueueForecast.slots`, and these, which are missing if the first scenario does not have the
        slot:

        - `later` (`timedelta64[ms]`), the median over all runs of how much later all is done than
          in the first scenario;
        - `same_probability`, that all is done at the same instant as in the first scenario.

    Raises
    ------
    ArgumentError
        If there is no scenario, one is not a result of `simulate_queue`, or their runs differ.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> tasks = xs.sample_tasks().head(0)  # no history is needed: the exports have durations
    >>> exports = pd.DataFrame({"create_at": ["2026-11-23T22:00Z"] * 3, "duration": "5min"})
    >>> more = pd.concat([exports, exports.head(1).assign(duration="1h")])
    >>> start = "2026-11-23T22:00Z"
    >>> today = xs.simulate_queue(tasks, exports, start=start)
    >>> other = xs.simulate_queue(tasks, more, start=start)
    >>> table = xs.compare_queues({"today": today, "+1": other})
    >>> table[["exports", "later"]].droplevel(["account_id", "region"])
              exports           later
    scenario
    today         3.0 0 days 00:00:00
    +1            4.0 0 days 01:00:00
    """
    remedy = "give the results of xs.simulate_queue by name"
    if not isinstance(scenarios, Mapping):
        raise ArgumentError(f"scenarios is a {type(scenarios).__name__}; {remedy}")
    if not scenarios:
        raise ArgumentError(f"scenarios is empty; {remedy}")
    for name, forecast in scenarios.items():
        if not isinstance(forecast, QueueForecast):
            raise ArgumentError(f"the scenario {name!r} is {type(forecast).__name__}; {remedy}")
    first = next(iter(scenarios.values())).finish
    tables = {}
    for name, forecast in scenarios.items():
        finish = forecast.finish
        if len(finish) != len(first):
            raise ArgumentError(
                f"the scenario {name!r} has {len(finish):,} runs, and the first one "
                f"{len(first):,}; simulate all with the same runs and seed"
            )
        unknown = pd.Series(pd.NaT, first.index, "timedelta64[ms]")
        later = [finish[slot] - first[slot] if slot in first else unknown for slot in finish]
        median = pd.Series([each.median() for each in later], dtype="timedelta64[ms]")
        same = pd.Series([(each == pd.Timedelta(0)).mean() for each in later], dtype="float64")
        tables[name] = forecast.slots.assign(
            later=median, same_probability=same.where(median.notna())
        ).set_index(list(SLOT))
    return pd.concat(tables, names=["scenario"])
