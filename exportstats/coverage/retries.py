"""Find the retries of FAILED tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exportstats.core import coerce, shards
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage import exports
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.stats.as_of import Instant

_FAILED = (*LOG_GROUP, "task_id", "from_time", "to_time", "creation_time", "completion_time")


def find_retries(tasks: shards.Tasks, *, as_of: Instant = None) -> pd.DataFrame:
    """List the FAILED tasks, each with its retry.

    The retry is the first later task of the same log group whose window contains that of the FAILED
    task. Its own state does not matter.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one. Tasks without a log group are left out.
    as_of
        Use only what was known at this instant. By default, the states are used as they are.

    Returns
    -------
    DataFrame
        One row per FAILED task, sorted by log group and time, with these columns:

        - `account_id`, `region`, `log_group_name`, `task_id`, `from_time`, `to_time`,
          `creation_time`, `completion_time`;
        - `retry_task_id`, `retry_status_code`, `retry_creation_time`;
        - `retry_after`, from the completion of the FAILED task to the creation of the retry
          (`timedelta64[ms]`);
        - `retry_duration`, how long the retry took (`timedelta64[ms]`);
        - the columns that you joined to the tasks.

        The `retry_` columns are missing if there is no retry. So `(retry_after <= "1D").mean()` is
        the share of FAILED tasks that were retried within a day.

    Raises
    ------
    ArgumentError
        If `as_of` is not an instant with a time zone.
    SchemaError
        If `tasks` is not a table of tasks.

    Examples
    --------
    >>> import pandas as pd
    >>> from exportstats.core import frames
    >>> frame = pd.DataFrame({"task_id": ["a", "b"], "log_group_name": "acme/api",
    ...                       "status_code": ["FAILED", "COMPLETED"],
    ...                       "from_time": 0, "to_time": 999,
    ...                       "creation_time": ["2026-11-23T06:00Z", "2026-11-23T09:00Z"],
    ...                       "completion_time": ["2026-11-23T06:01Z", "2026-11-23T09:04Z"]})
    >>> find_retries(frames.conform(frame))[["task_id", "retry_task_id", "retry_after"]]
      task_id retry_task_id     retry_after
    0       a             b 0 days 02:59:00
    """
    found = shards.collect(known_at(tasks, as_of), _find)
    return _sort(found[found["log_group_name"].notna()])


def _sort(tasks: pd.DataFrame) -> pd.DataFrame:
    tasks = tasks.sort_values("task_id", kind="stable")
    return exports.sort_rows(tasks, [coerce.millis(tasks["creation_time"])])


def _find(tasks: pd.DataFrame) -> pd.DataFrame:
    tasks = _sort(tasks)
    failed = np.flatnonzero(tasks["status_code"] == "FAILED")
    found, retry = tasks.take(failed), tasks.reindex(_retries_of(tasks, failed))
    answer = found[[*_FAILED]].assign(
        retry_task_id=retry["task_id"].array,
        retry_status_code=retry["status_code"].array,
        retry_creation_time=retry["creation_time"].array,
        retry_after=retry["creation_time"].array - found["completion_time"].array,
        retry_duration=retry["duration"].array,
    )
    return grouping.with_own(answer, found)


def _retries_of(tasks: pd.DataFrame, failed: np.ndarray) -> np.ndarray:
    """Return the row of each FAILED task's retry, -1 if it has none.

    The tasks must be sorted by log group and creation.
    """
    group = grouping.group(tasks, LOG_GROUP).codes
    ends = np.append(np.flatnonzero(np.diff(group)) + 1, len(group))
    created, first, last = (
        coerce.millis(tasks[name]) for name in ("creation_time", "from_time", "to_time")
    )
    known = (created != coerce.NAT) & (first != coerce.NAT) & (first <= last)
    retries = np.full(len(failed), -1)
    for at, row in enumerate(failed):
        later = slice(row + 1, ends[np.searchsorted(ends, row, side="right")])
        holds = (first[later] <= first[row]) & (last[later] >= last[row])
        again = np.flatnonzero(holds & known[later] & (created[later] > created[row]))
        if known[row] and len(again):
            retries[at] = row + 1 + again[0]
    return retries
