"""Count tasks by state."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import shards
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at, zone
from exportstats.stats.calendars import calendar_of
from exportstats.stats.weighted import divide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from exportstats.core.shards import Shards


def status_breakdown(
    tasks: pd.DataFrame | Shards,
    *,
    by: str | Sequence[str] | None = None,
    freq: str | None = None,
    tz: str = "UTC",
    as_of: str | date | pd.Period | None = None,
) -> pd.DataFrame:
    """Count the tasks in each state.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.
    by
        Column or columns to group by. Missing values form a group of their own.
    freq
        Also group by calendar period of the creation time: "h", "D", "W" (starts on Monday), "MS".
    tz
        Time zone of the periods, such as "Europe/Berlin".
    as_of
        Use only what was known at this instant: tasks that ended later are RUNNING. By default, the
        states are used as they are.

    Returns
    -------
    DataFrame
        Indexed by group, with `freq` by `period` (the first instant of each period, from the first
        to the last, including empty ones), and by `status_code`. Each group has a row for every
        state. Columns:

        - `tasks`, the number of tasks;
        - `share` of the tasks of the group and period, missing if it has none.

        With `freq`, `attrs["unfinished"]` is the first instant of the period that had not ended
        when the tasks were last observed, as text.

    Raises
    ------
    ArgumentError
        If a column cannot be grouped by, or the frequency, the time zone or `as_of` is not valid.
    SchemaError
        If `tasks` is not a table of tasks.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> states = ["COMPLETED", "COMPLETED", "FAILED"]
    >>> frame = pd.DataFrame({"task_id": list("abc"), "status_code": states})
    >>> xs.status_breakdown(xs.conform(frame)).query("tasks > 0")
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
    columns = (*names, *grouping.STATE_COLUMNS)
    tally = partial(shards.collect, part=part, columns=columns)
    counted, last = shards.together(known_at(tasks, as_of), tally, grouping.last_observed)
    cells = grouping.grid(counted, names, freq, tz)
    states = counted["status_code"].cat.categories
    codes = counted["status_code"].cat.codes.to_numpy().astype("int64")
    if (codes < 0).any():  # count tasks without a state too
        codes = np.where(codes < 0, len(states), codes)
        states = states.append(pd.Index([None], dtype=states.dtype))

    count = np.zeros((len(cells.keys), len(states)), dtype="int64")
    np.add.at(count, (cells.codes, codes), counted["tasks"].to_numpy())
    share = divide(count, count.sum(axis=1, keepdims=True))
    keys = grouping.repeat(cells.keys, len(states))
    order = pd.CategoricalDtype(counted["status_code"].cat.categories)
    keys["status_code"] = pd.Categorical([*states] * len(cells.keys), dtype=order)
    table = pd.DataFrame(
        {"tasks": count.ravel(), "share": share.ravel()}, index=grouping.index_of(keys)
    )
    table.attrs = grouping.unfinished(last, freq, tz)
    return table


def _count(tasks: pd.DataFrame, *, names: Sequence[str], freq: str | None, tz: str) -> pd.DataFrame:
    groups = grouping.group_by_state(tasks, names, freq, tz)
    return groups.keys.assign(tasks=np.bincount(groups.codes, minlength=len(groups.keys)))
