"""Find long tasks: slower log groups, time-outs and busy slots."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema
from exportstats.core.schema import LOG_GROUP, SLOT
from exportstats.report import causes, pictures
from exportstats.report.reading import SLOWDOWN_IS_NEWS, of_groups
from exportstats.report.rule import Found, rule
from exportstats.report.words import groups_of, place, slot, slots_of, verb
from exportstats.stats import grouping
from exportstats.stats.forecasts import estimate_completion
from exportstats.stats.histories import TIMED_OUT
from exportstats.stats.slots import slot_usage
from exportstats.text import counted, percent, write_duration

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionArray

    from exportstats.report.material import Material

# A slowdown is over when the last FAST_DAYS days were fast again, after at least SLOW_DAYS days.
FAST_DAYS = 3
SLOW_DAYS = 10
# The service ends a task after 24 h. Report an active task before that.
LONG_ACTIVE = timedelta(hours=12)
TOO_LONG_ACTIVE = timedelta(hours=20)
LIKELY_TIME_OUT = 0.1
# Above this share of the time, a single slow task makes the rest late.
BUSY_SLOT = 0.8
# A failed night is run again on the next day, beside the exports of that day. Both fit only if a
# night takes less than half of a day. The latest weeks tell since when it takes more.
NEAR_LIMIT = 0.5
LIMIT_WEEKS = 4
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
    severities=("warning", "note"),
    remedy="A slot runs one task at a time. Export fewer or larger windows, or from another "
    "account. exportstats tonight says when the exports of the next night will be done.",
    picture=pictures.slots,
)
def busy_slots(material: Material) -> Found | None:
    """Find slots that are almost always busy, or near their limit, by days in UTC."""
    start, end = (edge.tz_convert("UTC").floor("D") for edge in material.span.edges)
    end = min(end, material.as_of.ceil("D"))
    over = material.until.floor("D")  # the last complete day
    first = over - LIMIT_WEEKS * 7 * _DAY
    recent = material.rows
    recent = recent[recent["creation_time"] >= min(start, first) - 2 * _DAY]
    used = slot_usage(recent, freq="D", as_of=material.as_of).reset_index()
    slots = grouping.group(used, list(SLOT))
    in_week = ((used["period"] >= start) & (used["period"] < end)).to_numpy()
    tasks, busy = (
        np.bincount(slots.codes[in_week], values[in_week], len(slots.keys))
        for values in (used["tasks"].to_numpy(), coerce.float_millis(used["busy"]))
    )
    rows = slots.keys.assign(
        tasks=tasks.astype("int64"),
        busy=np.rint(busy).astype("int64").view("timedelta64[ms]"),
        busy_share=busy / (max((end - start) // _DAY, 1) * schema.DAY),
        **_typical(used, slots.codes, len(slots.keys), first, over),
    )
    rows = rows[(rows["busy_share"] >= BUSY_SLOT) | rows["near_since"].notna()]
    if not len(rows):
        return None
    rows = rows.sort_values(["busy_share", *SLOT], ascending=[False, True, True], ignore_index=True)
    always = rows["busy_share"] >= BUSY_SLOT
    parts = []
    if always.any():
        some, worst = rows[always], rows.iloc[0]
        parts.append(
            f"{counted(len(some), 'slot')} (account and region) {verb(len(some), 'was', 'were')} "
            f"nearly always busy: {slot(worst)} for {percent(worst['busy_share'])} of the time, "
            f"with {counted(int(worst['tasks']), 'task')}."
        )
    if not always.all():
        some = rows[~always]
        worst = some.iloc[0]
        parts.append(
            f"{counted(len(some), 'slot')} (account and region) {verb(len(some), 'is', 'are')} "
            f"near {verb(len(some), 'its', 'their')} limit: {slot(worst)} is busy for "
            f"{percent(worst['typical_share'])} of a typical day, with "
            f"{counted(int(worst['tasks']), 'task')} in the week, and for half of it or more "
            f"{_since(worst, first)}."
        )
    return Found("warning" if always.any() else "note", " ".join(parts), rows)


def _typical(
    used: pd.DataFrame, slot: np.ndarray, many: int, first: pd.Timestamp, over: pd.Timestamp
) -> dict[str, ExtensionArray | np.ndarray]:
    """Return how busy each slot is on a typical day, and since when that is near its limit.

    The typical day of a week is its median, so one task that is stuck does not count. Weeks are
    seven days that end with the last complete day.
    """
    day = ((used["period"] - first) // _DAY).to_numpy()
    inside = (day >= 0) & (used["period"] < over).to_numpy()
    shares = np.zeros((many, LIMIT_WEEKS * 7))
    shares[slot[inside], day[inside]] = used["busy_share"].to_numpy()[inside]
    typical = np.median(shares.reshape(many, LIMIT_WEEKS, 7), axis=2)
    near = np.logical_and.accumulate(typical[:, ::-1] >= NEAR_LIMIT, axis=1).sum(axis=1)
    # the week before it, if it is known
    before = typical[np.arange(many), np.maximum(LIMIT_WEEKS - 1 - near, 0)]
    since = pd.Series(over - near * 7 * _DAY).where(near > 0)
    return {
        "typical_share": typical[:, -1],
        "near_since": since.array,
        "share_before": np.where((near > 0) & (near < LIMIT_WEEKS), before, np.nan),
    }


def _since(row: pd.Series, first: pd.Timestamp) -> str:
    """Return since when a slot is near its limit."""
    if row["near_since"] == first:
        return f"for at least {LIMIT_WEEKS} weeks"
    return f"since {row['near_since']:%Y-%m-%d} ({percent(row['share_before'])} in the week before)"
