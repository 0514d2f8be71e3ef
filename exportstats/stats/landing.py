"""Measure how fresh S3 is: how old the newest exported event was when it got there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, shards
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at
from exportstats.stats.weighted import sort_weighted, to_timedelta

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from exportstats.core.shards import Shards


_SHARES = np.arange(201) / 200


def landing_lag(
    tasks: pd.DataFrame | Shards,
    *,
    by: str | Sequence[str] | None = None,
    as_of: str | date | pd.Period | None = None,
) -> pd.DataFrame:
    """Return how old the newest exported event was when it reached S3, as a distribution.

    The landing lag of a COMPLETED task is `completion_time - to_time`. It is negative if the task
    completed before the end of its window.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.
    by
        Column or columns to group by. Missing values form a group of their own.
    as_of
        Use only what was known at this instant: tasks that completed later are left out. By
        default, the states are used as they are.

    Returns
    -------
    DataFrame
        Indexed by group and `share`, from 0 to 1 in steps of 0.005, with these columns:

        - `lag` (`timedelta64[ms]`), the quantile at `share`: linear interpolation, missing in a
          group without tasks;
        - `tasks`, the number of COMPLETED tasks of the group with both times.

    Raises
    ------
    ArgumentError
        If a column cannot be grouped by, or `as_of` has no time zone.
    SchemaError
        If `tasks` is not a table of tasks.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": list("abc"), "status_code": "COMPLETED",
    ...                       "to_time": 0, "completion_time": [1000, 2000, 6000]})
    >>> xs.landing_lag(xs.conform(frame)).loc[[0.0, 0.5, 1.0]]
                      lag  tasks
    share
    0.0   0 days 00:00:01      3
    0.5   0 days 00:00:02      3
    1.0   0 days 00:00:06      3
    """
    names = grouping.names_of(by, tasks, ("share",))
    columns = (*names, "to_time", "status_code", "completion_time")
    rows = shards.collect(known_at(tasks, as_of), partial(_lags, names=names), columns)
    groups = grouping.grid(rows, names)
    many = len(groups.keys)
    known = rows["lag"].notna().to_numpy()
    millis = rows["lag"].to_numpy()[known].view("int64")
    lags = sort_weighted(groups.codes[known], millis, None, many)
    at_share = lags.quantile(_SHARES[:, None]).T.ravel()
    keys = grouping.repeat(groups.keys, len(_SHARES))
    keys["share"] = np.tile(_SHARES, many)
    return pd.DataFrame(
        {"lag": to_timedelta(at_share), "tasks": np.repeat(lags.n, len(_SHARES))},
        index=grouping.index_of(keys),
    )


def _lags(tasks: pd.DataFrame, *, names: Sequence[str]) -> pd.DataFrame:
    """Return the keys of the groups and the lag of each task that has one; this is the part.

    Each group also has a row without a lag, so that a group without COMPLETED tasks is kept.
    """
    groups = grouping.group(grouping.columns_of(tasks, names), names)
    end, completed = coerce.millis(tasks["to_time"]), coerce.millis(tasks["completion_time"])
    lag = completed - end
    done = (tasks["status_code"] == "COMPLETED").to_numpy()
    known = done & (end != coerce.NAT) & (completed != coerce.NAT)
    every = np.arange(len(groups.keys))
    rows = groups.keys.take(np.concatenate([groups.codes[known], every]))
    lags = np.concatenate([lag[known], np.full(len(every), coerce.NAT)])
    return rows.assign(lag=lags.view("timedelta64[ms]"))
