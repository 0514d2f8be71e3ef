"""What state tasks are in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import shards
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at, zone
from exportstats.stats.calendars import calendar_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.stats.as_of import Instant
    from exportstats.stats.grouping import By


def status_breakdown(
    tasks: shards.Tasks,
    *,
    by: By = None,
    freq: str | None = None,
    tz: str = "UTC",
    as_of: Instant = None,
) -> pd.DataFrame:
    """Count the tasks in each state.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    by
        Column or columns to count in groups of; a missing value is a group of its own.
    freq
        Also count in calendar periods of the creation time: "h", "D", "W" (from Monday), "MS".
    tz
        The time zone of the periods, as in "Europe/Berlin".
    as_of
        Count what was known at this instant: what ended later is RUNNING. Without it, the states
        are taken as they are.

    Returns
    -------
    DataFrame
        Index: the groups, the `period` (its first instant; from the first to the last, empty ones
        too), and `status_code`. Each group has a row for each state, be it of no task. Columns:
        `tasks`, how many; `share`, of the tasks of its group (and period), missing where there
        are none. With `freq`, `attrs["unfinished"]` is the first instant of the period that was
        not over when the tasks were last observed.

    Raises
    ------
    ArgumentError
        A column that cannot be grouped by, an unknown frequency or time zone, or an `as_of` that is
        no instant.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> states = ["COMPLETED", "COMPLETED", "FAILED"]
    >>> frame = pd.DataFrame({"task_id": list("abc"), "status_code": states})
    >>> status_breakdown(frames.conform(frame)).query("tasks > 0")
                 tasks     share
    status_code
    COMPLETED        2  0.666667
    FAILED           1  0.333333
    """
    names = grouping.names_of(by, tasks, ("share",))
    zone(tz)
    if freq is not None:
        calendar_of(freq)
    part = partial(_count, names=names, freq=freq, tz=tz)
    counted = shards.collect(known_at(tasks, as_of), part)
    cells = grouping.grid(counted, names, freq, tz)
    states = counted["status_code"].cat.categories
    codes = counted["status_code"].cat.codes.to_numpy().astype("int64")
    if (codes < 0).any():  # a task without a state is still a task
        codes = np.where(codes < 0, len(states), codes)
        states = states.append(pd.Index([None], dtype=states.dtype))

    count = np.zeros((len(cells.keys), len(states)), dtype="int64")
    np.add.at(count, (cells.codes, codes), counted["tasks"].to_numpy())
    whole = count.sum(axis=1, keepdims=True)
    share = np.divide(count, whole, out=np.full(count.shape, np.nan), where=whole > 0)
    keys = cells.keys.loc[np.repeat(cells.keys.index, len(states))].reset_index(drop=True)
    order = pd.CategoricalDtype(counted["status_code"].cat.categories)
    keys["status_code"] = pd.Categorical([*states] * len(cells.keys), dtype=order)
    table = pd.DataFrame(
        {"tasks": count.ravel(), "share": share.ravel()}, index=grouping.index_of(keys)
    )
    table.attrs = grouping.unfinished(counted, freq, tz)
    return table


def _count(tasks: pd.DataFrame, *, names: Sequence[str], freq: str | None, tz: str) -> pd.DataFrame:
    groups = grouping.group_by_state(tasks, names, freq, tz)
    counts = groups.keys.assign(tasks=np.bincount(groups.codes, minlength=len(groups.keys)))
    return grouping.with_last_look(counts, tasks)
