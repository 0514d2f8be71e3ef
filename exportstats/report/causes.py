"""Return the windows that a finding affects, and the cause of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import DAY, KEY, LOG_GROUP
from exportstats.stats import grouping
from exportstats.stats.failures import NO_MESSAGE, reasons_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.report.material import Material


def of_gaps(gaps: pd.DataFrame, material: Material) -> pd.DataFrame:
    """Return the window and the cause of each gap.

    If a failed task left the gap and the task was created in the weeks that the report compares,
    the cause is the failure reason of the task. Otherwise, the cause is the slot and the reason of
    the gap.

    Returns
    -------
    DataFrame
        One row per gap: `LOG_GROUP`, `start` and `end` (milliseconds, half-open) and `cause`.
    """
    edges = coerce.millis(gaps["start"]), coerce.millis(gaps["end"])
    return _about(gaps, *edges, gaps["last_task_id"], gaps["reason"], material)


def of_tasks(tasks: pd.DataFrame, material: Material) -> pd.DataFrame:
    """Return the window and the cause of each task, as in `of_gaps`."""
    edges = coerce.millis(tasks["from_time"]), coerce.millis(tasks["to_time"]) + 1
    return _about(tasks, *edges, tasks["task_id"], tasks["status_code"], material)


def reasons_by_key(tasks: pd.DataFrame) -> dict[tuple[str, ...], str]:
    """Return the failure reasons of the tasks that have a message, by task key."""
    failed = tasks[tasks["status_code"] == "FAILED"]
    reasons = zip(_texts(failed, KEY), reasons_of(failed), strict=True)
    return {key: reason for key, reason in reasons if reason != NO_MESSAGE}


def _about(
    rows: pd.DataFrame,
    start: np.ndarray,
    end: np.ndarray,
    tasks: pd.Series,
    reasons: pd.Series,
    material: Material,
) -> pd.DataFrame:
    keys = _texts(rows.assign(task_id=tasks), KEY)
    causes = [
        material.reason_by_key.get(key, f"{key[0]} {key[1]} {reason}")
        for key, reason in zip(keys, reasons, strict=True)
    ]
    about = rows[list(LOG_GROUP)].reset_index(drop=True)
    return about.assign(start=start, end=end, cause=pd.Series(causes, dtype="str"))


def _texts(rows: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the given columns of each row as text."""
    columns = (rows[name].astype("str").fillna("") for name in names)
    return list(zip(*columns, strict=True))


def incidents_of(about: pd.DataFrame) -> np.ndarray:
    """Return the incident number of each window, starting at 1.

    Windows belong to the same incident if they overlap or touch in one log group, or if they have
    the same cause on the same or on successive days (UTC).
    """
    start, end = about["start"].to_numpy(), about["end"].to_numpy()
    gap = _runs(about, LOG_GROUP, start, end)
    cause = _runs(about, ["cause"], start // DAY, -(-end // DAY))
    number = gap
    while True:
        lower = _lowest(_lowest(number, cause), gap)
        if (lower == number).all():
            return number
        number = lower


def length(about: pd.DataFrame) -> int:
    """Return the total length of the windows. Overlaps within a log group count once."""
    start, end = about["start"], about["end"]
    run = _runs(about, LOG_GROUP, start.to_numpy(), end.to_numpy())
    return int((end.groupby(run).max() - start.groupby(run).min()).sum())


def _runs(about: pd.DataFrame, by: Sequence[str], start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the run number of each row, starting at 1.

    Rows of one group that overlap or touch form a run.
    """
    group = grouping.group(about, by).codes
    order = np.lexsort([start, group])
    ends = pd.Series(end[order]).groupby(group[order]).cummax()
    before = ends.groupby(group[order]).shift()
    number = np.empty(len(about), dtype="int64")
    number[order] = np.cumsum(~(start[order] <= before))
    return number


def _lowest(number: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the lowest number in the group of each row."""
    lowest: np.ndarray = pd.Series(number).groupby(group).transform("min").to_numpy()
    return lowest
