"""Findings on the tasks themselves: failures, durations, the slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core import frames, schema
from exportstats.core.schema import LOG_GROUP, SLOT
from exportstats.report import thresholds
from exportstats.report.findings import Finding, name, place
from exportstats.report.material import within
from exportstats.stats.anomalies import find_anomalies
from exportstats.stats.failures import failure_reasons
from exportstats.stats.forecasts import estimate_completion
from exportstats.stats.periods import compare_periods
from exportstats.stats.slots import slot_usage
from exportstats.stats.slowdowns import find_slowdowns
from exportstats.text import counted, percent, write_duration

if TYPE_CHECKING:
    from exportstats.report.material import Material
    from exportstats.report.weeks import Span

_DAY = pd.Timedelta("1D")


def edges(span: Span) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Give a span as the statistics take a period."""
    return span.start, span.end


def more_failures(material: Material) -> Finding | None:
    """Tell whether clearly more of the tasks failed than in the weeks before."""
    before = material.span.before(1, of=thresholds.WEEKS_BEFORE)
    table = compare_periods(material.recent, current=edges(material.span), previous=edges(before))
    if "failure_rate" not in table.index:
        return None
    rate = table.loc["failure_rate"].to_dict()
    if rate["verdict"] != "worse":
        return None
    week = material.week
    rows = failure_reasons(week, by=list(SLOT)).reset_index()
    rows = rows.sort_values(["tasks", "reason"], ascending=[False, True], ignore_index=True)
    most = rows.iloc[0]
    where = f" in {name(most['region'])}" if isinstance(most["region"], str) else ""
    return Finding(
        "more_failures",
        "warning",
        f"{percent(rate['current'])} of {counted(int(rate['n_current']), 'task')} that ended "
        f"FAILED, after {percent(rate['previous'])} in the {thresholds.WEEKS_BEFORE} weeks before. "
        f"Most often{where} ({most['tasks']:,}): {name(most['reason'], 120)}.",
        "The reason is AWS's own message; a policy, a bucket or a key is the usual cause.",
        rows,
    )


def new_reasons(material: Material) -> Finding | None:
    """Find the reasons of failures that no task had before this week."""
    reasons = failure_reasons(material.tasks)
    rows = reasons[reasons["first_time"] >= material.span.start].reset_index()
    if not len(rows) or not _has_a_past(material):
        return None
    return Finding(
        "new_reasons",
        "warning",
        f"{counted(len(rows), 'reason')} of failures that no task had before, of "
        f"{counted(int(rows['tasks'].sum()), 'task')}: {name(rows['reason'].iloc[0], 120)}.",
        "Read the messages; something was changed in the account, the bucket or the exporter.",
        rows,
    )


def _has_a_past(material: Material) -> bool:
    return bool((material.groups["last_created"] < material.span.start).any()) or bool(
        (material.recent["creation_time"] < material.span.start).any()
    )


def slowdowns(material: Material) -> Finding | None:
    """Find the log groups that have become slower for good, of late."""
    rows = find_slowdowns(material.tasks, as_of=material.as_of)
    since = material.span.end - thresholds.SLOWDOWN_IS_NEWS
    rows = rows[(rows["since"] >= since) & (rows["since"] < material.span.end)]
    if not len(rows):
        return None
    rows = rows.sort_values(["factor", *LOG_GROUP], ascending=[False, *[True] * 3])
    worst = rows.iloc[0]
    when = worst["since"].tz_convert(material.span.start.tz)
    return Finding(
        "slowdowns",
        "warning",
        f"{counted(len(rows), 'log group')} slower for good: {place(rows.head(1))} takes "
        f"{worst['factor']:.1f} times as long since {when:%Y-%m-%d} (95 % of {worst['low']:.1f} to "
        f"{worst['high']:.1f}, {counted(int(worst['n_after']), 'task')} since).",
        "More events, larger windows or a slower destination; see whether its nights still fit "
        "into the slot.",
        rows.reset_index(drop=True),
    )


def time_outs(material: Material) -> Finding | None:
    """Find the tasks that the service ended after 24 h, or soon will."""
    active = estimate_completion(material.recent, as_of=material.as_of)
    near = (active["elapsed"] >= thresholds.LONG_ACTIVE) | (
        active["timeout_probability"] >= thresholds.LIKELY_TIME_OUT
    )
    names = [*LOG_GROUP, "task_id", "status_code", "creation_time"]
    rows = active.loc[near, [*names, "elapsed", "ends", "timeout_probability"]]
    week = material.week
    over = (week["status_code"] == "FAILED") & (
        week["duration"] >= thresholds.TIME_OUT - pd.Timedelta("5min")
    )
    ended = week.loc[over, [*names, "duration", "completion_time"]]
    ended = ended.set_axis([*names, "elapsed", "ends"], axis=1).assign(timeout_probability=1.0)
    if not len(rows) and not len(ended):
        return None
    longest = rows["elapsed"].max()
    parts = []
    if len(rows):
        parts.append(
            f"{counted(len(rows), 'active task')} near the time-out of 24 h, the longest for "
            f"{write_duration(longest.total_seconds())}: {place(rows)}"
        )
    if len(ended):
        parts.append(f"{counted(len(ended), 'task')} failed after 24 h: {place(ended)}")
    return Finding(
        "time_outs",
        "critical" if longest >= thresholds.TOO_LONG_ACTIVE else "warning",
        f"{'; '.join(parts)}.",
        "Export smaller windows; a slot waits for its task, so others of it are late as well.",
        frames.stack([rows, ended]),
    )


def busy_slots(material: Material) -> Finding | None:
    """Find the slots that have no room left, by days in UTC."""
    start, end = (edge.tz_convert("UTC").floor("D") for edge in edges(material.span))
    end = min(end, material.as_of.ceil("D"))
    recent = material.recent
    near = recent[recent["creation_time"] >= start - 2 * _DAY]
    used = slot_usage(near, as_of=material.as_of).reset_index()
    used = used[(used["period"] >= start) & (used["period"] < end)]
    if not len(used):
        return None
    days = max((end - start) // _DAY, 1)
    rows = used.groupby(list(SLOT), dropna=False, observed=True, as_index=False).agg(
        tasks=("tasks", "sum"), busy=("busy", "sum"), longest_idle=("longest_idle", "max")
    )
    rows["busy_share"] = rows["busy"].dt.total_seconds() / (days * _DAY).total_seconds()
    rows = rows[rows["busy_share"] >= thresholds.BUSY_SLOT]
    if not len(rows):
        return None
    rows = rows.sort_values(["busy_share", *SLOT], ascending=[False, True, True], ignore_index=True)
    worst = rows.iloc[0]
    return Finding(
        "busy_slots",
        "warning",
        f"{counted(len(rows), 'slot')} (account and region) nearly always busy: "
        f"{name(worst['account_id'])} {name(worst['region'])} {percent(worst['busy_share'])} of "
        f"the time, with {counted(int(worst['tasks']), 'task')}.",
        "A slot runs one task at a time. Export fewer or larger windows, or from another account.",
        rows,
    )


def bad_data(material: Material) -> Finding | None:
    """Find the tasks that cannot be as they stand."""
    rows = find_anomalies(within(material.tasks, material.span))
    if not len(rows):
        return None
    most = rows["reason"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    tasks = len(rows[list(schema.KEY)].drop_duplicates())
    return Finding(
        "bad_data",
        "warning",
        f"{counted(tasks, 'task')} that cannot be as they stand; most often ({most.iloc[0]:,}): "
        f"{most.index[0]}.",
        "See where these rows come from; what cannot be is left out of the figures.",
        rows,
    )
