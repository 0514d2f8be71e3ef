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
    from datetime import date

    import pandas as pd

    from exportstats.core.shards import Shards


_FAILED = (*LOG_GROUP, "task_id", "from_time", "to_time", "creation_time", "completion_time")


def find_retries(
    tasks: pd.DataFrame | Shards, *, as_of: str | date | pd.Period | None = None
) -> pd.DataFrame:
    """List the FAILED tasks, each with its retry.

    The retry is the first later task of the same log group whose window contains that of the FAILED
    task. Its own state does not matter.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns. Tasks without a log group are
        left out.
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
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": ["a", "b"], "log_group_name": "acme/api",
    ...                       "status_code": ["FAILED", "COMPLETED"],
    ...                       "from_time": 0, "to_time": 999,
    ...                       "creation_time": ["2026-11-23T06:00Z", "2026-11-23T09:00Z"],
    ...                       "completion_time": ["2026-11-23T06:01Z", "2026-11-23T09:04Z"]})
    >>> xs.find_retries(xs.conform(frame))[["task_id", "retry_task_id", "retry_after"]]
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
    created, start, end = (
        coerce.millis(tasks[name]) for name in ("creation_time", "from_time", "to_time")
    )
    known = (created != coerce.NAT) & (start != coerce.NAT) & (start <= end)
    rows = np.flatnonzero(known)
    group, created = grouping.group(tasks, LOG_GROUP).codes[rows], created[rows]
    time = np.cumsum(np.append(False, (np.diff(group) != 0) | (np.diff(created) != 0))[: len(rows)])
    starts, start = np.unique(start[rows], return_inverse=True)
    _, start = np.unique(group * len(starts) + start, return_inverse=True)
    mine = np.flatnonzero(np.isin(rows, failed))
    later, stop = (np.searchsorted(by, by[mine], side="right") for by in (time, group))
    found = np.append(rows, -1)[_first_holding(start, end[rows], mine, later, stop)]
    retries = np.full(len(failed), -1)
    retries[known[failed]] = found
    return retries


def _first_holding(
    start: np.ndarray, end: np.ndarray, held: np.ndarray, place: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    """Return the first window from `place` that contains the window `held`, -1 if there is none.

    Windows from `stop` on must start later. In blocks of 1, 2, 4 and so on, windows are sorted by
    start, with the latest end so far. So one search shows whether a block has such a window. Blocks
    are searched from `place`, each as long as its position allows. The first that has it is halved.
    """
    bits = len(start).bit_length()
    many = 1 << bits
    packed = np.arange(many)
    packed[: len(start)] += start << bits
    packed[len(start) :] += many << bits
    end = np.append(end, np.full(many - len(start), -1))
    blocks: list[tuple[np.ndarray, np.ndarray]] = []

    def has(size: int, which: np.ndarray) -> np.ndarray:
        starts, ends = blocks[size]
        block = place[which] >> size
        at = np.searchsorted(starts, (block << bits + 1) + start[held[which]], side="right") - 1
        found: np.ndarray = (at >= block << size) & (ends[at] >= end[held[which]])
        return found

    first_in = np.full(len(held), -1)  # the size of the first block that has it
    searched = np.flatnonzero(place < stop)
    while len(searched):
        size = len(blocks)
        packed = np.sort(packed.reshape(-1, 1 << size), axis=1)
        number = np.arange(len(packed))[:, None] << bits + 1
        latest = np.maximum.accumulate(end[packed & many - 1], axis=1)
        blocks.append(((number + (packed >> bits)).ravel(), latest.ravel()))
        now = searched[place[searched] >> size & 1 == 1]
        there = has(size, now)
        first_in[now[there]] = size
        place[now[~there]] += 1 << size
        searched = searched[(first_in[searched] < 0) & (place[searched] < stop[searched])]
    for size in range(len(blocks) - 2, -1, -1):
        now = np.flatnonzero(first_in > size)
        place[now[~has(size, now)]] += 1 << size
    return np.where(first_in < 0, -1, place)
