"""Find long tasks: slower log groups, time-outs and busy slots."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import frames
from exportstats.core.schema import LOG_GROUP, SLOT
from exportstats.report import causes, pictures
from exportstats.report.material import of_groups
from exportstats.report.reading import SLOWDOWN_IS_NEWS
from exportstats.report.rule import Found, rule
from exportstats.report.words import groups_of, place, slot, slots_of, verb
from exportstats.stats.forecasts import estimate_completion
from exportstats.stats.histories import TIMED_OUT
from exportstats.stats.slots import slot_usage
from exportstats.text import counted, percent, write_duration

if TYPE_CHECKING:
    from exportstats.report.material import Material

# A slowdown is over when the last FAST_DAYS days were fast again, after at least SLOW_DAYS days.
FAST_DAYS = 3
SLOW_DAYS = 10
# The service ends a task after 24 h. Report an active task before that.
LONG_ACTIVE = timedelta(hours=12)
TOO_LONG_ACTIVE = timedelta(hours=20)
LIKELY_TIME_OUT = 0.1
# Above this share of the time, a slot has no room to run a failed night again.
BUSY_SLOT = 0.8
_DAY = pd.Timedelta("1D")


@rule(
    title="Log groups that have become slower",
    rank=60,
    remedy="Look for more events, larger windows or a slower destination, and check whether a "
    "night of exports still fits into the slot.",
    picture=pictures.durations,
)
def slowdowns(material: Material) -> Found | None:
    """Find log groups whose tasks have recently become slower and stayed so."""
    rows = material.slowdowns
    since = material.span.end - SLOWDOWN_IS_NEWS
    rows = rows[(rows["since"] >= since) & (rows["since"] < material.span.end)]
    rows = rows[[not over for over in _are_over(rows, material)]]
    if not len(rows):
        return None
    rows = rows.sort_values(["factor", *LOG_GROUP], ascending=[False, *[True] * 3])
    worst = rows.iloc[0]
    when = worst["since"].tz_convert(material.span.start.tz)
    return Found(
        "warning",
        f"{groups_of(rows)} {verb(len(rows), 'has', 'have')} become slower: "
        f"{place(rows.head(1))} has taken {worst['factor']:.1f} times as long since "
        f"{when:%Y-%m-%d} (95 % confidence interval {worst['low']:.1f} to {worst['high']:.1f}, "
        f"{counted(int(worst['n_after']), 'task')}).",
        rows.reset_index(drop=True),
    )


def _are_over(slow: pd.DataFrame, material: Material) -> list[bool]:
    """Return for each slowdown whether the latest days were as fast as before it."""
    tasks = of_groups(material.rows, groups=slow)
    done = tasks[(tasks["status_code"] == "COMPLETED") & (tasks["duration"] > pd.Timedelta(0))]
    over = []
    for row in range(len(slow)):
        one = slow.iloc[[row]]
        later = of_groups(done, groups=one)
        later = later[later["creation_time"] >= one["since"].iloc[0]]
        logs = np.log(later["duration"].dt.total_seconds())
        days = logs.groupby(later["creation_time"].dt.floor("D")).median().to_numpy()
        # halfway, on a logarithmic scale, between the durations before and after the change
        level = np.median(days[:SLOW_DAYS]) - np.log(one["factor"].iloc[0]) / 2
        over.append(len(days) > SLOW_DAYS and bool((days[-FAST_DAYS:] < level).all()))
    return over


@rule(
    title="Tasks near or over the time-out of 24 h",
    rank=70,
    severities=("critical", "warning"),
    remedy="Export smaller windows. A slot runs one task at a time, so its next tasks are late "
    "too.",
    picture=pictures.slots,
)
def time_outs(material: Material) -> Found | None:
    """Find tasks that reached the time-out of 24 h, and active tasks that may reach it."""
    active = estimate_completion(
        material.recent, as_of=material.as_of, incoming=material.evidence.options["incoming"]
    )
    near = (active["elapsed"] >= LONG_ACTIVE) | (active["timeout_probability"] >= LIKELY_TIME_OUT)
    names = [*LOG_GROUP, "task_id", "status_code", "creation_time"]
    rows = active.loc[near, [*names, "elapsed", "ends", "timeout_probability"]]
    week = material.week
    over = (week["status_code"] == "FAILED") & (week["duration"] >= TIMED_OUT)
    ended = week.loc[over, [*names, "duration", "completion_time"]]
    ended = ended.set_axis([*names, "elapsed", "ends"], axis=1).assign(timeout_probability=1.0)
    if not len(rows) and not len(ended):
        return None
    listed, tasks = frames.stack([rows, ended]), material.recent
    longest = rows["elapsed"].max()
    parts = []
    if len(rows):
        many = f"{counted(len(rows), 'active task')}{slots_of(rows)}"
        parts.append(
            f"{many} may reach the time-out of 24 h, the longest has been "
            f"active for {write_duration(longest.total_seconds())}: {place(rows)}"
        )
    if len(ended):
        many = f"{counted(len(ended), 'task')}{slots_of(ended)}"
        parts.append(f"{many} failed after 24 h: {place(ended)}")
    return Found(
        "critical" if longest >= TOO_LONG_ACTIVE else "warning",
        f"{'. '.join(parts)}.",
        listed,
        about=causes.of_tasks(tasks[tasks["task_id"].isin(listed["task_id"])], material),
    )


@rule(
    title="Busy slots",
    rank=80,
    remedy="A slot runs one task at a time. Export fewer or larger windows, or from another "
    "account.",
    picture=pictures.slots,
)
def busy_slots(material: Material) -> Found | None:
    """Find slots that are almost always busy, by days in UTC."""
    start, end = (edge.tz_convert("UTC").floor("D") for edge in material.span.edges)
    end = min(end, material.as_of.ceil("D"))
    recent = material.recent
    near = recent[recent["creation_time"] >= start - 2 * _DAY]
    used = slot_usage(near, freq="D", as_of=material.as_of).reset_index()
    used = used[(used["period"] >= start) & (used["period"] < end)]
    if not len(used):
        return None
    days = max((end - start) // _DAY, 1)
    rows = used.groupby(list(SLOT), dropna=False, observed=True, as_index=False).agg(
        tasks=("tasks", "sum"), busy=("busy", "sum"), longest_idle=("longest_idle", "max")
    )
    rows["busy_share"] = rows["busy"].dt.total_seconds() / (days * _DAY).total_seconds()
    rows = rows[rows["busy_share"] >= BUSY_SLOT]
    if not len(rows):
        return None
    rows = rows.sort_values(["busy_share", *SLOT], ascending=[False, True, True], ignore_index=True)
    worst = rows.iloc[0]
    return Found(
        "warning",
        f"{counted(len(rows), 'slot')} (account and region) {verb(len(rows), 'was', 'were')} "
        f"nearly always busy: {slot(worst)} for {percent(worst['busy_share'])} of the time, with "
        f"{counted(int(worst['tasks']), 'task')}.",
        rows,
    )
