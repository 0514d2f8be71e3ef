"""Measure what is missing of windows, and what came in meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.stats import matching
from exportstats.stats.incoming import Came

if TYPE_CHECKING:
    from exportstats.stats.incoming import Incoming

_WINDOW = ["from_time", "to_time"]
_STAKE = ["incoming_bytes", "incoming_events"]
_MOMENT = pd.Timedelta("1ms")


def missing_of(tasks: pd.DataFrame, uncovered: pd.DataFrame) -> np.ndarray:
    """Return the uncovered length of the window of each task, or NaT without a window."""
    parts = _parts(tasks, uncovered)
    missing = np.zeros(len(tasks), dtype="int64")
    np.add.at(missing, parts["row"], parts["end"] - parts["start"])
    missing[tasks[_WINDOW].isna().any(axis=1)] = coerce.NAT
    return missing.view("timedelta64[ms]")


def with_stake(
    tasks: pd.DataFrame, uncovered: pd.DataFrame, incoming: Incoming | None
) -> pd.DataFrame:
    """Add what came in during the uncovered part of the window of each task.

    `incoming_bytes` and `incoming_events` are missing without a window, or if they are not known
    for all of this part.
    """
    parts = _parts(tasks, uncovered)
    came = Came.unknown(len(parts))
    if incoming is not None:
        group = matching.locate(parts, incoming.keys)
        came = incoming.during(group, *(parts[edge].to_numpy() for edge in ("start", "end")))
    each = pd.DataFrame(dict(zip(_STAKE, came, strict=True)))
    stake = each.groupby(parts["row"].to_numpy()).sum(skipna=False)
    stake = stake.reindex(np.arange(len(tasks)), fill_value=0).set_axis(tasks.index)
    is_known = tasks[_WINDOW].notna().all(axis=1) & (incoming is not None)
    return tasks.assign(**{name: stake[name].where(is_known) for name in _STAKE})


def known_stake(rows: pd.DataFrame) -> list[str]:
    """Return the columns of what came in, if they are known of any row."""
    return [name for name in _STAKE if rows[name].notna().any()]


def shared(intervals: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Return the length of the overlap of each interval with other intervals of its log group."""
    windows = intervals.rename(columns={"start": "from_time"})
    return missing_of(windows.assign(to_time=intervals["end"] - _MOMENT), others)


def _parts(tasks: pd.DataFrame, uncovered: pd.DataFrame) -> pd.DataFrame:
    """Return the parts of gaps in the window of each task, and the `row` of the task."""
    log_groups = dict.fromkeys(LOG_GROUP, "str")
    both = (
        tasks[[*LOG_GROUP, *_WINDOW]]
        .assign(row=np.arange(len(tasks)))
        .astype(log_groups)
        .merge(uncovered[[*LOG_GROUP, "start", "end"]].astype(log_groups), on=list(LOG_GROUP))
    )
    first, last, start, end = (coerce.millis(both[side]) for side in (*_WINDOW, "start", "end"))
    # add the millisecond after the minimum, so that the latest possible time does not overflow
    both = both.assign(start=np.maximum(first, start), end=np.minimum(last, end - 1) + 1)
    parts: pd.DataFrame = both[both["start"] < both["end"]]
    return parts
