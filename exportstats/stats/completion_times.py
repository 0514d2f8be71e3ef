"""Count the weekdays and hours at which tasks complete."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import shards
from exportstats.stats.as_of import known_at, zone

if TYPE_CHECKING:
    from datetime import date

    from exportstats.core.shards import Shards

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HOURS = 24


def completion_times(
    tasks: pd.DataFrame | Shards, *, tz: str = "UTC", as_of: str | date | pd.Period | None = None
) -> pd.DataFrame:
    """Count COMPLETED tasks by the weekday and the hour of their completion.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.
    tz
        Time zone of the weekdays and hours, such as "Europe/Berlin".
    as_of
        Use only what was known at this instant: tasks that completed later are not counted. By
        default, the states are used as they are.

    Returns
    -------
    DataFrame
        Counts, 7 rows (`weekday`, from Monday) by 24 columns (`hour`, 0 to 23). Tasks without a
        completion time are not counted. `attrs["tz"]` is the time zone.

    Raises
    ------
    ArgumentError
        If there is no such time zone, or `as_of` has none.
    SchemaError
        If `tasks` is not a table of tasks.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": ["a"], "status_code": "COMPLETED", "completion_time": [0]})
    >>> int(xs.completion_times(xs.conform(frame)).loc["Thursday", 0])
    1
    """
    part = partial(_count, tz=zone(tz))
    counted = shards.collect(known_at(tasks, as_of), part, ("status_code", "completion_time"))
    count = np.zeros((len(WEEKDAYS), _HOURS), dtype="int64")
    np.add.at(count, (counted["weekday"], counted["hour"]), counted["tasks"])
    table = pd.DataFrame(
        count,
        index=pd.Index(WEEKDAYS, name="weekday"),
        columns=pd.RangeIndex(_HOURS, name="hour"),
    )
    table.attrs["tz"] = tz
    return table


def _count(tasks: pd.DataFrame, *, tz: str) -> pd.DataFrame:
    times = tasks.loc[tasks["status_code"] == "COMPLETED", "completion_time"].dropna()
    local = times.dt.tz_convert(tz).dt
    cell = local.day_of_week.to_numpy(dtype="int64") * _HOURS + local.hour.to_numpy(dtype="int64")
    cells = np.arange(len(WEEKDAYS) * _HOURS)
    return pd.DataFrame(
        {
            "weekday": cells // _HOURS,
            "hour": cells % _HOURS,
            "tasks": np.bincount(cell, minlength=len(cells)),
        }
    )
