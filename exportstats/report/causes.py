"""What findings are about: windows of log groups, and why their events are not in S3."""

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
    """Return what gaps are about.

    The cause of a gap that a failed task left is what the service says of that task, as far as it
    was created in the weeks that the report compares. Any other cause is one of a slot.

    Returns
    -------
    DataFrame
        A row a gap: `LOG_GROUP`, `start` and `end` (milliseconds, half-open) and `cause` (text).
    """
    edges = coerce.millis(gaps["start"]), coerce.millis(gaps["end"])
    return _about(gaps, *edges, gaps["last_task_id"], gaps["reason"], material)


def of_tasks(tasks: pd.DataFrame, material: Material) -> pd.DataFrame:
    """Return what tasks are about; a row a task, as in `of_gaps`."""
    edges = coerce.millis(tasks["from_time"]), coerce.millis(tasks["to_time"]) + 1
    return _about(tasks, *edges, tasks["task_id"], tasks["status_code"], material)


def said_of(tasks: pd.DataFrame) -> dict[tuple[str, ...], str]:
    """Return what the service says of failed tasks, by their key; nothing where it says nothing."""
    failed = tasks[tasks["status_code"] == "FAILED"]
    said = zip(_texts(failed, KEY), reasons_of(failed), strict=True)
    return {key: reason for key, reason in said if reason != NO_MESSAGE}


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
        material.said.get(key, f"{key[0]} {key[1]} {reason}")
        for key, reason in zip(keys, reasons, strict=True)
    ]
    about = rows[list(LOG_GROUP)].reset_index(drop=True)
    return about.assign(start=start, end=end, cause=pd.Series(causes, dtype="str"))


def _texts(rows: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return some columns of each row, as text."""
    columns = (rows[name].astype("str").fillna("") for name in names)
    return list(zip(*columns, strict=True))


def incidents_of(about: pd.DataFrame) -> np.ndarray:
    """Return the number of the incident of each row of what findings are about, from 1.

    Windows of one log group that overlap or touch are one incident, and so are windows with the
    same cause on the same or on successive days (UTC).
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
    """Return how long the windows are together, each instant of a log group counted once."""
    start, end = about["start"], about["end"]
    run = _runs(about, LOG_GROUP, start.to_numpy(), end.to_numpy())
    return int((end.groupby(run).max() - start.groupby(run).min()).sum())


def _runs(about: pd.DataFrame, by: Sequence[str], start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the number of the run of each row: rows of a group that overlap or touch; from 1."""
    group = grouping.group(about, by).codes
    order = np.lexsort([start, group])
    ends = pd.Series(end[order]).groupby(group[order]).cummax()
    before = ends.groupby(group[order]).shift()
    number = np.empty(len(about), dtype="int64")
    number[order] = np.cumsum(~(start[order] <= before))
    return number


def _lowest(number: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the lowest number of each group, for each row."""
    lowest: np.ndarray = pd.Series(number).groupby(group).transform("min").to_numpy()
    return lowest
