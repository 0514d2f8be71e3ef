"""How often each log group is exported, and how late, learned from what was exported."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import DAY, LOG_GROUP
from exportstats.stats import grouping

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas.api.extensions import ExtensionArray

    Millis = NDArray[np.int64]

# A day's events are due in S3 so long after the day: log data can take 12 h to become exportable,
# exporters wait for that, tasks queue for their slot, a failed night is run again the day after.
DUE_AFTER = timedelta(days=2)
# What is known of the rhythm of a log group are its latest exports that went further than all
# before them, so many at most.
EXPORTS_OF_RHYTHM = 28
# A log group keeps its rhythm if more than half of these steps are as long as the median, by this.
_ALIKE = 0.1
# An export is late when it takes longer than so many of these.
USUALLY = 0.8
_HOUR = 3_600_000
# Of windows of more than a day and a half, a report has other days than those of its week.
_DAILY = 3 * DAY // 2
_DUE_AFTER = DUE_AFTER // timedelta(milliseconds=1)
_RERUN = 12 * _HOUR  # to see that an export failed, and to run it once more


def learn(tasks: pd.DataFrame) -> pd.DataFrame:
    """Learn the rhythm of each log group; this is a part, of the whole history of some slots.

    An export goes further if its window ends after those of all COMPLETED tasks before it. How much
    further is the step, and how long after its window's end it completed is its lateness. So a
    backfill and a second export of a window change nothing.

    Returns
    -------
    DataFrame
        A row a log group: `LOG_GROUP`; `first_window`, where its first COMPLETED task begins;
        `last_created`; `last_window`, where the last window of any task ends; `anchor`, where that
        of the last export ends (times); `period`, the median step, a day if there is no step yet,
        and `lateness`, that of `USUALLY` (0.8) of the exports, in whole hours (milliseconds);
        `steady`, whether more than half of the steps are about as long as that.
    """
    named = tasks[tasks["log_group_name"].notna().to_numpy()]
    groups = grouping.group(named, LOG_GROUP)
    many = len(groups.keys)
    begins, ends = (coerce.millis(named[name]) for name in ("from_time", "to_time"))
    created, completed = (
        coerce.millis(named[name]) for name in ("creation_time", "completion_time")
    )
    done = (named["status_code"] == "COMPLETED").to_numpy()
    windowed = (begins != coerce.NAT) & (begins <= ends)
    # what lies after its creation, no task can have exported
    ends = np.where(created == coerce.NAT, ends, np.minimum(ends + 1, np.maximum(created, begins)))
    ended = completed != coerce.NAT
    exported = np.flatnonzero(done & windowed & ended)
    order = np.lexsort([completed[exported], groups.codes[exported]])
    row = exported[order]
    code, end = groups.codes[row], ends[row]
    furthest = _running_maximum(code, end)
    step = np.diff(furthest, prepend=furthest[:1])
    same = np.append(False, code[1:] == code[:-1])[: len(code)]
    further = same & (step > 0)
    code, step, late = code[further], step[further], (completed[row] - end)[further]
    latest = np.flatnonzero(_from_the_end(code) < EXPORTS_OF_RHYTHM)
    learned = pd.DataFrame({"step": step[latest], "late": late[latest]}).groupby(code[latest])
    period = learned["step"].median().reindex(range(many)).fillna(DAY).to_numpy()
    off = np.abs(step[latest] - period[code[latest]])
    alike = np.bincount(code[latest], weights=off <= _ALIKE * period[code[latest]], minlength=many)
    steady = 2 * alike > np.bincount(code[latest], minlength=many)
    lateness = learned["late"].quantile(USUALLY, interpolation="higher").reindex(range(many))
    hours = np.ceil(lateness.fillna(DAY).to_numpy() / _HOUR)
    return groups.keys.assign(
        first_window=_extreme(np.minimum, groups.codes, begins, done & windowed, many),
        last_created=_extreme(np.maximum, groups.codes, created, created != coerce.NAT, many),
        last_window=_extreme(np.maximum, groups.codes, ends, windowed, many),
        anchor=_extreme(np.maximum, groups.codes, ends, done & windowed & ended, many),
        period=np.maximum(period, 1).astype("int64"),
        lateness=(np.maximum(hours, 0) * _HOUR).astype("int64"),
        steady=steady,
    )


def expected_by(groups: pd.DataFrame, when: int) -> Millis:
    """Return up to where each log group is usually exported at an instant.

    That is the latest end of one of its windows from which its usual lateness has passed.
    """
    return _edge(groups, when - groups["lateness"].to_numpy())


def due_by(groups: pd.DataFrame, when: int, daily: int) -> Millis:
    """Return up to where each log group is due at an instant, with time to run it once more.

    Of those that are exported every day or more often, in time for that, it is `daily`.
    """
    due: Millis = np.where(is_daily(groups), daily, _edge(groups, when - _due_after(groups)))
    return due


def is_daily(groups: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which log groups are exported every day or more often, and are due as usual."""
    daily: NDArray[np.bool_] = groups["period"].to_numpy() <= _DAILY
    daily &= _due_after(groups) == _DUE_AFTER
    return daily


def _due_after(groups: pd.DataFrame) -> Millis:
    """Return how long after the end of its window a log group is due, in whole days."""
    days = -(-(groups["lateness"].to_numpy() + _RERUN) // DAY)
    after: Millis = np.maximum(days * DAY, _DUE_AFTER)
    return after


def _edge(groups: pd.DataFrame, when: Millis) -> Millis:
    """Return the latest end of a window at or before an instant, in a log group's own rhythm."""
    anchor, period = coerce.millis(groups["anchor"]), groups["period"].to_numpy()
    anchor = np.where(anchor == coerce.NAT, 0, anchor)
    edge: Millis = anchor + (when - anchor) // period * period
    return edge


def _running_maximum(code: Millis, value: Millis) -> Millis:
    """Return the largest value so far of each group, whose rows stand together."""
    if not len(code):
        return value
    low = value.min()
    span = value.max() - low + 1
    so_far: Millis = np.maximum.accumulate(value - low + code * span) - code * span + low
    return so_far


def _from_the_end(code: Millis) -> Millis:
    """Count the rows of its group that stand after each row."""
    last = np.searchsorted(code, code, side="right")
    numbers: Millis = last - 1 - np.arange(len(code))
    return numbers


def _extreme(
    ufunc: np.ufunc, code: Millis, value: Millis, which: NDArray[np.bool_], many: int
) -> ExtensionArray:
    """Return the first or last time of each group."""
    ends = np.iinfo("int64")
    nothing = ends.max if ufunc is np.minimum else ends.min
    found = np.full(many, nothing)
    ufunc.at(found, code[which], value[which])
    return coerce.times(np.where(found == nothing, coerce.NAT, found))
