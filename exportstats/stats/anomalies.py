"""Which tasks cannot be as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import identity, schema, shards
from exportstats.stats import grouping

if TYPE_CHECKING:
    from collections.abc import Iterator

# Nothing in AWS has times before or after these; whatever has is a mistake in the data.
_FIRST = pd.Timestamp("2006-01-01", tz="UTC")
_LAST = pd.Timestamp("2100-01-01", tz="UTC")
_TIMES = ("from_time", "to_time", "creation_time", "completion_time")
# The clocks of two machines of the service need not agree to the second.
_CLOCKS = pd.Timedelta("5min").as_unit("ms")
_TIME_OUT = pd.Timedelta("24h")

_SHOWN = [*schema.KEY, "log_group_name", "status_code", *_TIMES]


def find_anomalies(tasks: shards.Tasks) -> pd.DataFrame:
    """List the tasks that cannot be as they stand, with what is wrong with each.

    They are kept in the table of tasks and counted by every statistic that can count them; what
    cannot be, such as a negative duration, is missing there.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.

    Returns
    -------
    DataFrame
        A row a task and reason: the key, `log_group_name`, `status_code`, the four times,
        `reason`, and the columns that you joined to the tasks. The edge of a window that lay before
        1970 or after 2999, as of one that never ends, was cut to that and is listed so; another
        time out there is missing, and is listed as missing.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> frame = pd.DataFrame({"task_id": ["a"], "status_code": "COMPLETED",
    ...                       "log_group_name": "acme",
    ...                       "creation_time": ["2026-11-23T06:00Z"],
    ...                       "completion_time": ["2026-11-23T05:00Z"]})
    >>> find_anomalies(frames.conform(frame))["reason"].to_list()
    ['completion_time is before creation_time']
    """
    found = shards.collect(tasks, _find)
    rest = [name for name in _SHOWN if name not in schema.KEY]
    return found.sort_values([*schema.KEY, "reason", *rest], ignore_index=True)


def _find(tasks: pd.DataFrame) -> pd.DataFrame:
    reasons, wrong = zip(*_checks(tasks), strict=True)
    rows, at = np.nonzero(np.column_stack(wrong))
    tasks = tasks.iloc[rows].reset_index(drop=True)
    found = tasks[_SHOWN].assign(reason=pd.Series(reasons, dtype="str").take(at).array)
    return grouping.with_own(found, tasks)


def _checks(tasks: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Return each reason, and the tasks that it holds for."""
    state, created, completed = (
        tasks["status_code"],
        tasks["creation_time"],
        tasks["completion_time"],
    )
    known, ended = state.isin(schema.STATES), state.isin(schema.TERMINAL_STATES)
    yield "from_time is after to_time", tasks["from_time"] > tasks["to_time"]
    yield "completion_time is before creation_time", completed < created
    yield "it lasted more than 24 h, when a task times out", tasks["duration"] > _TIME_OUT + _CLOCKS
    for name in _TIMES:
        yield f"{name} is before 2006", tasks[name] < _FIRST
        yield f"{name} is after 2099", tasks[name] >= _LAST
    latest = tasks["observed_at"].where(tasks["observed_at"] < _LAST) + _CLOCKS
    for name in ("creation_time", "completion_time"):
        soon = (tasks[name] > latest) & (tasks[name] < _LAST)
        yield f"{name} is after observed_at", soon
    yield "creation_time is missing", created.isna()
    yield "status_code is missing", state.isna()
    yield "status_code is none that the API has", state.notna() & ~known
    yield "it has ended without a completion_time", ended & completed.isna()
    yield "it is active and has a completion_time", known & ~ended & completed.notna()
    yield "log_group_name is missing", tasks["log_group_name"].isna()
    again = tasks.duplicated(list(schema.KEY), keep=False)
    yield identity.CONTRADICTION_OF_TASKS, again
