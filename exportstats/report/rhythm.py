"""Estimate how often each log group is exported, and how late, from its past exports."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import DAY, LOG_GROUP
from exportstats.stats import grouping
from exportstats.stats.calendars import weekday_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas.api.extensions import ExtensionArray

    Millis = NDArray[np.int64]

# The events of a day are due in S3 this long after the day. Log data can take 12 h to become
# exportable, exporters wait for that, tasks queue for their slot, and a failed night is run again
# the next day.
DUE_AFTER = timedelta(days=2)
# The rhythm of a log group is estimated from at most this many of its latest exports. Only exports
# whose window ends after those of all earlier exports count.
EXPORTS_OF_RHYTHM = 28
# A log group keeps its rhythm if more than half of its steps differ from their median by at most
# this share.
_ALIKE = 0.1
# The quantile of the lateness of past exports after which an export counts as late.
USUALLY = 0.8
_HOUR = 3_600_000
# What `learn` reads of the tasks.
COLUMNS = (
    *LOG_GROUP,
    *("from_time", "to_time", "status_code", "creation_time", "completion_time"),
)
# Log groups with longer steps than a day and a half are not daily, and have their own due range.
_DAILY = 3 * DAY // 2
# A weekday is usually exported later than others if this many exports show it.
_LEAST_OF_WEEKDAY = 3
# The columns with the number of days by which each weekday, Monday first, is exported later.
LATER = [f"later_{weekday}" for weekday in range(7)]
_MINUTE = 60_000
_DUE_AFTER = DUE_AFTER // timedelta(milliseconds=1)
_RERUN = 12 * _HOUR  # the time to notice a failed export and run it again


def learn(tasks: pd.DataFrame) -> pd.DataFrame:
    """Estimate the rhythm of each log group.

    This function is applied to each shard, which has the whole history of its slots.

    An export is an advance if its window ends after those of all earlier COMPLETED tasks. The
    difference is the step, and the time from the end of the window to the completion is the
    lateness. So backfills and repeated exports do not change the rhythm.

    Returns
    -------
    DataFrame
        One row per log group: `LOG_GROUP`; the times `first_window` (the start of the first
        exported window), `last_created`, `last_window` (the latest end of a window of any task) and
        `anchor` (the latest end of an exported window); in milliseconds, `period` (the median step,
        or a day without any step), `lateness` (the quantile `USUALLY`, in whole hours) and `phase`
        (when its days begin: the most frequent end of a window in the day, in whole minutes);
        `steady` (more than half of the steps are about as long as the period); and `LATER`, the
        days by which each weekday is exported later than others, such as a weekend by a task on
        Monday.
    """
    named = tasks[tasks["log_group_name"].notna().to_numpy()]
    groups = grouping.group(named, LOG_GROUP)
    count = len(groups.keys)
    begins, ends = (coerce.millis(named[name]) for name in ("from_time", "to_time"))
    created, completed = (
        coerce.millis(named[name]) for name in ("creation_time", "completion_time")
    )
    done = (named["status_code"] == "COMPLETED").to_numpy()
    windowed = (begins != coerce.NAT) & (begins <= ends)
    # a task cannot have exported events after its creation
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
    code, step, late, row = code[latest], step[latest], late[latest], row[further][latest]
    learned = pd.DataFrame({"step": step, "late": late}).groupby(code)
    period = learned["step"].median().reindex(range(count)).fillna(DAY).to_numpy()
    off = np.abs(step - period[code])
    alike = np.bincount(code, weights=off <= _ALIKE * period[code], minlength=count)
    steady = 2 * alike > np.bincount(code, minlength=count)
    phase = _phase(code, ends[row], count)
    first, last = _days(begins[row], ends[row], phase[code])
    later = _later(code, first, last, completed[row] - phase[code], late, count)
    later = np.where(period[:, np.newaxis] <= _DAILY, later, 0)
    usual = pd.Series(late - later[code, weekday_of(last)] * DAY).groupby(code)
    lateness = usual.quantile(USUALLY, interpolation="higher").reindex(range(count))
    hours = np.ceil(lateness.fillna(DAY).to_numpy() / _HOUR)
    return groups.keys.assign(
        first_window=_extreme(np.minimum, groups.codes, begins, done & windowed, count),
        last_created=_extreme(np.maximum, groups.codes, created, created != coerce.NAT, count),
        last_window=_extreme(np.maximum, groups.codes, ends, windowed, count),
        anchor=_extreme(np.maximum, groups.codes, ends, done & windowed & ended, count),
        period=np.maximum(period, 1).astype("int64"),
        lateness=(np.maximum(hours, 0) * _HOUR).astype("int64"),
        steady=steady,
        phase=phase,
        **dict(zip(LATER, later.T, strict=True)),
    )


def expected_by(groups: pd.DataFrame, when: int) -> Millis:
    """Return the time up to which each log group is usually exported at an instant.

    This is the latest end of a window that is at least the usual lateness ago.
    """
    return _edge(groups, when - groups["lateness"].to_numpy())


def due_by(groups: pd.DataFrame, when: int, daily: int) -> Millis:
    """Return the time up to which each log group is due at an instant, including time for a rerun.

    For log groups that are exported daily or more often, it is `daily`.
    """
    due: Millis = np.where(is_daily(groups), daily, _edge(groups, when - _due_after(groups)))
    return due


def is_daily(groups: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which log groups are exported daily or more often, and are due after `DUE_AFTER`."""
    daily: NDArray[np.bool_] = groups["period"].to_numpy() <= _DAILY
    latest = groups[LATER].to_numpy().max(axis=1, initial=0) * DAY
    daily &= _due_after(groups, latest) == _DUE_AFTER
    return daily


def _due_after(groups: pd.DataFrame, later: Millis | int = 0) -> Millis:
    """Return the time from the end of a window until it is due, rounded up to whole days."""
    days = -(-(groups["lateness"].to_numpy() + later + _RERUN) // DAY)
    after: Millis = np.maximum(days * DAY, _DUE_AFTER)
    return after


def _edge(groups: pd.DataFrame, when: Millis) -> Millis:
    """Return the latest end of a window at or before an instant, by the log group's rhythm."""
    anchor, period = coerce.millis(groups["anchor"]), groups["period"].to_numpy()
    anchor = np.where(anchor == coerce.NAT, 0, anchor)
    edge: Millis = anchor + (when - anchor) // period * period
    later = groups[LATER].to_numpy().any(axis=1)
    edge[later] = _edge_by_weekday(groups, when)[later]
    return edge


def _edge_by_weekday(groups: pd.DataFrame, when: Millis) -> Millis:
    """Return the end of the latest day before which no day is still to be exported."""
    phase, later = groups["phase"].to_numpy(), groups[LATER].to_numpy()
    today = (when - phase) // DAY
    edge, whole = today - 7, np.full(len(groups), fill_value=True)
    for day in today + np.arange(-7, 0)[:, np.newaxis]:
        ready = day + 1 + later[np.arange(len(groups)), weekday_of(day)]
        whole &= ready * DAY + phase <= when
        edge = np.where(whole, day + 1, edge)
    end: Millis = edge * DAY + phase
    return end


def _phase(code: Millis, end: Millis, count: int) -> Millis:
    """Return the most frequent time of the day, in whole minutes, at which windows end."""
    minute = (end + _MINUTE // 2) // _MINUTE * _MINUTE % DAY
    times = pd.DataFrame({"code": code, "minute": minute}).value_counts().reset_index()
    times = times.sort_values(["count", "minute"], ascending=[False, True])
    most = times.drop_duplicates("code").set_index("code")["minute"]
    phase: Millis = most.reindex(range(count), fill_value=0).to_numpy()
    return phase


def _days(begin: Millis, end: Millis, phase: Millis) -> tuple[Millis, Millis]:
    """Return the first and the last day of windows, of which they hold half or which hold them."""
    half = np.minimum(end - begin, DAY) // 2
    return (begin - phase + half) // DAY, (end - phase - half) // DAY


def _later(
    code: Millis, first: Millis, last: Millis, completed: Millis, late: Millis, count: int
) -> Millis:
    """Return, for each log group and weekday, by how many days it is exported later than others."""
    lags = {}
    for weekday in range(7):
        day = last - (weekday_of(last) - weekday) % 7
        lags[weekday] = np.where(day >= first, completed - (day + 1) * DAY, np.nan)
    by_group = pd.DataFrame(lags).groupby(code)
    usual = pd.Series(late, dtype="float64").groupby(code).quantile(0.5, interpolation="lower")
    lag = by_group.quantile(0.5, interpolation="lower").sub(usual, axis=0) / DAY
    lag = lag.where(by_group.count() >= _LEAST_OF_WEEKDAY).reindex(range(count))
    return lag.round().clip(0, 6).fillna(0).to_numpy(dtype="int64")


def _running_maximum(code: Millis, value: Millis) -> Millis:
    """Return the running maximum of each group. The rows of a group must be contiguous."""
    if not len(code):
        return value
    low = value.min()
    span = value.max() - low + 1
    so_far: Millis = np.maximum.accumulate(value - low + code * span) - code * span + low
    return so_far


def _from_the_end(code: Millis) -> Millis:
    """Return the number of rows after each row in its group. Groups must be contiguous."""
    last = np.searchsorted(code, code, side="right")
    numbers: Millis = last - 1 - np.arange(len(code))
    return numbers


def _extreme(
    ufunc: np.ufunc, code: Millis, value: Millis, which: NDArray[np.bool_], count: int
) -> ExtensionArray:
    """Return the minimum or maximum time of each group."""
    ends = np.iinfo("int64")
    nothing = ends.max if ufunc is np.minimum else ends.min
    found = np.full(count, nothing)
    ufunc.at(found, code[which], value[which])
    return coerce.times(np.where(found == nothing, coerce.NAT, found))
