"""When tasks complete."""

from __future__ import annotations

import zoneinfo
from functools import partial

import numpy as np
import pandas as pd

from exportstats.core import shards
from exportstats.errors import ArgumentError

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HOURS = 24


def completion_times(tasks: shards.Tasks, *, tz: str = "UTC") -> pd.DataFrame:
    """Count COMPLETED tasks by the weekday and the hour of their completion.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    tz
        The time zone that weekdays and hours are of, as in "Europe/Berlin".

    Returns
    -------
    DataFrame
        7 rows (`weekday`, Monday first) by 24 columns (`hour`, 0 to 23) of counts. `attrs["tz"]`
        names the zone. Tasks without a completion time are not in it.

    Raises
    ------
    ArgumentError
        There is no such time zone.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> frame = pd.DataFrame({"task_id": ["a"], "status_code": "COMPLETED", "completion_time": [0]})
    >>> int(completion_times(frames.conform(frame)).loc["Thursday", 0])
    1
    """
    try:
        zoneinfo.ZoneInfo(tz)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ArgumentError(f'tz={tz!r} is no time zone; give one as in "Europe/Berlin"') from error
    counted = shards.collect(tasks, partial(_count, tz=tz))
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
