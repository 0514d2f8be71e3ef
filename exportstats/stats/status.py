"""What state tasks are in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import shards
from exportstats.stats import grouping
from exportstats.stats.calendars import calendar_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.stats.grouping import By


def status_breakdown(
    tasks: shards.Tasks, *, by: By = None, freq: str | None = None
) -> pd.DataFrame:
    """Count the tasks in each state.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    by
        Column or columns to count in groups of; a missing value is a group of its own.
    freq
        Also count in calendar periods of the creation time, in UTC: "D", "W" (from Monday), "MS".

    Returns
    -------
    DataFrame
        Index: the groups, the `period` (its first instant; from the first to the last, empty ones
        too), and `status_code`. Each group has a row for each state, be it of no task. Columns:
        `tasks`, how many; `share`, of the tasks of its group (and period), missing where there
        are none.

    Raises
    ------
    ArgumentError
        A column that cannot be grouped by, or an unknown frequency.

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
    names = grouping.names_of(by, tasks)
    if freq is not None:
        calendar_of(freq)
    counted = shards.collect(tasks, partial(_count, names=names, freq=freq))
    cells = grouping.grid(counted, names, freq)
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
    return pd.DataFrame(
        {"tasks": count.ravel(), "share": share.ravel()}, index=grouping.index_of(keys)
    )


def _count(tasks: pd.DataFrame, *, names: Sequence[str], freq: str | None) -> pd.DataFrame:
    groups = grouping.group_by_state(tasks, names, freq)
    return groups.keys.assign(tasks=np.bincount(groups.codes, minlength=len(groups.keys)))
