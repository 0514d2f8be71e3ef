"""How fresh S3 is: how old the newest exported event was when it got there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, shards
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at
from exportstats.stats.weighed import sort_weighed, to_timedelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.stats.as_of import Instant
    from exportstats.stats.grouping import By

_SHARES = np.arange(201) / 200


def landing_lag(tasks: shards.Tasks, *, by: By = None, as_of: Instant = None) -> pd.DataFrame:
    """Return how old the newest exported event was when it reached S3, as a distribution.

    The lag of a COMPLETED task is `completion_time - to_time`. It is below 0 where the window ended
    after the task did.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    by
        Column or columns to tell apart; a missing value is a group of its own.
    as_of
        Tell what was known at this instant (aware); later completions are not known then. Without
        it, the states are taken as they are.

    Returns
    -------
    DataFrame
        Index: the groups and `share`, from 0 to 1 in steps of 0.005. Columns: `lag`, which this
        share of the group's tasks does not exceed (`timedelta64[ms]`, linear between neighbours
        as pandas' default; missing if there is none), and `tasks`, how many of the group it is of:
        the COMPLETED ones whose completion and end of window are known.

    Raises
    ------
    ArgumentError
        A column that is no group, or an `as_of` without a time zone.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> frame = pd.DataFrame({"task_id": list("abc"), "status_code": "COMPLETED",
    ...                       "to_time": 0, "completion_time": [1000, 2000, 6000]})
    >>> landing_lag(frames.conform(frame)).loc[[0.0, 0.5, 1.0]]
                      lag  tasks
    share
    0.0   0 days 00:00:01      3
    0.5   0 days 00:00:02      3
    1.0   0 days 00:00:06      3
    """
    names = grouping.names_of(by, tasks, ("share",))
    rows = shards.collect(known_at(tasks, as_of), partial(_lags, names=names))
    groups = grouping.grid(rows, names)
    many = len(groups.keys)
    there = rows["lag"].notna().to_numpy()
    millis = rows["lag"].to_numpy()[there].view("int64")
    each = np.ones(len(millis), dtype="int64")
    lags = sort_weighed(groups.codes[there], millis, each, many)
    at_share = lags.quantile(_SHARES[:, None]).T.ravel()
    keys = groups.keys.loc[np.repeat(groups.keys.index, len(_SHARES))].reset_index(drop=True)
    keys["share"] = np.tile(_SHARES, many)
    return pd.DataFrame(
        {"lag": to_timedelta(at_share), "tasks": np.repeat(lags.n, len(_SHARES))},
        index=grouping.index_of(keys),
    )


def _lags(known: pd.DataFrame, *, names: Sequence[str]) -> pd.DataFrame:
    """Return the groups' keys and the lag of each task that has one; this is the part.

    Each group also has a row without a lag: one in which nothing has completed is a group too.
    """
    groups = grouping.group(grouping.columns_of(known, names), names)
    end, completed = coerce.millis(known["to_time"]), coerce.millis(known["completion_time"])
    lag = completed - end
    done = (known["status_code"] == "COMPLETED").to_numpy()
    there = done & (end != coerce.NAT) & (completed != coerce.NAT)
    groups_without = np.arange(len(groups.keys))
    rows = groups.keys.take(np.concatenate([groups.codes[there], groups_without]))
    lags = np.concatenate([lag[there], np.full(len(groups_without), coerce.NAT)])
    return rows.assign(lag=lags.view("timedelta64[ms]"))
